"""Images of a release found in a folder on this disk: by their bytes, or else by their picture, whatever their names.

The counterpart of `download.fetch_images` for whoever has the images already, and for releases without URLs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.replacing import replacing
from relaionet.manifests.tables import DOWNLOADS
from relaionet.manifests.tables.schema import ALIVE, shape_table
from relaionet.pipeline.images.decode import BrokenImage
from relaionet.pipeline.images.files import PARQUET_BATCH, PictureLimits, Place, list_pictures, read_file, read_pictures
from relaionet.pipeline.images.parquet import batched, in_parquet, read_parquet_bytes
from relaionet.pipeline.images.perceptual_hash import phash_distance
from relaionet.pipeline.images.thumbnail_hash import thumbprint_distances

VERSION = "1"
# farther ones are another picture for sure; nearer ones are judged like pictures from the web
MAX_PHASH_DISTANCE, MAX_LUMA_DISTANCE = 6, 24.0


def collect_images(
    rows: pl.DataFrame,
    folder: Path,
    images: Path,
    max_pixels: int,
    progress: Callable[[int], None] | None = None,
    manifest: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Take the images of some rows of a manifest from a folder.

    A file with a row's bytes is that row's image. For a row without one, the files that are no other row's are looked
    through for the nearest picture (perceptual hash, then thumbnail hash).

    Args:
        rows: MANIFEST rows.
        folder: holds images, in any sub-folders and under any names; only read.
        images: folder the bytes are copied to, as `<first two digits>/<candidate_id>.<format>`.
        max_pixels: largest picture decoded, width × height.
        progress: called with the number of rows done since the last call.
        manifest: the whole one the rows are of, so that what is found does not depend on how they are cut; None where
            the rows are all.

    Returns:
        DOWNLOADS, one row per row given, in order; `gone` where no file is the row's picture.

    Raises:
        BadInput: the folder is not there.
    """
    places, _ = list_pictures(folder)
    by_sha256 = _hash_files(folder, tuple(places))
    named = _named(rows)
    found = {row["candidate_id"]: by_sha256[row["image_sha256"]] for row in named if row["image_sha256"] in by_sha256}
    left = rows.filter(~pl.col("candidate_id").is_in(list(found)))
    near: dict[str, dict[str, Any]] = {}
    if not left.is_empty():
        claimed = set((rows if manifest is None else manifest)["image_sha256"])
        others = tuple(path for sha256, path in by_sha256.items() if sha256 not in claimed)
        for (version,), part in left.group_by(pl.col("fingerprint_version").fill_null(1)):
            near |= _find_near(part, _read_others(folder, others, tuple(places), max_pixels, int(version)))
    taken = [_take(row, found, near, len(places), folder) for row in named]
    _copy_all(taken, folder, images, progress)
    return shape_table(pl.DataFrame(taken, schema=dict(DOWNLOADS.schema)), DOWNLOADS)


def _named(rows: pl.DataFrame) -> list[dict[str, Any]]:
    return rows.select(
        "candidate_id", "url", "image_sha256", "phash", "thumbprint", "bytes_count", "width_px", "height_px", "format"
    ).to_dicts()


@lru_cache(maxsize=1)
def _hash_files(folder: Path, places: tuple[Place, ...]) -> Mapping[str, str]:
    """sha256 -> path of the first file with it; remembered, as a large release asks once per shard of rows."""
    limits = PictureLimits()

    def hash_one(path: str) -> str | None:
        try:
            return hashlib.sha256(read_file(folder / path, limits.max_bytes)).hexdigest()
        except (OSError, BrokenImage):
            return None

    paths = [place.path for place in places]
    found: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        files = [path for path in paths if not in_parquet(path)]
        for path, sha256 in zip(files, pool.map(hash_one, files), strict=True):
            if sha256 is not None:
                found.setdefault(sha256, path)
    for some in batched([path for path in paths if in_parquet(path)], PARQUET_BATCH):
        for path, data in read_parquet_bytes(folder, some).items():
            if data is not None:
                found.setdefault(hashlib.sha256(data).hexdigest(), path)
    return found


@lru_cache(maxsize=2)
def _read_others(
    folder: Path, paths: tuple[str, ...], _places: tuple[Place, ...], max_pixels: int, version: int
) -> pl.DataFrame:
    """PICTURES of the files that are no row's; remembered as `_hash_files` is, until a file changes."""
    return read_pictures(folder, paths, PictureLimits(max_pixels=max_pixels), version=version)


def _find_near(rows: pl.DataFrame, pictures: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """candidate_id -> the nearest picture, where one is near enough to be looked at."""
    import numpy as np

    known = pictures.filter(pl.col("status") == ALIVE)
    if known.is_empty():
        return {}
    hashes = np.array([int(one, 16) for one in known["phash"]], dtype=np.uint64)  # [N]
    found = {}
    for row in _named(rows):
        differ = hashes ^ np.uint64(int(row["phash"], 16))
        bits = np.unpackbits(differ.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1)  # [N]
        near = [known.row(int(place), named=True) for place in np.flatnonzero(bits <= MAX_PHASH_DISTANCE)]
        best = min(near, key=lambda one: _apart(row, one), default=None)
        if best is not None and _apart(row, best)[0] <= MAX_LUMA_DISTANCE:
            found[row["candidate_id"]] = best
    return found


def _apart(row: Mapping[str, Any], picture: Mapping[str, Any]) -> tuple[float, int, str]:
    luma = thumbprint_distances(row["thumbprint"], picture["thumbprint"])[0] if row["thumbprint"] else 0.0
    return luma, phash_distance(row["phash"], picture["phash"]), picture["path"]


def _take(
    row: Mapping[str, Any], found: Mapping[str, str], near: Mapping[str, Mapping[str, Any]], count: int, folder: Path
) -> dict[str, Any]:
    taken = dict.fromkeys(DOWNLOADS.columns) | {
        "candidate_id": row["candidate_id"], "url": row["url"], "fetched_at": datetime.now(UTC),
    }  # fmt: skip
    picture: Mapping[str, Any]
    if row["candidate_id"] in found:
        picture = {**row, "path": found[row["candidate_id"]]}
    elif row["candidate_id"] in near:
        picture = near[row["candidate_id"]]
    else:
        reason = f"none of the {count:,} files in {folder.name} is this picture"
        return taken | {"status": "gone", "reason": reason, "may_come_back": True}  # another folder may hold it
    told = {name: picture[name] for name in ("image_sha256", "bytes_count", "width_px", "height_px", "format", "phash")}
    place = f"{row['candidate_id'][:2]}/{row['candidate_id']}.{picture['format']}"
    known = {name: value for name, value in told.items() if name in DOWNLOADS.columns}
    return taken | known | {"path": place, "from": picture["path"], "status": ALIVE}


def _copy_all(
    taken: Sequence[dict[str, Any]], folder: Path, images: Path, progress: Callable[[int], None] | None
) -> None:
    """Copy what was found; a file that is no longer what it was gets a status instead."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for some in batched(taken, PARQUET_BATCH):
            origins = [row["from"] for row in some if row.get("from") is not None]
            inside = read_parquet_bytes(folder, [path for path in origins if in_parquet(path)])
            for _ in pool.map(lambda row: _copy_one(row, folder, images, inside), some):  # noqa: B023  used at once
                if progress is not None:
                    progress(1)


def _copy_one(row: dict[str, Any], folder: Path, images: Path, inside: Mapping[str, bytes | None]) -> None:
    origin = row.pop("from", None)
    if origin is None:
        return
    try:
        data = inside[origin] if origin in inside else read_file(folder / origin, PictureLimits().max_bytes)
    except (OSError, BrokenImage):
        data = None
    if data is None or hashlib.sha256(data).hexdigest() != row["image_sha256"]:
        kept = {name: row[name] for name in ("candidate_id", "url", "fetched_at")}
        row |= dict.fromkeys(DOWNLOADS.columns) | kept
        row |= {"status": "broken", "reason": "the file changed while it was read"}
        return
    target = images / row["path"]
    with replacing(target) as part:
        part.write_bytes(data)
