"""Giving a hostile file to a reader and telling what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from relaionet.manifests.errors import ReLAIONetError
from tests.attempts.attempt import Attempt

REFUSED = "refused by name, nothing is unpacked"


def refused(
    kind: str, reader: str, read: Callable[[Path], Any], file: str, inputs: Iterable[tuple[str, str, bytes]]
) -> list[Attempt]:
    """Attempts that must be refused.

    Args:
        kind: heading.
        reader: what is spoken of as the reader.
        read: given the file.
        file: name of the file.
        inputs: name, what is shown of it, and its bytes.
    """
    return [
        Attempt(
            name=f"{name}, read as {reader}", kind=kind, input_shown=shown, expected=REFUSED,
            run=lambda folder, data=data: _try(folder / file, data, read),
        )
        for name, shown, data in inputs
    ]  # fmt: skip


def _try(path: Path, data: bytes, read: Callable[[Path], Any]) -> str:
    path.write_bytes(data)
    try:
        found = read(path)
    except ReLAIONetError as error:
        return f"refused: {type(error).__name__}"
    raise AssertionError(f"it was read: {type(found).__name__}")
