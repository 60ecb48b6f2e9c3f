"""What a caption says: words and senses matched to classes, and texts compared by an encoder."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
