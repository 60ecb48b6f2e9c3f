"""A zip or tar of pictures, unpacked into a folder: files alone, inside it, within limits, whole or not at all."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from relaionet.manifests.containers.limits import TAR, ZIP, Limits, Refused
from relaionet.manifests.containers.tar import walk_tar
from relaionet.manifests.containers.zips import list_zip, open_member
from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.manifest_check import MAX_PATH_CHARS, NO_PATH
from relaionet.manifests.replacing import drop_parts, replacing
from relaionet.pipeline.images.decode import MAX_BYTES

BLOCK_BYTES = 1 << 20
# pictures hardly shrink when packed
MOST_RATIO, FLOOR_BYTES = 20, 1 << 30
MAX_MEMBERS = 3_000_000


def unpack_set(archive: Path, folder: Path, *, max_bytes: int = MAX_BYTES) -> Path:
    """Unpack an archive; what is in the folder already is taken as it is.

    Links, devices and files whose path leads elsewhere are left out. A file longer than a picture may be is cut behind
    the limit, so that it is found too long and said.

    Args:
        archive: .zip, .tar, .tar.gz or .tgz.
        folder: to be made.
        max_bytes: longest file.

    Raises:
        BadInput: it is damaged, or holds far more than pictures do.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    drop_parts(folder.parent, below=False)
    most = FLOOR_BYTES + MOST_RATIO * archive.stat().st_size
    try:
        with replacing(folder) as part:
            part.mkdir()
            room = _Room(part, most, max_bytes)
            (_unpack_zip if archive.suffix.lower() == ".zip" else _unpack_tar)(archive, room)
            if not room.files_count:
                raise Refused("it holds no files")
    except (Refused, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise BadInput(f"{archive.name} cannot be unpacked: {str(error) or type(error).__name__}.") from None
    return folder


class _Room:
    """A folder that takes files until it is full."""

    def __init__(self, folder: Path, most: int, max_bytes: int) -> None:
        self.folder, self.left, self.max_bytes = folder, most, max_bytes
        self.files_count = 0

    def put(self, name: str, read: Callable[[int], bytes]) -> None:
        """Write a file of the name, from a function that gives its next bytes."""
        plain = name.removeprefix("./")
        if not plain or len(plain) > MAX_PATH_CHARS or re.search(NO_PATH, plain) or not plain.isprintable():
            return
        place = self.folder / plain
        if place.exists() or any(above.is_file() for above in place.parents if above != self.folder.parent):
            return
        self.files_count += 1
        if self.files_count > MAX_MEMBERS:
            raise Refused(f"more than {MAX_MEMBERS:,} files")
        place.parent.mkdir(parents=True, exist_ok=True)
        room = self.max_bytes + 1
        with place.open("wb") as target:
            while room and (block := read(min(BLOCK_BYTES, room))):
                target.write(block)
                room -= len(block)
                self.left -= len(block)
                if self.left < 0:
                    raise Refused("it unpacks to far more than pictures do")


def _unpack_zip(archive: Path, room: _Room) -> None:
    limits = Limits(max_bytes=ZIP.max_bytes, max_members=ZIP.max_members, ratio=ZIP.ratio, floor_bytes=FLOOR_BYTES)
    with archive.open("rb") as file:
        for member in list_zip(file, limits):
            if not member.name.endswith("/"):
                stream = open_member(file, member)
                room.put(member.name, stream.read)


def _unpack_tar(archive: Path, room: _Room) -> None:
    most = room.left
    is_packed = archive.name.lower().endswith((".gz", ".tgz"))
    with gzip.open(archive) if is_packed else archive.open("rb") as opened:
        file = _Forwards(opened) if is_packed else opened
        for member in walk_tar(file, TAR):
            if member.start + member.size > most:  # passing over it unpacks it too
                raise Refused("it unpacks to far more than pictures do")
            if member.kind == "file":
                file.seek(member.start)
                room.put(member.name, _reader(file, member.size))


class _Forwards:
    """A packed stream as one that only unpacking can measure: its file's length is not its own."""

    def __init__(self, stream: Any) -> None:
        self.read, self.seek = stream.read, stream.seek


def _reader(file: Any, size: int) -> Callable[[int], bytes]:
    left = size

    def read(most: int) -> bytes:
        nonlocal left
        block = bytes(file.read(min(most, left)))
        left -= len(block)
        if not block and left:
            raise Refused("it ends early")
        return block

    return read


def name_archive(name: str) -> str:
    """A folder's name for an archive's path."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:120]


def find_top(folder: Path) -> Path:
    """The folder that holds more than one folder of folders: archives often have one at the top."""
    while True:
        inside = list(folder.iterdir())
        if len(inside) != 1 or not inside[0].is_dir() or not any(one.is_dir() for one in inside[0].iterdir()):
            return folder
        folder = inside[0]
