"""The export formats of this project, one module each: its writer, and the declaration `FORMAT`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
