"""The miniature's generators and its stand-in for Inception, trained on the synthetic world by the scripts here."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
