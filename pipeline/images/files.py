"""Pictures in a folder on this disk: listed, read within limits, hashed; also those inside parquet files.

A picture in a parquet file (a column of structs with `bytes`, as `datasets` writes it) has the path `<file>/<row>`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables.adoption import PICTURES
from relaionet.manifests.tables.schema import ALIVE, shape_table
from relaionet.pipeline.images.decode import MAX_BYTES, BrokenImage
from relaionet.pipeline.images.fingerprints import VERSION as FINGERPRINT_VERSION
from relaionet.pipeline.images.fingerprints import take_fingerprints
from relaionet.pipeline.images.parquet import PARQUET, batched, count_parquet_rows, in_parquet, read_parquet_bytes

VERSION = "2"
# pictures taken from a parquet file at a time: its row groups are unpacked once per batch
PARQUET_BATCH = 64
# what people keep beside images; never opened as one
OTHER_ENDINGS = (
    ".txt", ".md", ".csv", ".tsv", ".json", ".toml", ".yaml", ".yml", ".xml", ".html", ".pdf", ".mat", ".py", ".sh",
    ".npy", ".npz", ".pkl", ".zip", ".tar", ".gz", ".log", ".db", ".ini",
)  # fmt: skip
# folders that systems put beside pictures, with pictures or shadows of pictures in them
SYSTEM_FOLDERS = frozenset(
    {"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"}
)


def is_systems_own(path: str) -> bool:
    """Whether a file is no picture of anybody's, whatever it is called: hidden, or in a folder of a system's own.

    Args:
        path: in its folder or archive, with `/`; a leading `./` hides nothing.
    """
    parts = path.split("/")
    return any((part.startswith(".") and part not in (".", "..")) or part.lower() in SYSTEM_FOLDERS for part in parts)


@dataclass(frozen=True, kw_only=True)
class PictureLimits:
    """How much of one file is looked at.

    Attributes:
        max_bytes: longest file read, bytes.
        max_pixels: largest picture decoded, width × height.
        threads: files read and decoded at once; None takes one per core.
    """

    max_bytes: int = MAX_BYTES
    max_pixels: int = 179_000_000
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.max_bytes <= 0 or self.max_pixels <= 0 or (self.threads is not None and self.threads <= 0):
            raise BadInput("max_bytes, max_pixels and threads: expected more than 0.")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a picture lies.

    Attributes:
        path: in the folder, with `/`.
        stamp: length and time of change of its file, by which a change is noticed.
    """

    path: str
    stamp: str


def list_pictures(folder: Path) -> tuple[list[Place], list[str]]:
    """Every file in a folder, by path; a folder in it may be a link (class folders are), a deeper one is not followed.

    Args:
        folder: any.

    Returns:
        What may be a picture (rows of parquet files one by one), and the paths that are none: by their name, hidden or
        a system's own, a link that leads nowhere or to a folder, a parquet file of other things than images.

    Raises:
        BadInput: the folder is not there, a name in it cannot be written down, or a parquet file is damaged.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder; expected one with images.")
    places, others = [], []
    for entry in _walk(folder, top=True):
        path = Path(entry.path).relative_to(folder).as_posix()
        if not path.isprintable():
            raise BadInput(f"{folder}: the file name {path!r} has characters that cannot be printed; rename it.")
        if is_systems_own(path) or path.lower().endswith(OTHER_ENDINGS) or not entry.is_file():
            others.append(path)
            continue
        about = entry.stat()
        stamp = f"{about.st_size}:{about.st_mtime_ns}"
        if path.lower().endswith(PARQUET):
            rows_count = count_parquet_rows(folder / path)
            if rows_count is None:
                others.append(path)
                continue
            places += [Place(path=f"{path}/{row}", stamp=stamp) for row in range(rows_count)]
        else:
            places.append(Place(path=path, stamp=stamp))
    return sorted(places, key=lambda place: _in_order(place.path)), sorted(others)


def _in_order(path: str) -> tuple[str, int]:
    name, _, row = path.rpartition("/")
    return (name, int(row)) if in_parquet(path) else (path, 0)


def _walk(folder: Path, *, top: bool) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            # a class folder may itself be a link; deeper ones could lead round in a circle
            if entry.is_dir(follow_symlinks=top):
                yield from _walk(Path(entry.path), top=False)
            else:
                yield entry


def read_pictures(
    folder: Path, places: Sequence[str], limits: PictureLimits, progress: Callable[[int], None] | None = None,
    version: int = FINGERPRINT_VERSION,
) -> pl.DataFrame:  # fmt: skip
    """Read and measure pictures, one file per thread in memory at a time.

    Args:
        folder: of the paths.
        places: paths from `list_pictures`.
        limits: of each file.
        progress: called with the number of pictures done since the last call.
        version: of the fingerprints.

    Returns:
        PICTURES, one row per path, in order; a file that is no picture has status `broken` and a reason.
    """
    threads = limits.threads or os.cpu_count() or 1
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(threads) as pool:
        for some in batched(places, PARQUET_BATCH if any(map(in_parquet, places)) else 4 * threads):
            inside = read_parquet_bytes(folder, [path for path in some if in_parquet(path)])
            for found in pool.map(lambda path: _measure(folder, path, limits, inside, version), some):  # noqa: B023  used at once
                rows.append(found)
                if progress is not None:
                    progress(1)
    return shape_table(pl.DataFrame(rows, schema=dict(PICTURES.schema)), PICTURES)


def _measure(
    folder: Path, path: str, limits: PictureLimits, inside: Mapping[str, bytes | None], version: int
) -> dict[str, Any]:
    try:
        data = inside[path] if path in inside else read_file(folder / path, limits.max_bytes)
        if data is None or len(data) > limits.max_bytes:
            raise BrokenImage("no bytes in its row" if data is None else f"longer than {limits.max_bytes:,} bytes")
    except BrokenImage as error:
        return broken_row(path, str(error))
    except OSError as error:
        return broken_row(path, f"cannot be read: {error.strerror}")
    return measure_bytes(path, data, limits.max_pixels, version)


def broken_row(path: str, reason: str) -> dict[str, Any]:
    """A row of PICTURES of what is no picture."""
    return dict.fromkeys(PICTURES.columns) | {"path": path, "status": "broken", "reason": reason}


def measure_bytes(path: str, data: bytes, max_pixels: int, version: int = FINGERPRINT_VERSION) -> dict[str, Any]:
    """A row of PICTURES of some bytes.

    Args:
        path: the row's key.
        data: from anywhere.
        max_pixels: largest picture decoded.
        version: of the fingerprints.
    """
    row: dict[str, Any] = dict.fromkeys(PICTURES.columns) | {"path": path, "status": "broken"}
    row |= {"bytes_count": len(data), "image_sha256": hashlib.sha256(data).hexdigest()}
    try:
        found = take_fingerprints(data, max_pixels, version)
    except BrokenImage as error:
        return row | {"reason": str(error)}
    facts = {name: getattr(found.facts, name) for name in ("format", "width_px", "height_px")}
    prints = {"phash": found.phash, "thumbprint": found.thumbprint, "fingerprint_version": version}
    return row | facts | prints | {"note": "; ".join(found.notes) or None, "status": ALIVE}


def read_file(file: Path, max_bytes: int) -> bytes:
    """The bytes of one file.

    Raises:
        BrokenImage: it is longer than `max_bytes`.
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise BrokenImage(f"longer than {max_bytes:,} bytes")
    return data


def stored_path(images: Path, path: str | None) -> Path:
    """Where a stored picture lies.

    Raises:
        BadInput: the path leads out of the folder of the images.
    """
    if path is None or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise BadInput(f"'{path}' is no path inside the folder of the images, {images}.")
    return images / path
