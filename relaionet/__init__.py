"""reLAIONet: an image set that looks like the web and is labelled like ImageNet, and a fair way to score generators.

    import relaionet as rn

What a notebook wants stands here; the command `relaionet` does the same. Behind it are
`relaionet.manifests`, `relaionet.pipeline`, `relaionet.annotations`, `relaionet.evaluators` and `relaionet.flows`.
The names are declared in `__init__.pyi` and loaded when they are first used, so that importing costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
