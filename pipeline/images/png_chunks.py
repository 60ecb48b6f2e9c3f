"""PNG files without chunks that a decode does not need and cannot afford: texts and colour profiles out of all size.

A text chunk may unpack to gigabytes, and a decoder that refuses one refuses the whole file, though the picture is fine.
"""

from __future__ import annotations

import contextlib
import zlib
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# of one chunk, unpacked: what Pillow reads of one at most
MAX_CHUNK_BYTES = 1 << 20
# of all that are kept: what lies behind is left out unseen
MAX_ALL_BYTES = 16 << 20
LOOKED_AT = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")


class Trimmed(NamedTuple):
    """A PNG's bytes, and what was left out of them, in words."""

    data: bytes
    notes: tuple[str, ...]


def trim_chunks(data: bytes) -> Trimmed:
    """Leave out texts and colour profiles of more than 1 MiB unpacked, and those behind 16 MiB of them.

    Args:
        data: any bytes; those that are no PNG come back as they are.

    Returns:
        The same bytes where nothing is too long, and in any case from the first malformed chunk on.
    """
    if not data.startswith(SIGNATURE):
        return Trimmed(data, ())
    kept, notes, start, place, room = [], [], 0, len(SIGNATURE), MAX_ALL_BYTES
    while place + 12 <= len(data):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 12 + length
        if end > len(data) or name == b"IDAT":
            break
        length = _unpacked_length(name, data[place + 8 : end - 4]) if room > 0 else MAX_CHUNK_BYTES
        room -= length
        if name in LOOKED_AT and length >= MAX_CHUNK_BYTES:
            kept.append(data[start:place])
            start = end
            notes.append(f"a {'colour profile' if name == b'iCCP' else 'text'} of more than {MAX_CHUNK_BYTES:,} bytes")
        place = end
    return Trimmed(b"".join((*kept, data[start:])) if notes else data, tuple(dict.fromkeys(notes)))


def _unpacked_length(name: bytes, body: bytes) -> int:
    """Bytes of a text or a profile, at most `MAX_CHUNK_BYTES` of them; 0 for other chunks."""
    if name not in LOOKED_AT:
        return 0
    packed = _packed_part(name, body)
    found = b""
    if packed is not None:
        with contextlib.suppress(zlib.error):  # the decoder says what it thinks of that
            found = zlib.decompressobj().decompress(packed, MAX_CHUNK_BYTES)
    return min(MAX_CHUNK_BYTES, max(len(found), len(body)))


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
