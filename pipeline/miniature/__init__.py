"""The built-in miniature: a small synthetic world on which the whole job runs anywhere, offline."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
