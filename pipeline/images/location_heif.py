"""Positions in AVIF and HEIF files, overwritten in place: nothing moves, so every offset in the file stays right."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.images.location_exif import clear_position, names_position

# boxes that may hold a place: user data of films, and XMP and makers' own boxes
DROPPED = frozenset({b"udta", b"uuid", b"mpvd", b"sefd"})
HOLDERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
MAX_ITEMS = 10_000


@dataclass(frozen=True)
class _Box:
    kind: bytes
    at: int  # of the box
    start: int  # of its content
    end: int


def clear_boxes(data: bytes) -> bytes:
    """Take positions out of an AVIF or HEIF file.

    Args:
        data: from its first box (`ftyp`) on.

    Returns:
        Bytes of the same length: EXIF items cleaned, XMP items that name a place blank, boxes of user data free;
        `data` itself where there were none.

    Raises:
        BadInput: the structure cannot be followed to its end.
    """
    out = bytearray(data)
    for box in _boxes(out, 0, len(out)):
        if box.kind == b"meta":
            _clear_items(out, box)
        _clear_box(out, box)
    return bytes(out) if out != data else data


def _boxes(data: bytearray, at: int, end: int) -> Iterator[_Box]:
    while at + 8 <= end:
        size, kind, start = struct.unpack_from(">I", data, at)[0], bytes(data[at + 4 : at + 8]), at + 8
        if size == 1:
            size, start = struct.unpack_from(">Q", data, at + 8)[0], at + 16
        stop = at + size if size else end
        if stop > end or stop < start:
            raise BadInput("its boxes do not fit into each other.")
        yield _Box(kind, at, start, stop)
        at = stop


def _clear_box(data: bytearray, box: _Box) -> None:
    """Make boxes of user data free, wherever they stand."""
    if box.kind in DROPPED:
        data[box.at + 4 : box.at + 8] = b"free"
        data[box.start : box.end] = bytes(box.end - box.start)
    elif box.kind in HOLDERS:
        for inner in _boxes(data, box.start, box.end):
            _clear_box(data, inner)


def _clear_items(data: bytearray, meta: _Box) -> None:
    """Clean the EXIF and XMP items of a picture file."""
    inner = {box.kind: box for box in _boxes(data, meta.start + 4, meta.end)}
    if b"iinf" not in inner:
        return
    kinds = _item_kinds(data, inner[b"iinf"])
    places = _item_places(data, inner[b"iloc"], inner.get(b"idat")) if b"iloc" in inner else {}
    for item, kind in kinds.items():
        if kind not in (b"Exif", b"mime"):
            continue
        ranges = places.get(item, [])
        whole = b"".join(bytes(data[start:end]) for start, end in ranges)
        cleaned = _clean_exif_item(whole) if kind == b"Exif" else b" " * len(whole) if names_position(whole) else whole
        for start, end in ranges:
            data[start:end], cleaned = cleaned[: end - start], cleaned[end - start :]


def _clean_exif_item(item: bytes) -> bytes:
    """An EXIF item (how far its TIFF part is away, then that part) cleaned, or all of its TIFF part blank."""
    if len(item) < 4:
        return item
    start = 4 + struct.unpack_from(">I", item)[0]
    try:
        return item[:start] + clear_position(item[start:])
    except BadInput:
        # an empty directory: nothing is left in it; the picture's own orientation is a property, not EXIF
        blank = struct.pack("<2sHIHI", b"II", 42, 8, 0, 0)
        return (item[:start] + blank + bytes(len(item)))[: len(item)]


def _item_kinds(data: bytearray, box: _Box) -> dict[int, bytes]:
    version = data[box.start]
    first = box.start + (6 if version == 0 else 8)
    kinds = {}
    for entry in _boxes(data, first, box.end):
        if entry.kind != b"infe" or data[entry.start] < 2:
            continue
        wide = data[entry.start] == 3
        item = struct.unpack_from(">I" if wide else ">H", data, entry.start + 4)[0]
        at = entry.start + (10 if wide else 8)
        kinds[item] = bytes(data[at : at + 4])
    return kinds


def _item_places(data: bytearray, box: _Box, idat: _Box | None) -> dict[int, list[tuple[int, int]]]:
    """Byte ranges of each item, from the table of item locations."""
    reader = _Reader(data, box.start)
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version in (1, 2) else 0
    count = reader.number(4 if version == 2 else 2)
    if count > MAX_ITEMS:
        raise BadInput(f"it has more than {MAX_ITEMS} items.")
    places = {}
    for _ in range(count):
        item = reader.number(4 if version == 2 else 2)
        method = reader.number(2) & 15 if version in (1, 2) else 0
        reader.number(2)  # where else the data may be: this file
        base = reader.number(base_size)
        ranges = []
        for _ in range(min(reader.number(2), MAX_ITEMS)):
            reader.number(index_size)
            offset, length = base + reader.number(offset_size), reader.number(length_size)
            start = offset + (idat.start if method == 1 and idat is not None else 0)
            ranges.append((start, start + (length or len(data) - start)))
        if method > 1 or any(end > len(data) for _, end in ranges):
            raise BadInput("an item of it is not where it should be.")
        places[item] = ranges
    return places


class _Reader:
    """Reads big-endian numbers one after the other."""

    def __init__(self, data: bytearray, at: int) -> None:
        self._data, self._at = data, at

    def number(self, size: int) -> int:
        value = int.from_bytes(self._data[self._at : self._at + size], "big")
        self._at += size
        if self._at > len(self._data):
            raise BadInput("its table of items ends early.")
        return value
