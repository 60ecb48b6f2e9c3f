"""Splits: the images of a release on this machine, each with how it compares to the released one."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
