"""Screens: what keeps a picture out, found by measures, heads, references and comparison."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
