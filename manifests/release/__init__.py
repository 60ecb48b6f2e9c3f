"""A release: the manifest anyone can rebuild the images from, what is said about it, and what changed between two."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
