"""A row's whole life: told from a run, a release, a split or an evaluation, each of which may stand alone."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
