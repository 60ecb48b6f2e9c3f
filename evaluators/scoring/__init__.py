"""Scoring: a protocol's metrics of a set, by class, and sets against each other."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
