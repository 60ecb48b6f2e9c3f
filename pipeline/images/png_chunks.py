"""PNG files without chunks that a decode does not need and cannot afford: texts and colour profiles out of all size.

A text chunk may unpack to gigabytes, and a decoder that refuses one refuses the whole file, though the picture is fine.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# of one chunk, unpacked: what Pillow reads of one at most
MAX_CHUNK_BYTES = 1 << 20
TEXTS = (b"tEXt", b"zTXt", b"iTXt")


class Trimmed(NamedTuple):
    """A PNG's bytes, and what was left out of them, in words."""

    data: bytes
    notes: tuple[str, ...]


def trim_chunks(data: bytes) -> Trimmed:
    """Leave out texts and colour profiles of more than 1 MiB, unpacked.

    Args:
        data: any bytes; those that are no PNG come back as they are.

    Returns:
        The same bytes where nothing is too long, and in any case from the first malformed chunk on.
    """
    if not data.startswith(SIGNATURE):
        return Trimmed(data, ())
    kept, notes, start, place = [], [], 0, len(SIGNATURE)
    while place + 12 <= len(data):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 12 + length
        if end > len(data) or name == b"IDAT":
            break
        if _is_too_long(name, data[place + 8 : end - 4]):
            kept.append(data[start:place])
            start = end
            notes.append(f"a {'colour profile' if name == b'iCCP' else 'text'} of more than {MAX_CHUNK_BYTES:,} bytes")
        place = end
    return Trimmed(b"".join((*kept, data[start:])) if notes else data, tuple(dict.fromkeys(notes)))


def _is_too_long(name: bytes, body: bytes) -> bool:
    if name not in (*TEXTS, b"iCCP"):
        return False
    packed = _packed_part(name, body)
    if packed is None:
        return len(body) > MAX_CHUNK_BYTES
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(packed, MAX_CHUNK_BYTES)
    except zlib.error:  # the decoder says what it thinks of that
        return len(body) > MAX_CHUNK_BYTES
    return len(found) >= MAX_CHUNK_BYTES or len(body) > MAX_CHUNK_BYTES


def _packed_part(name: bytes, body: bytes) -> bytes | None:
    """The compressed bytes of a chunk; None where it has none."""
    _, separator, rest = body.partition(b"\0")
    if not separator or name == b"tEXt":
        return None
    if name != b"iTXt":
        return rest[1:]  # after the number of the method
    if rest[:1] != b"\x01":
        return None
    return rest[2:].split(b"\0", 2)[-1]  # after language and translated keyword
