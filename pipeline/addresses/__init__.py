"""Web addresses: URLs read once into the form they are used in, and which machines they may lead to."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
