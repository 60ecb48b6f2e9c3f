"""Arrays as they are stored, and those of strangers: shape and type are known before room is made for them."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.manifests.containers.limits import MIB, NPZ, NUMBERS, Limits, Refused
from relaionet.manifests.containers.npy import NpyHeader, read_npy_header
from relaionet.manifests.containers.zips import ZipMember, list_zip, open_member

if TYPE_CHECKING:
    import numpy as np

SUFFIX = ".npy"
# a packed array above this is unpacked into a file without a name, and mapped
IN_MEMORY_BYTES = 64 * MIB


def npy_bytes(array: np.ndarray) -> memoryview:
    """An array as NumPy stores it (`.npy`, nothing pickled), for `Store.write_artifact` and `write_atomic`.

    Args:
        array: any shape and type but objects.
    """
    import numpy as np

    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return data.getbuffer()


def map_npy(path: Path) -> np.ndarray:
    """A stranger's `.npy`, mapped: only the rows that are looked at are read.

    Raises:
        Refused: it is none, holds objects or records, or ends early; the message has no file's name and no full stop.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header = read_npy_header(file, size)
    return _mapped(path, header, header.start)


def read_npy(source: Path | bytes, limits: Limits = NUMBERS) -> np.ndarray:
    """A stranger's `.npy`, read whole.

    Args:
        source: path, or the file's bytes.
        limits: how much it may hold.

    Raises:
        Refused: as `map_npy`, or it holds more.
        OSError: it cannot be read.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        return _read(file, size, limits.max_bytes)


def list_npz(path: Path, limits: Limits = NPZ) -> dict[str, ZipMember]:
    """The arrays of a stranger's npz by name; nothing is unpacked.

    Raises:
        Refused: it is none, or holds more; the message has no file's name and no full stop.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return {member.name.removesuffix(SUFFIX): member for member in list_zip(file, limits)}


def read_npz(path: Path, wanted: Collection[str] | None = None, limits: Limits = NUMBERS) -> dict[str, np.ndarray]:
    """Arrays of a stranger's npz, read whole.

    Args:
        path: of the file.
        wanted: names of those that are read, where they are there; None reads all.
        limits: how much those may hold together.

    Raises:
        Refused: it is none, is damaged, or holds more; the message has no file's name and no full stop.
        OSError: it cannot be read.
    """
    found = {}
    members = {name: one for name, one in list_npz(path).items() if wanted is None or name in wanted}
    most = limits.most(path.stat().st_size)
    unpacked = sum(member.bytes_count for member in members.values())
    if len(members) > limits.max_members or unpacked > most:
        raise Refused(f"{len(members)} arrays of {unpacked:,} bytes; expected at most {most:,}")
    with path.open("rb") as file:
        for name, member in members.items():
            with open_member(file, member) as stream:
                found[name] = _read(stream, member.bytes_count, most)
    return found


def map_npz(path: Path, name: str) -> np.ndarray:
    """One array of a stranger's npz, mapped where it is not packed; else unpacked, a large one into a nameless file.

    Args:
        path: of the file.
        name: of the array.

    Raises:
        Refused: it is none, has no such array, or is damaged; the message has no file's name and no full stop.
        OSError: it cannot be read, or there is no room to unpack it.
    """
    member = list_npz(path).get(name)
    if member is None:
        raise Refused(f"no array {name}")
    with path.open("rb") as file, open_member(file, member) as stream:
        header = read_npy_header(stream, member.bytes_count)
        if not member.is_packed:
            return _mapped(path, header, member.start + header.start)
        if header.bytes_count <= IN_MEMORY_BYTES:
            return _filled(stream, header)
        with tempfile.TemporaryFile() as room:
            left = header.bytes_count
            while left and (piece := stream.read(min(left, 4 * MIB))):
                left -= room.write(piece)
            if left:
                raise Refused("it ends early")
            room.flush()
            return _mapped(room, header, 0)


def _mapped(place: Any, header: NpyHeader, start: int) -> np.ndarray:
    import numpy as np

    order: Any = "F" if header.is_fortran else "C"
    if not header.bytes_count:
        return _empty(header)
    return np.memmap(place, dtype=header.descr, mode="r", offset=start, shape=header.shape, order=order)


def _read(stream: Any, size: int, most: int) -> np.ndarray:
    header = read_npy_header(stream, size)
    if header.bytes_count > most:
        raise Refused(f"an array of {header.bytes_count:,} bytes; expected at most {most:,}")
    return _filled(stream, header)


def _filled(stream: Any, header: NpyHeader) -> np.ndarray:
    """The items behind a header that was found to be right."""
    import numpy as np

    data = bytearray(stream.read(header.bytes_count))
    if len(data) != header.bytes_count:
        raise Refused("it ends early")
    if not data:
        return _empty(header)
    items = np.frombuffer(data, dtype=header.descr)
    return items.reshape(header.shape, order="F" if header.is_fortran else "C")


def _empty(header: NpyHeader) -> np.ndarray:
    import numpy as np

    try:
        return np.zeros(header.shape, header.descr)
    except (ValueError, MemoryError, TypeError):
        raise Refused("a shape that is none") from None
