"""The pictures of a set as files: measured once each, and which of two sets' pictures are the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from relaionet.manifests.tables import ALIVE, PRINTS, shape_table
from relaionet.pipeline.images.decode import BrokenImage, open_image
from relaionet.pipeline.images.files import PARQUET_BATCH, PictureLimits, read_file
from relaionet.pipeline.images.parquet import batched, in_parquet, read_parquet_bytes
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.picture import show_picture
from relaionet.pipeline.screens.registration import PRINT_BYTES, take_print
from relaionet.pipeline.screens.same_pictures import Pictures, SamePictureConfig, find_same

VERSION = "1"


def measure_pictures(
    folder: Path, places: Sequence[str], limits: PictureLimits | None = None,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Read each picture once: its bytes' hash and length, its size, and what it is known again by.

    Args:
        folder: of the paths.
        places: paths in it, as `pipeline.images.files.list_pictures` gives them.
        limits: of each file.
        progress: called with the number of pictures done since the last call.

    Returns:
        PRINTS, a row per path, in order; what is no picture is `broken`, with a reason.
    """
    limits = limits or PictureLimits()
    threads = limits.threads or os.cpu_count() or 1
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(threads) as pool:
        for some in batched(places, PARQUET_BATCH if any(map(in_parquet, places)) else 4 * threads):
            inside = read_parquet_bytes(folder, [path for path in some if in_parquet(path)])
            for found in pool.map(lambda path: _measure(folder, path, limits, inside), some):  # noqa: B023  used at once
                rows.append(found)
                if progress is not None:
                    progress(1)
    return shape_table(pl.DataFrame(rows, schema=dict(PRINTS.schema)), PRINTS)


def _measure(folder: Path, path: str, limits: PictureLimits, inside: Mapping[str, bytes | None]) -> dict[str, Any]:
    from PIL import ImageOps

    row: dict[str, Any] = dict.fromkeys(PRINTS.columns) | {"path": path, "status": "broken"}
    try:
        data = inside[path] if path in inside else read_file(folder / path, limits.max_bytes)
        if data is None:
            raise BrokenImage("no bytes in its row")
        picture = open_image(data, limits.max_pixels, max_bytes=limits.max_bytes)
        shown = show_picture(picture)
    except BrokenImage as error:
        return row | {"reason": str(error)}
    except OSError as error:
        return row | {"reason": f"cannot be read: {error.strerror}"}
    return row | {
        "image_sha256": hashlib.sha256(data).hexdigest(), "bytes_count": len(data), "width_px": shown.width,
        "height_px": shown.height, "phash": phash_hex(shown), "phash_mirrored": phash_hex(ImageOps.mirror(shown)),
        "print": take_print(shown).hex(), "status": ALIVE,
    }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Overlap:
    """Which pictures two sets share.

    Attributes:
        keys: for either set one per picture; a picture both hold has one key in both.
        same_bytes: for either set [N] bool, the other holds the very bytes.
        same_picture: for either set [N] bool, the other shows the picture, in whatever bytes.
        pairs: rows of the first and of the second set that are the same picture in other bytes.
    """

    keys: tuple[list[str], list[str]]
    same_bytes: tuple[np.ndarray, np.ndarray]
    same_picture: tuple[np.ndarray, np.ndarray]
    pairs: np.ndarray


def find_overlap(one: pl.DataFrame, other: pl.DataFrame, config: SamePictureConfig | None = None) -> Overlap:
    """Say which pictures of two sets are the same, by their bytes and by laying them over each other.

    Args:
        one: PRINTS rows that are pictures.
        other: those of the second set.
        config: what counts as the same picture; without an encoder, by hashes and prints.
    """
    hashes = [table["image_sha256"].to_list() for table in (one, other)]
    shared = set(hashes[0]) & set(hashes[1])
    same_bytes = tuple(np.array([name in shared for name in side], dtype=bool) for side in hashes)
    found = find_same(_pictures_of(one), _pictures_of(other), config or SamePictureConfig())
    pairs = found.select("left", "right").to_numpy().astype(np.int64).reshape(-1, 2)
    keys = _join_keys(hashes[0], hashes[1], pairs)
    both = set(keys[0]) & set(keys[1])
    same_picture = tuple(np.array([key in both for key in side], dtype=bool) for side in keys)
    apart = [row for row in pairs.tolist() if hashes[0][row[0]] != hashes[1][row[1]]]
    return Overlap(
        keys, (same_bytes[0], same_bytes[1]), (same_picture[0], same_picture[1]),
        np.array(apart, dtype=np.int64).reshape(-1, 2),
    )  # fmt: skip


def _pictures_of(table: pl.DataFrame) -> Pictures:
    prints = np.frombuffer(bytes.fromhex("".join(table["print"])), dtype=np.uint8).reshape(-1, PRINT_BYTES)
    return Pictures(
        phashes=table["phash"].to_list(), mirrored=table["phash_mirrored"].to_list(), prints=prints, vectors=None
    )


def _join_keys(one: list[str], other: list[str], pairs: np.ndarray) -> tuple[list[str], list[str]]:
    """The hashes, where those of one picture are all replaced by the least of them."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.get(name, name) != name:
            name = leader[name]
        return name

    for left, right in pairs.tolist():
        first, second = sorted((find(one[left]), find(other[right])))
        leader[second] = first
    return [find(name) for name in one], [find(name) for name in other]
