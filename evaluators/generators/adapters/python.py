"""A user's own class, named in a TOML file by an import string."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from relaionet.evaluators.generators.adapter import GeneratorAdapter
from relaionet.evaluators.generators.factories import import_factory
from relaionet.evaluators.generators.protocol import Generator
from relaionet.manifests.errors import BadInput


def make_python(
    *, factory: str, path: str = "", options: dict[str, Any] | None = None, base: Path | None = None
) -> Generator:
    """Import and call a user's factory.

    Args:
        factory: import string `package.module:factory`; a class is a factory too.
        path: folder to import from, relative to the TOML file; empty where the module is installed.
        options: keyword arguments of the factory.
        base: folder of the TOML file.

    Returns:
        What the factory made.

    Raises:
        BadInput: the folder or the module is not there, or the options do not fit.
    """
    if path:
        folder = (base or Path()) / path
        if not folder.is_dir():
            raise BadInput(f"path {folder} is no folder.")
        sys.path.insert(0, str(folder.resolve()))
    try:
        return import_factory(factory)(**(options or {}))
    except TypeError as error:
        raise BadInput(f"'{factory}' does not take these options: {error}.") from error
    finally:
        if path:
            sys.path.remove(str(folder.resolve()))


ADAPTER = GeneratorAdapter(
    kind="python",
    about="a class of yours in a folder beside the file",
    factory=make_python,
    order=10,
)
