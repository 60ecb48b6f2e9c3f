"""The headers of a tar, walked forwards only: no size is negative, nothing is read that the archive does not hold.

Python's own reader goes backwards on a size below 0 and never ends (CVE-2025-8194), and reads names of any length.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from relaionet.manifests.containers.limits import TAR, Limits, Refused

BLOCK = 512
MAX_NAME_BYTES, MAX_PAX_BYTES = 64 << 10, 1 << 20
# zeros between two archives that were joined; tar pads to 10 KiB, some writers to 1 MiB
MAX_ZEROS = 4 << 20
Kind = Literal["file", "folder", "link", "sparse", "other"]
KINDS: dict[bytes, Kind] = {
    b"0": "file", b"\0": "file", b"7": "file", b"1": "link", b"2": "link", b"5": "folder", b"S": "sparse",
}  # fmt: skip
NO_DATA = b"123456"  # links, devices, folders, pipes
LONG_NAME, LONG_LINK, PAX = b"L", b"K", b"xX"
GLOBAL = b"g"


@dataclass(frozen=True, kw_only=True)
class TarMember:
    """A member.

    Attributes:
        name: bytes that are no UTF-8 are shown as backslashes and digits.
        kind: what it is; only a file has bytes of its own.
        start: where its bytes begin.
        size: how many there are.
    """

    name: str
    kind: Kind
    start: int
    size: int


@dataclass
class _Told:
    """What headers say about the next member."""

    name: str | None = None
    size: int | None = None
    is_sparse: bool = False
    count: int = 0


def walk_tar(file: Any, limits: Limits = TAR) -> Iterator[TarMember]:
    """The members of a tar (v7, ustar, GNU, pax), in order; archives that were joined are read on.

    Args:
        file: binary; it is read and sought forwards only, and may be sought by the caller between two members.
        limits: how much it may hold.

    Raises:
        Refused: it is no tar, is damaged, ends early or holds more; the message has no file's name and no full stop.
    """
    size = _size_of(file)
    told, place, count, zeros = _Told(), 0, 0, 0
    while True:
        file.seek(place)
        header = file.read(BLOCK)
        if not header and not told.count:
            if not count and not zeros:
                raise Refused("no tar: it is empty")
            return
        if len(header) < BLOCK:
            if zeros:
                return
            raise Refused("it ends early" if count else "no tar")
        place += BLOCK
        if not header.strip(b"\0"):
            zeros += BLOCK
            if zeros > MAX_ZEROS:
                return
            continue
        if not _is_header(header):
            if zeros >= 2 * BLOCK:
                return  # what stands behind the end is no archive
            raise Refused("a damaged header" if count else "no tar")
        zeros = 0
        count += 1
        if count > limits.max_members:
            raise Refused(f"more than {limits.max_members:,} members")
        member, place = _read_member(file, header, place, told, limits)
        if size is not None and place > size + BLOCK:  # the last member's padding may be missing
            raise Refused("it ends early")
        if member is not None:
            if size is not None and member.start + member.size > size:
                raise Refused("it ends early")
            told = _Told()
            yield member


def _size_of(file: Any) -> int | None:
    """Bytes of a file on disk; None for a stream that only unpacking can measure."""
    try:
        return os.fstat(file.fileno()).st_size
    except (OSError, AttributeError, io.UnsupportedOperation):
        return file.getbuffer().nbytes if isinstance(file, io.BytesIO) else None


def _read_member(file: Any, header: bytes, place: int, told: _Told, limits: Limits) -> tuple[TarMember | None, int]:
    """The member of a header, None where it only describes the next one; and where the next header stands."""
    kind = header[156:157]
    size = _number(header[124:136])
    if kind in (LONG_NAME, LONG_LINK, GLOBAL) or kind in PAX:
        told.count += 1
        if told.count > limits.max_depth:
            raise Refused(f"more than {limits.max_depth} headers in a row that describe the next")
        _describe(file, kind, size, told)
        return None, place + _padded(size)
    size = size if told.size is None else told.size
    is_sparse = told.is_sparse or kind == b"S"
    if kind == b"S":
        place = _pass_extents(file, header, place)
    name = told.name if told.name is not None else _name_of(header)
    known = KINDS.get(kind, "other")
    if known == "file" and name.endswith("/"):
        known = "folder"
    stored = 0 if kind in NO_DATA else size
    member = TarMember(
        name=name, kind="sparse" if is_sparse and known in ("file", "sparse") else known, start=place, size=stored
    )
    return member, place + _padded(stored)


def _describe(file: Any, kind: bytes, size: int, told: _Told) -> None:
    """Take what a header's body says about the next member."""
    is_pax = kind in PAX or kind == GLOBAL
    most = MAX_PAX_BYTES if is_pax else MAX_NAME_BYTES
    if size > most:
        raise Refused(f"a name or a description of {size:,} bytes; expected at most {most:,}")
    body = file.read(size)
    if len(body) < size:
        raise Refused("it ends early")
    if kind == LONG_NAME:
        told.name = _text(body.partition(b"\0")[0])
    elif kind in PAX:
        for key, value in _pax(body):
            if key == b"path":
                told.name = _text(value)
            elif key == b"size":
                if not value.isdigit() or len(value) > 18:
                    raise Refused("a size that is no number from 0")
                told.size = int(value)
            elif key.startswith(b"GNU.sparse."):
                told.is_sparse = True
                if key == b"GNU.sparse.name":
                    told.name = _text(value)


def _pax(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each line `<length> <key>=<value>`."""
    place = 0
    while place < len(body) and body[place : place + 1] != b"\0":
        length, blank, _ = body[place : place + 8].partition(b" ")
        if not blank or not length.isdigit() or int(length) <= len(length) + 1 or place + int(length) > len(body):
            raise Refused("a damaged description of a member")
        line = body[place + len(length) + 1 : place + int(length) - 1]
        key, _, value = line.partition(b"=")
        yield key, value
        place += int(length)


def _pass_extents(file: Any, header: bytes, place: int) -> int:
    """Where the data of an old sparse member begins: behind the blocks that list its extents."""
    more = header[482]
    for _ in range(10_000):
        if not more:
            return place
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            raise Refused("it ends early")
        more, place = block[504], place + BLOCK
    raise Refused("a sparse member of too many extents")


def _is_header(header: bytes) -> bool:
    """True where the checksum is right, counted as bytes with or without a sign."""
    try:
        told = _number(header[148:156])
    except Refused:
        return False
    rest = header[:148] + header[156:]
    unsigned = sum(rest) + 8 * 32
    return told == unsigned or told == unsigned - 256 * sum(byte > 127 for byte in rest)


def _number(field: bytes) -> int:
    """A number of a header: octal digits, or bytes where the first bit is set."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip() or b"0"
    if field[0] > 0x80 or not digits.isdigit() or any(digit in b"89" for digit in digits):
        raise Refused("a size that is no number from 0")
    return int(digits, 8)


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _name_of(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
