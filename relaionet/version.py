"""The version that is installed."""

from __future__ import annotations

from importlib import metadata

__version__: str = metadata.version("relaionet")
