"""The files of a split: pictures that are kept, pictures set aside, and how each gets to its place whole or not at all.

<out>/images/<wnid>/<candidate_id>.<format>   kept
<out>/aside/<wnid>/<candidate_id>.<format>    fetched but not kept, so that another policy needs no second download
<out>/.fetched/                               what a run that is not finished has fetched, a folder per address
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from relaionet.manifests.files import HEX_64, file_sha256

IMAGES_FOLDER, ASIDE_FOLDER, WORK_FOLDER = "images", "aside", ".fetched"
HASH_THREADS = 4
OWN_NAME = re.compile(HEX_64 + r"\.[a-z0-9]{1,8}(\.[0-9a-f-]+)?(\.part)?")


def picture_places(rows: pl.DataFrame) -> pl.DataFrame:
    """Where pictures may lie, relative to the split's folder.

    Args:
        rows: candidate_id, wnid, format, `fetched_path` (relative to the folder of what was just fetched) and `turn`
            of the address it came from.

    Returns:
        The rows with `kept_place`, `aside_place` and `work_place`; null where no bytes came.
    """
    name = pl.format("{}/{}.{}", "wnid", "candidate_id", "format")
    folder = (
        pl.when(pl.col("turn") > 0).then(pl.format(f"{IMAGES_FOLDER}-{{}}", "turn")).otherwise(pl.lit(IMAGES_FOLDER))
    )
    return rows.with_columns(
        kept_place=pl.format(f"{IMAGES_FOLDER}/{{}}", name),
        aside_place=pl.format(f"{ASIDE_FOLDER}/{{}}", name),
        work_place=pl.format(f"{WORK_FOLDER}/{{}}/{{}}", folder, "fetched_path"),
    )


def fetched_folder(turn: int) -> str:
    """Folder, below the split's, of what one address of each row just gave; no address overwrites another's bytes.

    Args:
        turn: of the address.
    """
    return f"{WORK_FOLDER}/{IMAGES_FOLDER}{f'-{turn}' if turn else ''}"


def scan_files(out: Path) -> dict[str, int]:
    """Every picture of a split: path relative to its folder -> length in bytes; one pass over the folders."""
    found = {}
    fetched = sorted(f"{WORK_FOLDER}/{path.name}" for path in (out / WORK_FOLDER).glob(f"{IMAGES_FOLDER}*"))
    for folder in (IMAGES_FOLDER, ASIDE_FOLDER, *fetched):
        for entry in _files_below(out / folder):
            found[f"{folder}/{Path(entry.path).parent.name}/{entry.name}"] = entry.stat().st_size
    return found


def _files_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as below:
        for sub in sorted(below, key=lambda entry: entry.name):
            if sub.is_dir(follow_symlinks=False) and not sub.name.startswith("."):
                with os.scandir(sub.path) as entries:
                    yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))


def find_pictures(rows: pl.DataFrame, files: dict[str, int]) -> list[str | None]:
    """Where each picture lies now: just fetched, kept or aside, with the length it should have; None where nowhere.

    Args:
        rows: from `picture_places`, with bytes_count.
        files: from `scan_files`.
    """
    places = rows.select("work_place", "kept_place", "aside_place", "bytes_count").iter_rows()
    return [
        next((place for place in row[:3] if place is not None and files.get(place) == row[3]), None) for row in places
    ]


def find_places(rows: pl.DataFrame, out: Path, files: dict[str, int] | None = None) -> pl.DataFrame:
    """The rows with `place`, where each picture lies now, and the columns of `picture_places`.

    Args:
        rows: as for `picture_places` and `find_pictures`.
        out: folder of the split.
        files: from `scan_files`; None looks now.
    """
    rows = picture_places(rows)
    places = find_pictures(rows, scan_files(out) if files is None else files)
    return rows.with_columns(pl.Series("place", places, dtype=pl.String))


def place_files(out: Path, moves: list[tuple[str, str]]) -> None:
    """Move files to where they belong; a move that was done before is passed over.

    Args:
        out: folder of the split.
        moves: (from, to), relative to it.
    """
    for folder in {Path(target).parent for _, target in moves}:
        (out / folder).mkdir(parents=True, exist_ok=True)
    for source, target in moves:
        if source != target:
            (out / source).replace(out / target)


def drop_strays(out: Path, wanted: set[str]) -> None:
    """Remove pictures that belong to no row, and empty folders; files with other names than ours are left alone."""
    for folder in (IMAGES_FOLDER, ASIDE_FOLDER):
        for entry in _files_below(out / folder):
            place = f"{folder}/{Path(entry.path).parent.name}/{entry.name}"
            if place not in wanted and OWN_NAME.fullmatch(entry.name):
                Path(entry.path).unlink()
        for sub in (out / folder).glob("*/"):
            if not any(sub.iterdir()):
                sub.rmdir()
    if (out / ASIDE_FOLDER).is_dir() and not any((out / ASIDE_FOLDER).iterdir()):
        (out / ASIDE_FOLDER).rmdir()
    shutil.rmtree(out / WORK_FOLDER, ignore_errors=True)


def find_damaged(out: Path, places: list[str | None], hashes: list[str | None]) -> list[bool]:
    """Which pictures are not the bytes they should be; every byte is read.

    Args:
        out: folder of the split.
        places: where each picture lies, None where it has none.
        hashes: sha256 each should have.
    """

    def is_damaged(pair: tuple[str | None, str | None]) -> bool:
        place, sha256 = pair
        return place is not None and file_sha256(out / place) != sha256

    with ThreadPoolExecutor(HASH_THREADS) as pool:
        return list(pool.map(is_damaged, zip(places, hashes, strict=True)))
