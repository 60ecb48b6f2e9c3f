"""Parts of the flow `adopt`: pictures that could be either, sets of the Hub, and what is told."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
