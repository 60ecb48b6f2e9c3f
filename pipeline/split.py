"""A release -> a split: images on this machine again, each with a verdict against the manifest, and what is covered.

<out>/images/<wnid>/<candidate_id>.<format>   the rows kept
<out>/split/*.parquet                         SPLIT, one row per manifest row
<out>/split.json                              coverage, verdicts, digest; written last: a split with it is whole
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.release import Release
from relaionet.manifests.store import Store, digest_of, read_json, write_json
from relaionet.manifests.tables import DOWNLOADS, SPLIT, count_statuses
from relaionet.pipeline.download import VERSION as DOWNLOAD_VERSION
from relaionet.pipeline.download import DownloadConfig, fetch_images
from relaionet.pipeline.perceptual_hash import HASH_BITS
from relaionet.pipeline.split_verdicts import judge_rows

VERSION = "1"
INFO_FILE, IMAGES_FOLDER, WORK_FOLDER = "split.json", "images", ".fetched"


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Which rows of a rebuilt split are kept.

    Attributes:
        policy: "same_picture" keeps rows with the manifest's bytes and rows with other bytes of the same picture;
            "exact" keeps the manifest's bytes only.
        max_phash_distance: bits (0 to 64) in which the perceptual hashes of the same picture may differ. Measured on
            1,618 real photos and 40 of them resized and re-encoded: same picture at most 2, different pictures at
            least 12 over 1.3 million pairs.
        form: "imagefolder", one folder per wnid.
        rows_per_shard: rows fetched and judged at a time; what is done of them survives a kill.
    """

    policy: Literal["same_picture", "exact"] = "same_picture"
    max_phash_distance: int = 6
    form: Literal["imagefolder"] = "imagefolder"
    rows_per_shard: int = 10_000

    def __post_init__(self) -> None:
        if self.policy not in ("same_picture", "exact"):
            raise BadInput(f"policy = '{self.policy}': expected 'same_picture' or 'exact'.")
        if self.form != "imagefolder":
            raise BadInput(f"form = '{self.form}': expected 'imagefolder'.")
        if not 0 <= self.max_phash_distance <= HASH_BITS:
            raise BadInput(f"max_phash_distance = {self.max_phash_distance}: expected 0 to {HASH_BITS}.")
        if self.rows_per_shard <= 0:
            raise BadInput(f"rows_per_shard = {self.rows_per_shard}: expected more than 0.")


def build_split(
    release: Release,
    config: SplitConfig,
    out: Path,
    download: DownloadConfig,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:
    """Fetch every row of a release and keep what is still the picture the reviewers saw.

    Args:
        release: from `read_release`.
        config: what is kept.
        out: folder of the split. A run that was cut short continues there; a finished one is read, not fetched again.
        download: limits and manners of fetching.
        progress: called with the number of rows done since the last call.

    Returns:
        SPLIT, one row per manifest row, in the manifest's order.

    Raises:
        BadInput: `out` holds a split of another release or policy, or something else.
        Unavailable: the network is out of reach; what was done is kept.
        Corrupt: a file of a finished split is missing.
    """
    out = Path(out)
    digest = digest_of(VERSION, release.info.digest, config)
    if (out / INFO_FILE).exists():
        _check_same(out, digest)
        rows = _read_tables(out)
        _check_files(out, rows)
        if progress is not None:
            progress(rows.height)
        return rows
    store, work = Store(out), Store(out / WORK_FOLDER)
    _check_own(store)
    shards = []
    for number, start in enumerate(range(0, release.manifest.height, config.rows_per_shard)):
        rows = release.manifest.slice(start, config.rows_per_shard)
        shards.append(f"{number:05d}")
        _build_shard(rows, config, download, store, work, shards[-1], digest, progress)
    _drop_strays(store, shards)
    table = pl.concat([store.read(SPLIT, shard) for shard in shards] or [SPLIT.empty()])
    fetched = work.read_all(DOWNLOADS)["fetched_at"]
    info = describe_split(table, release, config) | {
        "build_digest": digest,
        "fetched": [None if at is None else str(at) for at in (fetched.min(), fetched.max())],
    }
    write_json(out / INFO_FILE, info)
    shutil.rmtree(out / WORK_FOLDER, ignore_errors=True)
    return table


def _build_shard(
    rows: pl.DataFrame,
    config: SplitConfig,
    download: DownloadConfig,
    store: Store,
    work: Store,
    shard: str,
    digest: str,
    progress: Callable[[int], None] | None,
) -> None:
    """Fetch and judge one shard; each half is skipped where its receipt says it is done."""
    if store.has_table(SPLIT, digest, shard) and not _missing_files(store.root, store.read(SPLIT, shard)):
        if progress is not None:
            progress(rows.height)
        return
    started = time.perf_counter()
    fetch_digest = digest_of(DOWNLOAD_VERSION, rows["candidate_id"].to_list(), digest)
    images = work.root / IMAGES_FOLDER
    fetched = work.read(DOWNLOADS, shard) if work.has_table(DOWNLOADS, fetch_digest, shard) else None
    if fetched is None or not all((images / path).is_file() for path in fetched["path"].drop_nulls()):
        fetched = fetch_images(rows.select("candidate_id", "url"), download, images, progress)
        work.write(fetched, DOWNLOADS, fetch_digest, shard=shard)
    judged = judge_rows(rows, fetched, images, config, download.max_pixels)
    for source, target in zip(fetched["path"], judged["path"], strict=True):
        if target is not None:
            _place_file(images / source, store.root / target)
    store.write(judged, SPLIT, digest, shard=shard, seconds=time.perf_counter() - started)


def _place_file(source: Path, target: Path) -> None:
    """Give a file a second name, whole or not at all; it keeps the first, so that a killed run can do this again."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = source.with_name(f"{source.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:  # a file system without links
        shutil.copyfile(source, part)
    part.replace(target)


def describe_split(table: pl.DataFrame, release: Release, config: SplitConfig) -> dict[str, Any]:
    """What a split may say about itself in a paper.

    Args:
        table: SPLIT, whole.
        release: what it was built from.
        config: how.

    Returns:
        name, release, release_digest, policy, max_phash_distance, rows_count, kept_count, coverage_frac, verdicts
        (status -> rows), classes (wnid -> rows_count, kept_count, coverage_frac), digest (of the kept rows alone),
        notes (the release's).
    """
    kept = table.filter("kept").select("candidate_id", "image_sha256", "wnid").sort("candidate_id")
    classes = table.group_by("wnid").agg(pl.len().alias("rows_count"), pl.col("kept").sum().alias("kept_count"))
    classes = classes.sort("wnid").with_columns((pl.col("kept_count") / pl.col("rows_count")).alias("coverage_frac"))
    return {
        "name": release.info.full_name,
        "release": release.info.full_name,
        "release_digest": release.info.digest,
        "policy": config.policy,
        "max_phash_distance": config.max_phash_distance,
        "form": config.form,
        "rows_count": table.height,
        "kept_count": kept.height,
        "coverage_frac": kept.height / table.height if table.height else 0.0,
        "verdicts": dict.fromkeys(SPLIT.statuses, 0) | count_statuses(table),
        "classes": {row.pop("wnid"): row for row in classes.iter_rows(named=True)},
        "digest": digest_of([list(row) for row in kept.iter_rows()]),
        "notes": dict(release.info.notes),
    }


def _check_own(store: Store) -> None:
    """Refuse a folder that holds something else: files that are not of the split are removed from its images."""
    own = (store.root / WORK_FOLDER).exists() or store.shards(SPLIT)
    if not own and store.root.is_dir() and any(not path.name.startswith(".") for path in store.root.iterdir()):
        raise BadInput(f"{store.root} holds something that is no split; choose another folder.")


def _check_same(out: Path, digest: str) -> None:
    info = read_json(out / INFO_FILE)
    if not isinstance(info, dict) or info.get("build_digest") != digest:
        held = info.get("release", "something else") if isinstance(info, dict) else "something else"
        policy = info.get("policy", "unknown") if isinstance(info, dict) else "unknown"
        raise BadInput(
            f"{out} holds a split of {held} under other settings (its policy: {policy}); choose another folder or "
            "delete it."
        )


def _read_tables(out: Path) -> pl.DataFrame:
    """SPLIT of a finished split."""
    store = Store(out)
    for shard in store.shards(SPLIT):
        if not store.path(SPLIT, shard).is_file():
            raise Corrupt(f"{store.path(SPLIT, shard)} is missing; delete {out / INFO_FILE} and run again to rebuild.")
    return store.read_all(SPLIT)


def _missing_files(out: Path, rows: pl.DataFrame) -> list[str]:
    return [path for path in rows.filter("kept")["path"] if not (out / path).is_file()]


def _check_files(out: Path, rows: pl.DataFrame) -> None:
    missing = _missing_files(out, rows)
    if missing:
        raise Corrupt(
            f"{out}: {len(missing)} images are missing, first {missing[0]}; delete {out / INFO_FILE} and run again to "
            "fetch the rows they belong to."
        )


def _drop_strays(store: Store, shards: list[str]) -> None:
    """Remove images and shards an earlier, unfinished run of another kind left behind."""
    store.keep_only(SPLIT, shards)
    kept = set(store.read_all(SPLIT).filter("kept")["path"])
    for file in (store.root / IMAGES_FOLDER).glob("*/*"):
        if file.relative_to(store.root).as_posix() not in kept:
            file.unlink()


def read_split(path: Path) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read a finished split.

    Args:
        path: its folder.

    Returns:
        Kept rows (candidate_id, wnid, class_index, image_sha256, path: absolute, as a string), in the manifest's
        order; and what `split.json` says (`describe_split`).

    Raises:
        BadInput: no finished split there.
        Corrupt: a table or an image is missing or not what its receipt says.
    """
    path = Path(path).absolute()
    if not (path / INFO_FILE).is_file():
        raise BadInput(f"{path} holds no finished split ({INFO_FILE} is missing); run `relaionet rebuild` again.")
    info = read_json(path / INFO_FILE)
    rows = _read_tables(path)
    _check_files(path, rows)
    kept = rows.filter("kept").select("candidate_id", "wnid", "class_index", "image_sha256", "path")
    return kept.with_columns(pl.format("{}/{}", pl.lit(str(path)), "path").alias("path")), info
