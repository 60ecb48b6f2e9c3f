"""Rows of anything `datasets` reads: streamed by a process of their own, measured here, labelled by their columns."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
