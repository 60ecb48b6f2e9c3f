"""Label Studio: its server, its projects, what is pushed there and pulled back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
