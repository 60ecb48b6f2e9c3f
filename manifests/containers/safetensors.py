"""The header of a file of tensors (safetensors): a JSON text whose length stands before it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from relaionet.manifests.containers.limits import JSON, SAFETENSORS, Limits, Refused
from relaionet.manifests.containers.texts import parse_json

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 16 << 20
ABOUT = "__metadata__"


def check_safetensors(path: Path, limits: Limits = SAFETENSORS) -> dict[str, tuple[int, ...]]:
    """Look at the header of a file of tensors; nothing else of it is read.

    Args:
        path: of the file.
        limits: how much it may hold.

    Returns:
        Name -> shape of every tensor.

    Raises:
        Refused: it is none, or its tensors are not the bytes that are there; the message has no file's name and no full
            stop.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise Refused(f"{size:,} bytes; expected at most {limits.max_bytes:,}")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if size < LENGTH_BYTES or length > min(MAX_HEADER_BYTES, size - LENGTH_BYTES):
            raise Refused("a header that is longer than the file or than any header is")
        told = parse_json(file.read(length), replace(JSON, max_depth=SAFETENSORS.max_depth))
    if not isinstance(told, dict) or len(told) > limits.max_members:
        raise Refused("a header that names no tensors")
    rest = size - LENGTH_BYTES - length
    tensors = {name: value for name, value in told.items() if name != ABOUT}
    if sum(_bytes_of(value, rest) for value in tensors.values()) > rest:
        raise Refused("tensors that lie on each other")
    return {name: tuple(value["shape"]) for name, value in tensors.items()}


def _bytes_of(value: Any, most: int) -> int:
    """Bytes of a tensor, by where they begin and end."""
    places = value.get("data_offsets") if isinstance(value, dict) else None
    shape = value.get("shape") if isinstance(value, dict) else None
    if not isinstance(places, list) or not isinstance(shape, list) or len(places) != 2:
        raise Refused("a tensor without shape or place")
    if any(type(one) is not int or one < 0 for one in (*places, *shape)) or not places[0] <= places[1] <= most:
        raise Refused("a tensor that is not where the header says")
    return int(places[1] - places[0])
