"""Generators by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relaionet.evaluators.generators.protocol import Generator

__all__ = ["Generator", "load_generator"]


def load_generator(name: str | Path, *, device: str = "auto", **options: Any) -> Generator:
    """Find a generator and load it.

    Args:
        name: one that `relaionet generators list` shows, the path of a TOML file, an installed entry point, or an
            import string `package.module:factory`.
        device: torch device name; `auto` is the GPU where there is one.
        **options: keyword arguments of the generator's factory; they go before those of a TOML file.

    Returns:
        The generator: `info` says what it is, and `generate(requests, settings)` gives uint8 images `[N, H, W, 3]`.

    Raises:
        BadInput: the name, a key or a file is wrong; the message names the nearest that is right.

    Examples:
        >>> generator = rn.load_generator("miniature-flow", device="cpu")
        >>> generator.info.native_size_px
        32
    """
    from relaionet.evaluators.generators.registry import load_generator as load
    from relaionet.flows.evaluation.loaded_generator import device_of

    return load(name, device=device_of(device), **options)
