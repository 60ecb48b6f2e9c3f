"""The list of a zip, looked at before it is believed: nothing lies on something else, or unpacks to far more."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass
from typing import Any, BinaryIO

from relaionet.manifests.containers.limits import ZIP, Limits, Refused

END, END_64, LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_BYTES, LOCATOR_BYTES, END_64_BYTES, LOCAL_BYTES, ENTRY_BYTES = 22, 20, 56, 30, 46
MAX_COMMENT = 65_535
# of an entry in the list, with its name and what else stands there
MOST_ENTRY_BYTES = 2048
MAX_LIST_BYTES = 16 << 20
ENCRYPTED = 0x1


@dataclass(frozen=True, kw_only=True)
class ZipMember:
    """A member.

    Attributes:
        name: as it stands in the list.
        start: where its bytes begin, packed or not.
        packed_bytes: how many those are.
        bytes_count: how many they unpack to.
        is_packed: False where they stand as they are.
    """

    name: str
    start: int
    packed_bytes: int
    bytes_count: int
    is_packed: bool


def list_zip(file: BinaryIO, limits: Limits = ZIP) -> list[ZipMember]:
    """The members of a zip, in the order of their list; nothing is unpacked.

    Args:
        file: binary, can be sought.
        limits: how much it may hold.

    Raises:
        Refused: it is no zip, is damaged, packed in an unknown way or encrypted, a name stands twice, members overlap,
            or it holds more; the message has no file's name and no full stop.
    """
    size = file.seek(0, io.SEEK_END)
    list_bytes = _list_bytes(file, size)
    if list_bytes > min(MAX_LIST_BYTES, limits.max_members * MOST_ENTRY_BYTES):
        raise Refused(f"a list of members of {list_bytes:,} bytes")
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, OSError, struct.error, NotImplementedError) as error:
        raise Refused(" ".join(str(error).split())[:200] or "no zip") from None
    except (LookupError, OverflowError, TypeError, RuntimeError):
        raise Refused("a damaged list of members") from None
    if len(entries) > limits.max_members:
        raise Refused(f"{len(entries):,} members; expected at most {limits.max_members:,}")
    if len({entry.filename for entry in entries}) < len(entries):
        raise Refused("a name stands in it twice")
    members = [_member(file, entry, size) for entry in entries]
    _check_places(members)
    unpacked = sum(member.bytes_count for member in members)
    if unpacked > limits.most(size):
        raise Refused(f"it unpacks to {unpacked:,} bytes; expected at most {limits.most(size):,}")
    return members


def _list_bytes(file: BinaryIO, size: int) -> int:
    """Bytes of the list of members, by the record at the end."""
    tail_at = max(0, size - END_BYTES - MAX_COMMENT)
    file.seek(tail_at)
    tail = file.read(END_BYTES + MAX_COMMENT)
    place = tail.rfind(END)
    if place < 0 or len(tail) < place + END_BYTES:
        raise Refused("no zip")
    told = int.from_bytes(tail[place + 12 : place + 16], "little")
    at = tail_at + place - LOCATOR_BYTES
    if at >= 0:
        file.seek(at)
        locator = file.read(LOCATOR_BYTES)
        if locator.startswith(LOCATOR):
            file.seek(max(0, at - END_64_BYTES))
            wide = file.read(END_64_BYTES)
            if wide.startswith(END_64):
                told = max(told if told < 0xFFFFFFFF else 0, int.from_bytes(wide[40:48], "little"))
    return told


def _member(file: BinaryIO, entry: zipfile.ZipInfo, size: int) -> ZipMember:
    """A member whose own header was found where the list says."""
    name = repr(entry.filename)[:80]
    if entry.flag_bits & ENCRYPTED:
        raise Refused(f"{name} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refused(f"{name} is packed in an unknown way")
    if min(entry.header_offset, entry.compress_size, entry.file_size) < 0:
        raise Refused(f"{name} has a size below 0")
    file.seek(entry.header_offset)
    local = file.read(LOCAL_BYTES)
    if len(local) < LOCAL_BYTES or not local.startswith(b"PK\x03\x04"):
        raise Refused(f"{name} is not where the list says")
    names_bytes, extra_bytes = struct.unpack("<HH", local[26:30])
    start = entry.header_offset + LOCAL_BYTES + names_bytes + extra_bytes
    is_packed = entry.compress_type != zipfile.ZIP_STORED
    if start + entry.compress_size > size or (not is_packed and entry.compress_size != entry.file_size):
        raise Refused(f"{name} is longer than what is there")
    return ZipMember(
        name=entry.filename, start=start, packed_bytes=entry.compress_size, bytes_count=entry.file_size,
        is_packed=is_packed,
    )  # fmt: skip


def _check_places(members: list[ZipMember]) -> None:
    """No two members share bytes: a zip whose members do is far larger than it looks."""
    end = 0
    for member in sorted(members, key=lambda one: one.start):
        if member.start < end:
            raise Refused("members lie on each other")
        end = member.start + member.packed_bytes


def read_member(file: BinaryIO, member: ZipMember, most: int) -> bytes:
    """The bytes of a member, unpacked.

    Args:
        file: of the list.
        member: one of it.
        most: bytes it may have.

    Raises:
        Refused: it has more, or does not unpack to what the list says.
    """
    if member.bytes_count > most:
        raise Refused(f"{member.name!r:.80} holds {member.bytes_count:,} bytes; expected at most {most:,}")
    if not member.is_packed:
        file.seek(member.start)
        data = file.read(member.packed_bytes)
    else:
        with open_member(file, member) as unpacked:
            data = unpacked.read(member.bytes_count + 1)
    if len(data) != member.bytes_count:
        raise Refused(f"{member.name!r:.80} does not unpack to what the list says")
    return data


def open_member(file: BinaryIO, member: ZipMember) -> Any:
    """A stream of a member's bytes as they are unpacked; it is read forwards and ends where the list says.

    Raises:
        Refused: as it is read, where the bytes are damaged or more than the list says.
    """
    return io.BufferedReader(_Inflated(file, member), 1 << 20)


class _Inflated(io.RawIOBase):
    """Bytes of a member, unpacked piece by piece."""

    def __init__(self, file: BinaryIO, member: ZipMember) -> None:
        import zlib

        self._file, self._member = file, member
        self._at, self._left, self._given = member.start, member.packed_bytes, 0
        self._unpack = zlib.decompressobj(-zlib.MAX_WBITS) if member.is_packed else None

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, target: Any) -> int:
        """Fill `target` as far as one piece goes."""
        import zlib

        view = memoryview(target).cast("B")
        while True:
            if self._unpack is None:
                data = self._more(len(view))
                break
            kept = self._unpack.unconsumed_tail or self._more(1 << 18)
            try:
                data = self._unpack.decompress(kept, len(view))
            except zlib.error:
                raise Refused(f"{self._member.name!r:.80} is damaged") from None
            if data or not kept or self._unpack.eof:
                break
        self._given += len(data)
        if self._given > self._member.bytes_count:
            raise Refused(f"{self._member.name!r:.80} unpacks to more than the list says")
        view[: len(data)] = data
        return len(data)

    def _more(self, most: int) -> bytes:
        self._file.seek(self._at)
        data = self._file.read(min(most, self._left))
        self._at, self._left = self._at + len(data), self._left - len(data)
        return data
