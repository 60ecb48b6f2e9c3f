"""The header of a NumPy array: its shape and type, known before anything is allocated. No NumPy is needed."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from typing import Any

from relaionet.manifests.containers.limits import Refused

MAGIC = b"\x93NUMPY"
MAX_HEADER_BYTES = 4096
MAX_DIMENSIONS = 32
KINDS = re.compile(r"[<>|=]?([?biufcSUV])(\d{0,9})")
SIZES = {"b": (1, 2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8, 16), "c": (8, 16, 32)}


@dataclass(frozen=True, kw_only=True)
class NpyHeader:
    """What an array says about itself.

    Attributes:
        shape: sizes of its dimensions.
        kind: NumPy's letter: b, i, u, f, c numbers, ? or b truth, S, U, V texts and bytes.
        item_bytes: of one item.
        descr: NumPy's name of the type.
        is_fortran: columns lie together, not rows.
        start: where the items begin.
    """

    shape: tuple[int, ...]
    kind: str
    item_bytes: int
    descr: str
    is_fortran: bool
    start: int

    @property
    def bytes_count(self) -> int:
        """Bytes of all items."""
        return math.prod(self.shape) * self.item_bytes


def read_npy_header(stream: Any, size: int | None = None) -> NpyHeader:
    """Read the header of an array.

    Args:
        stream: binary, at the array's first byte; it stands at the first item afterwards.
        size: bytes from there to the end; None where that is not known.

    Raises:
        Refused: it is no array, holds objects or records, or says that it holds more than is there; the message has no
            file's name and no full stop.
    """
    start = stream.read(len(MAGIC) + 2)
    if not start.startswith(MAGIC) or len(start) < len(MAGIC) + 2:
        raise Refused("no array of NumPy")
    wide = start[len(MAGIC)] > 1
    length = int.from_bytes(stream.read(4 if wide else 2), "little")
    if start[len(MAGIC)] not in (1, 2, 3) or length > MAX_HEADER_BYTES:
        raise Refused("a header of an unknown kind or length")
    told = _told(stream.read(length))
    descr, shape, is_fortran = told["descr"], told["shape"], told["fortran_order"]
    if isinstance(descr, str) and "O" in descr:
        raise Refused("objects, which would have to be unpickled")
    if not isinstance(descr, str) or (found := KINDS.fullmatch(descr)) is None:
        raise Refused("items that are no plain numbers or texts")
    if not isinstance(shape, tuple) or len(shape) > MAX_DIMENSIONS or not isinstance(is_fortran, bool):
        raise Refused("a shape that is none")
    if any(type(one) is not int or not 0 <= one < 1 << 48 for one in shape):
        raise Refused("a shape that is none")
    kind, digits = found[1], int(found[2] or 1)
    if kind in SIZES and (digits not in SIZES[kind] or not found[2]):
        raise Refused("items that are no plain numbers or texts")
    header = NpyHeader(
        shape=shape, kind=kind, item_bytes={"U": 4 * digits, "?": 1}.get(kind, digits), descr=descr,
        is_fortran=is_fortran, start=len(start) + (4 if wide else 2) + length,
    )  # fmt: skip
    if size is not None and header.start + header.bytes_count > size:
        raise Refused(f"it says that it holds {header.bytes_count:,} bytes and ends early")
    return header


def _told(header: bytes) -> dict[str, Any]:
    try:
        told = ast.literal_eval(header.decode("latin-1").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise Refused("a damaged header") from None
    if not isinstance(told, dict) or set(told) != {"descr", "shape", "fortran_order"}:
        raise Refused("a damaged header")
    return told
