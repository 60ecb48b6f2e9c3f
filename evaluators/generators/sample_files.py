"""What a folder, a tar or an npz of images made elsewhere holds: which are whose, and how each is read."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaionet.evaluators.generators.job import read_image
from relaionet.manifests.containers.limits import Refused
from relaionet.manifests.containers.packed import LONGEST_MAGIC, open_packed, packing_of
from relaionet.manifests.containers.tar import walk_tar
from relaionet.manifests.containers.texts import read_bounded
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import HEX_64, digest_of, file_sha256
from relaionet.manifests.labels import find_label, labels_by_wnid
from relaionet.pipeline.arrays import list_npz, map_npz, read_npz
from relaionet.pipeline.images.decode import MAX_BYTES
from relaionet.pipeline.images.files import is_systems_own

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_TABLE_BYTES = 64 << 20
LOOKED_AT = 9
"""Images, evenly from a set, by which its size is told."""
SAMPLE_ID = re.compile(HEX_64 + r"(-\d+)?")


def _decode(data: bytes | Path, shown: str) -> NDArray[np.uint8]:
    try:
        return read_image(data)
    except ValueError as error:
        raise ValueError(f"{shown} is {error}") from None


def _row_of(images: NDArray[np.uint8], row: str) -> NDArray[np.uint8]:
    return images[int(row)]


@dataclass(frozen=True)
class _TarImages:
    """Reads members of a tar by name; opened anew for each image, so that it may be used in any process.

    Attributes:
        path: of the tar.
        spans: name -> where its bytes begin, and how many there are, once the tar is unpacked.
    """

    path: Path
    spans: Mapping[str, tuple[int, int]]

    def __call__(self, name: str) -> NDArray[np.uint8]:
        start, count = self.spans[name]
        with _open_tar(self.path) as file:
            file.seek(start)
            return _decode(file.read(count), name)


@contextmanager
def _open_tar(path: Path) -> Iterator[Any]:
    """A tar's bytes, unpacked where it is packed."""
    with path.open("rb") as raw:
        packing = packing_of(raw.read(LONGEST_MAGIC))
        raw.seek(0)
        yield open_packed(raw, packing, path.stat().st_size) if packing else raw


@dataclass(frozen=True)
class _FolderImages:
    path: Path

    def __call__(self, name: str) -> NDArray[np.uint8]:
        return _decode(self.path / name, name)


def _spans_in(path: Path) -> dict[str, tuple[int, int]]:
    """Where the images of a tar lie; a name that stands twice means the last, as for tar itself."""
    try:
        with _open_tar(path) as file:
            members = [one for one in walk_tar(file) if one.kind == "file" and _is_named_as_image(one.name)]
    except (Refused, OSError) as error:
        raise BadInput(f"samples {path} cannot be read: {error}.") from None
    longest = max((one.size for one in members), default=0)
    if longest > MAX_BYTES:
        raise BadInput(f"samples {path} holds an image of {longest:,} bytes; expected at most {MAX_BYTES:,}.")
    return {one.name: (one.start, one.size) for one in members}


def _is_named_as_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not is_systems_own(name)


def _sizes_in(folder: Path) -> dict[str, int]:
    """Relative path of every image in a folder -> its length in bytes."""
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.stat().st_size for name, path in names.items() if _is_named_as_image(name)}


def _by_folder(names: Sequence[str], place: Path) -> dict[int, list[str]]:
    """class_index -> images, by the folder they lie in, which is named by a wnid."""
    labels = labels_by_wnid()
    places: dict[int, list[str]] = defaultdict(list)
    for name in names:
        wnid = name.split("/")[-2] if "/" in name else ""
        if wnid in labels:
            places[labels[wnid].class_index].append(name)
    if not places:
        raise BadInput(f"samples {place}: no folder is named by a wnid and holds {', '.join(SUFFIXES)} files.")
    return dict(places)


def _by_id(names: Sequence[str], place: Path) -> dict[str, str]:
    """sample_id -> image, where every image is named by one; else nothing."""
    stems = [PurePosixPath(name).stem for name in names]
    if not all(SAMPLE_ID.fullmatch(stem) for stem in stems):
        return {}
    found = dict(zip(stems, names, strict=True))
    if len(found) != len(names):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise BadInput(f"samples {place}: two images are named {twice}.")
    return found


def label_by_table(names: Sequence[str], table: Path) -> dict[int, list[str]]:
    """The class of each image by a table.

    Args:
        names: of the images.
        table: CSV with `file` and `wnid` or `class_index`; images it does not name have no class.

    Returns:
        class_index -> names, sorted.

    Raises:
        BadInput: the table cannot be read, or names another file or no class.
    """
    import polars as pl

    try:
        rows = pl.read_csv(read_bounded(table, MAX_TABLE_BYTES))
    except (OSError, Refused, pl.exceptions.PolarsError) as error:
        raise BadInput(f"labels {table} cannot be read: {str(error).splitlines()[0]}.") from None
    key = next((name for name in ("wnid", "class_index") if name in rows.columns), None)
    if key is None or "file" not in rows.columns:
        found = ", ".join(rows.columns)
        raise BadInput(f"labels {table}: expected columns file and wnid or class_index, found {found}.")
    there = set(names)
    missing = [name for name in rows["file"] if name not in there]
    if missing:
        raise BadInput(
            f"labels {table} names {missing[0]}, and {len(missing) - 1} more, which are not among the images."
        )
    places: dict[int, list[str]] = defaultdict(list)
    for name, label in rows.select("file", key).iter_rows():
        if key == "class_index" and not (isinstance(label, int) and 0 <= label <= 999):
            raise BadInput(f"labels {table}: class_index of {name} is {label!r}; expected 0 to 999.")
        places[find_label(label).class_index if key == "wnid" else label].append(name)
    return {index: sorted(group) for index, group in places.items()}


def _find_npz(path: Path) -> tuple[dict[int, list[str]], NDArray[np.uint8]]:
    try:
        there = list_npz(path)
        # 50 000 images of 256 pixels take 9.8 GB: they are mapped, never read whole
        images = map_npz(path, "arr_0") if "arr_0" in there else None
        labels = read_npz(path, ("arr_1",)).get("arr_1")
    except (Refused, OSError) as error:
        raise BadInput(f"samples {path} cannot be read: {error}.") from None
    if images is None or images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or not len(images):
        found = "nothing" if images is None else f"{images.shape} {images.dtype}"
        raise BadInput(f"samples {path}: expected arr_0 of shape [N, H, W, 3] uint8, found {found}.")
    if images.shape[1] != images.shape[2]:
        raise BadInput(f"samples {path}: the images are {images.shape[1]} x {images.shape[2]}; expected square ones.")
    if labels is None:
        return {-1: [str(row) for row in range(len(images))]}, images
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or not ((labels >= 0) & (labels <= 999)).all():
        raise BadInput(
            f"samples {path}: expected arr_1 of {len(images)} class indices, 0 to 999; found shape {labels.shape} "
            f"{labels.dtype}."
        )
    places: dict[int, list[str]] = defaultdict(list)
    for row, label in enumerate(labels.tolist()):
        places[label].append(str(row))
    return dict(places), images


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundImages:
    """Images that are there.

    Attributes:
        places: class index -> names of its images; -1 where they are named by sample_id.
        named: sample_id -> name.
        read: name -> [H, W, 3] uint8.
        side_px: of the images.
        digest: of their bytes and their places.
        empty: names of files without any bytes.
        outside: images that have no class.
    """

    places: dict[int, list[str]]
    named: dict[str, str]
    read: Callable[[str], NDArray[np.uint8]]
    side_px: int
    digest: str
    empty: frozenset[str] = frozenset()
    outside: int = 0


def look_into_npz(place: Path) -> FoundImages:
    """What an npz holds.

    Raises:
        BadInput: it is none, or holds no images.
    """
    places, images = _find_npz(place)
    return FoundImages(
        places=places, named={}, read=partial(_row_of, images), side_px=images.shape[1], digest=file_sha256(place)
    )


def look_into(place: Path, labels: Path | None) -> FoundImages:
    """What a folder or a tar holds.

    Args:
        place: the folder or tar.
        labels: CSV of the classes of its files; None takes their names or folders.

    Raises:
        BadInput: it holds no images, or they cannot be told apart.
    """
    spans = {} if place.is_dir() else _spans_in(place)
    sizes = _sizes_in(place) if place.is_dir() else {name: size for name, (_, size) in spans.items()}
    names = sorted(sizes)
    named = {} if labels or not names else _by_id(names, place)
    places = label_by_table(names, labels) if labels else {-1: names} if named else _by_folder(names, place)
    read = _FolderImages(place) if place.is_dir() else _TarImages(place, spans)
    files = sorted(file for group in places.values() for file in group)
    sums = [file_sha256(place / file) for file in files] if place.is_dir() else [file_sha256(place)]
    return FoundImages(
        places=places, named=named, read=read, side_px=_find_side(files, read, place), digest=digest_of(sums, places),
        empty=frozenset(name for name, size in sizes.items() if not size), outside=len(names) - len(set(files)),
    )  # fmt: skip


def _find_side(names: Sequence[str], read: Callable[[str], NDArray[np.uint8]], place: Path) -> int:
    """Side most of the images have that are looked at: one that is broken or of another size fails alone."""
    sides: Counter[int] = Counter()
    reason = "it holds none"
    for at in np.unique(np.linspace(0, len(names) - 1, min(LOOKED_AT, len(names))).astype(int)):
        try:
            sides[read(names[at]).shape[0]] += 1
        except (ValueError, OSError) as error:
            reason = str(error)
    if not sides:
        raise BadInput(f"samples {place}: none of the images looked at can be read: {reason}.")
    return sides.most_common(1)[0][0]
