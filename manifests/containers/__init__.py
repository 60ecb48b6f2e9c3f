"""The one door for containers of strangers: what each may hold, looked at before a parser or a library is."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
