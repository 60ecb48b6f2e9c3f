"""The stages of the flow `lookup`, each a few shards: pictures, nearest rows, addresses fetched, what was found."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
