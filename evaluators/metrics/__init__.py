"""Metrics: each a function of stored features, one module for each, all declared in `catalogue`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
