"""Where EXIF and TIFF data say where a picture was taken, taken out in place: every other byte stays where it is.

EXIF is a TIFF file of its own, so the same walk serves the EXIF part of a JPEG, PNG, WebP or AVIF and a whole TIFF.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from relaionet.manifests.errors import BadInput

# bytes per value of a TIFF field type
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
GPS_IFD, EXIF_IFD, INTEROP_IFD, SUB_IFDS = 0x8825, 0x8769, 0xA005, 0x014A
# maker notes hold positions in layouts of each maker's own; the others are georeferences of maps
POSITION_TAGS = frozenset({
    0x927C, 0xC634,  # MakerNote, DNGPrivateData
    0x830E, 0x8480, 0x8482, 0x85D8, 0x87AF, 0x87B0, 0x87B1,  # GeoTIFF
})  # fmt: skip
# may name a place or hold coordinates among other things: taken out where they do
TEXT_TAGS = frozenset({
    0x010D, 0x010E, 0x013C, 0x9286, 0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F, 0x02BC, 0x83BB, 0x8649, 0xA480, 0xA481,
})  # fmt: skip
PIXEL_TAGS = ((0x0111, 0x0117), (0x0144, 0x0145), (0x0201, 0x0202))  # offsets, lengths
POSITION_WORDS = re.compile(
    rb"gps|latitude|longitude|geotag|geo[:_-]?(lat|long|tiff|code|point|data)|location|sublocation|"
    rb"(photoshop|iptc4xmpcore|iptc4xmpext|lr|digikam|mwg-coll)[:=\"']+(city|state|province|country|worldregion)|"
    rb"-?\d{1,2}\.\d{4,}\s*[,;/]\s*-?\d{1,3}\.\d{4,}",
    re.IGNORECASE,
)
MAX_DIRECTORIES = 1000


def names_position(text: bytes) -> bool:
    """True where text (ASCII, UTF-8 or UTF-16) may say where a picture was taken."""
    return POSITION_WORDS.search(text.replace(b"\x00", b"")) is not None


@dataclass(frozen=True)
class _Layout:
    """How a TIFF is written: byte order, and the wide form (BigTIFF) or the usual one."""

    order: str
    wide: bool

    @property
    def entry_bytes(self) -> int:
        return 20 if self.wide else 12

    @property
    def inline_bytes(self) -> int:
        return 8 if self.wide else 4

    def number(self, data: bytes | bytearray, at: int, size: int) -> int:
        if at < 0 or at + size > len(data):
            raise BadInput("its EXIF or TIFF structure points outside the file.")
        return int(struct.unpack_from(self.order + {1: "B", 2: "H", 4: "I", 8: "Q"}[size], data, at)[0])


@dataclass(frozen=True)
class _Entry:
    tag: int
    kind: int
    count: int
    at: int  # of the entry itself
    start: int  # of its values
    length: int  # of its values, bytes
    inline: bool  # the values stand in the entry itself


def clear_position(data: bytes) -> bytes:
    """Take positions out of a TIFF structure.

    Args:
        data: from the byte-order mark on: a TIFF file, or EXIF without its "Exif" header.

    Returns:
        Bytes of the same length, with the GPS directory, maker notes, georeferences and texts that name a position
        overwritten and their entries removed; `data` itself where there were none.

    Raises:
        BadInput: the structure cannot be followed to its end, so nothing can be promised about it.
    """
    out = bytearray(data)
    layout, first = _read_header(data)
    wiped: list[tuple[int, int]] = []
    held: list[tuple[int, int]] = []
    for directory in _directories(out, layout, first):
        entries = list(_entries(out, layout, directory))
        drop = [entry for entry in entries if _tells(out, entry)]
        for entry in entries:
            if entry in drop:
                wiped += _values_of(out, layout, entry)
            elif not entry.inline:
                held.append((entry.start, entry.start + entry.length))
        held += _pixel_ranges(out, layout, entries)
        held.append((directory, _entries_end(layout, directory, len(entries))))
        _remove_entries(out, layout, directory, entries, drop)
    if any(start < high and low < end for start, end in wiped for low, high in held if start < end and low < high):
        raise BadInput("its position data shares bytes with what must stay.")
    for start, end in wiped:
        out[start:end] = bytes(end - start)
    return bytes(out) if out != data else data


def _read_header(data: bytes) -> tuple[_Layout, int]:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        raise BadInput("its EXIF or TIFF data has no byte-order mark.")
    layout = _Layout(order, wide=struct.unpack_from(order + "H", data, 2)[0] == 43)
    return layout, layout.number(data, 8, 8) if layout.wide else layout.number(data, 4, 4)


def _directories(data: bytearray, layout: _Layout, first: int) -> Iterator[int]:
    """Offsets of all directories but the GPS one; each is read again only after the caller is done with it."""
    seen: set[int] = set()
    waiting = [first]
    while waiting:
        at = waiting.pop()
        if at == 0 or at in seen:
            continue
        if len(seen) >= MAX_DIRECTORIES:
            raise BadInput(f"its EXIF or TIFF data has more than {MAX_DIRECTORIES} directories.")
        seen.add(at)
        entries = list(_entries(data, layout, at))
        for entry in entries:
            if entry.tag in (EXIF_IFD, INTEROP_IFD, SUB_IFDS):
                size = TYPE_BYTES.get(entry.kind, 0)
                if size not in (1, 2, 4, 8):
                    raise BadInput(f"its EXIF or TIFF data names a directory by a value of type {entry.kind}.")
                waiting += [layout.number(data, entry.start + i * size, size) for i in range(min(entry.count, 100))]
        end = _entries_end(layout, at, len(entries))
        if end + layout.inline_bytes <= len(data):  # some writers leave the last pointer out
            waiting.append(layout.number(data, end, layout.inline_bytes))
        yield at


def _entries_start(layout: _Layout, at: int) -> int:
    return at + (8 if layout.wide else 2)


def _entries_end(layout: _Layout, at: int, count: int) -> int:
    return _entries_start(layout, at) + count * layout.entry_bytes


def _entries(data: bytearray, layout: _Layout, at: int) -> Iterator[_Entry]:
    count = layout.number(data, at, 8 if layout.wide else 2)
    start = _entries_start(layout, at)
    if start + count * layout.entry_bytes > len(data):
        raise BadInput("its EXIF or TIFF structure points outside the file.")
    for place in range(start, start + count * layout.entry_bytes, layout.entry_bytes):
        tag, kind = layout.number(data, place, 2), layout.number(data, place + 2, 2)
        size = layout.inline_bytes
        many = layout.number(data, place + 4, size)
        length = many * TYPE_BYTES.get(kind, 1)
        inline = place + 4 + size
        values = inline if length <= size else layout.number(data, inline, size)
        if kind in TYPE_BYTES and values + length > len(data):
            length = max(0, len(data) - values)  # a value cut short is wiped as far as it goes
        yield _Entry(tag, kind, many, place, values, length, values == inline)


def _tells(data: bytearray, entry: _Entry) -> bool:
    if entry.tag == GPS_IFD or entry.tag in POSITION_TAGS:
        return True
    return entry.tag in TEXT_TAGS and names_position(bytes(data[entry.start : entry.start + entry.length]))


def _values_of(data: bytearray, layout: _Layout, entry: _Entry) -> list[tuple[int, int]]:
    """Ranges of an entry's values; of the GPS directory also those of its own entries."""
    ranges = [] if entry.inline else [(entry.start, entry.start + entry.length)]
    if entry.tag != GPS_IFD or entry.kind not in TYPE_BYTES:
        return ranges
    at = layout.number(data, entry.start, TYPE_BYTES[entry.kind])
    inner = list(_entries(data, layout, at))
    end = min(_entries_end(layout, at, len(inner)) + layout.inline_bytes, len(data))
    return [*ranges, (at, end), *((one.start, one.start + one.length) for one in inner if not one.inline)]


def _pixel_ranges(data: bytearray, layout: _Layout, entries: list[_Entry]) -> list[tuple[int, int]]:
    by_tag = {entry.tag: entry for entry in entries}
    ranges = []
    for offsets, lengths in PIXEL_TAGS:
        if offsets in by_tag and lengths in by_tag:
            starts, sizes = (_numbers(data, layout, by_tag[tag]) for tag in (offsets, lengths))
            ranges += [(start, start + size) for start, size in zip(starts, sizes, strict=False)]
    return ranges


def _numbers(data: bytearray, layout: _Layout, entry: _Entry) -> list[int]:
    size = TYPE_BYTES.get(entry.kind, 0)
    if size not in (1, 2, 4, 8):
        return []
    return [layout.number(data, entry.start + i * size, size) for i in range(entry.length // size)]


def _remove_entries(data: bytearray, layout: _Layout, at: int, entries: list[_Entry], drop: list[_Entry]) -> None:
    """Write a directory again without some entries; the space they leave is zero."""
    if not drop:
        return
    start, size = _entries_start(layout, at), layout.entry_bytes
    end = _entries_end(layout, at, len(entries))
    tail = data[end : end + layout.inline_bytes]
    kept = b"".join(bytes(data[one.at : one.at + size]) for one in entries if one not in drop)
    struct.pack_into(layout.order + ("Q" if layout.wide else "H"), data, at, len(entries) - len(drop))
    whole = kept + bytes(tail)
    data[start : end + len(tail)] = whole + bytes(end + len(tail) - start - len(whole))
