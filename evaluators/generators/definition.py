"""A generator's TOML file, read and not made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaionet.evaluators.generators.catalogue import About


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A generator's TOML file, read and not made.

    Attributes:
        kind: its adapter, or an import string.
        options: what the adapter is given.
        about: where it comes from.
        path: the file.
    """

    kind: str
    options: Mapping[str, Any]
    about: About
    path: Path
