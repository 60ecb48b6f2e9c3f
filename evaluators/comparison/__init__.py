"""Comparison: how far two sets of pictures are apart, at equal number and equal class mix, with intervals."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
