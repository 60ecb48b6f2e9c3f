"""The command line: thin wrappers that read options, call a flow and turn errors into readable lines."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
