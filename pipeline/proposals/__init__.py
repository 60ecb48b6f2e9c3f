"""Proposals: the label a picture may have, how sure that is, and which ones people are asked about."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
