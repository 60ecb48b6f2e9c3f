"""A release -> a split: images on this machine again, each with a verdict against the manifest, and what is covered.

<out>/images/<wnid>/<candidate_id>.<format>   the rows kept
<out>/aside/<wnid>/<candidate_id>.<format>    fetched but not kept: changed pictures, or what the policy leaves out
<out>/split/all.parquet                       SPLIT, one row per manifest row
<out>/downloads/*.parquet                     DOWNLOADS: every attempt at every row, in order; the last one counts
<out>/comparisons/*.parquet                   COMPARISONS of each attempt
<out>/split.json                              coverage, verdicts, digest; written last: a split with it is whole
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import read_json_object, write_json
from relaionet.manifests.release.release import Release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import ALIVE, SPLIT, shape_table
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.splits.attempts import Attempts
from relaionet.pipeline.splits.card import write_split_card
from relaionet.pipeline.splits.facts import describe_split
from relaionet.pipeline.splits.files import drop_strays, find_pictures, picture_places, place_files, scan_files
from relaionet.pipeline.splits.plan import (
    INFO_FILE,
    KEPT,
    SplitConfig,
    SplitPlan,
    build_digest,
    plan_split,
    read_table,
)
from relaionet.pipeline.splits.vectors import PictureVectors
from relaionet.pipeline.splits.verdicts import judge_rows


def build_split(
    release: Release,
    config: SplitConfig,
    out: Path,
    download: DownloadConfig,
    progress: Callable[[int], None] | None = None,
    *,
    retry: Literal["passing", "all"] | None = None,
    verify: bool = False,
    images: Path | None = None,
    vectors: PictureVectors | None = None,
) -> pl.DataFrame:
    """Fetch every row of a release and keep what is still the picture the reviewers saw.

    A run that was cut short continues. A finished split is not fetched again: another policy or threshold judges anew
    what is there; a missing picture alone is fetched.

    Args:
        release: from `read_release`.
        config: what is kept.
        out: folder of the split.
        download: limits and rate limits of fetching.
        progress: called with the number of rows fetched since the last call.
        retry: as in `plan_split`.
        verify: as in `plan_split`.
        images: as in `plan_split`.
        vectors: as in `plan_split`.

    Returns:
        SPLIT, one row per manifest row, in the manifest's order.

    Raises:
        BadInput: `out` holds a split of another release, or something else.
        Unavailable: the network is out of reach; what was done is kept.
    """
    plan = plan_split(release, config, out, retry=retry, verify=verify, images=images, vectors=vectors)
    return carry_out(plan, download, progress)


def carry_out(plan: SplitPlan, download: DownloadConfig, progress: Callable[[int], None] | None = None) -> pl.DataFrame:
    """Do what a plan says; arguments and results as for `build_split`."""
    if plan.table is not None:
        return plan.table
    attempts = Attempts(plan.out, plan.release)
    for kind, ids in plan.chunks:
        attempts.fetch(kind, ids, download, plan.images, progress)
        attempts.compare(plan.vectors, download.max_pixels)
    attempts.compare(plan.vectors, download.max_pixels)
    started, state = time.perf_counter(), attempts.state()
    table = _judge(attempts.with_evidence(picture_places(state)), plan.config)
    _finish(plan, table, attempts, time.perf_counter() - started)
    return table


def _judge(rows: pl.DataFrame, config: SplitConfig) -> pl.DataFrame:
    judged = judge_rows(rows, config.verdicts).with_columns(kept=pl.col("status").is_in(KEPT[config.policy]))
    there = pl.col("fetch_status") == ALIVE
    judged = judged.with_columns(
        path=pl.when("kept").then("kept_place"),
        aside_path=pl.when(there & ~pl.col("kept")).then("aside_place"),
        may_come_back=pl.when(~there).then("may_come_back"),
    )
    return shape_table(judged, SPLIT)


def _finish(plan: SplitPlan, table: pl.DataFrame, attempts: Attempts, seconds: float) -> None:
    """Put every picture in its place, then write what the split says about itself, last of all."""
    out, store = plan.out, Store(plan.out)
    (out / INFO_FILE).unlink(missing_ok=True)
    places = find_pictures(picture_places(attempts.state()), scan_files(out))
    targets = table.select(pl.coalesce("path", "aside_path"))["path"].to_list()
    moves = [(place, target) for place, target in zip(places, targets, strict=True) if place and target]
    place_files(out, moves)
    drop_strays(out, set(filter(None, targets)))
    digest = build_digest(plan.release, plan.config, attempts)
    store.keep_only(SPLIT, ["all"])
    store.write(table, SPLIT, digest, seconds=seconds)
    told = describe_split(table, plan.release, plan.config, attempts.history())
    write_split_card(out, table.filter("kept"), told)
    write_json(out / INFO_FILE, told | {"build_digest": digest})


class Split(NamedTuple):
    """A finished split.

    Attributes:
        rows: kept rows in the manifest's order: candidate_id, wnid, class_index, image_sha256, path (absolute, as a
            string).
        about: what `split.json` says (`describe_split`).
    """

    rows: pl.DataFrame
    about: dict[str, Any]


def read_split(path: Path) -> Split:
    """Read a finished split.

    Args:
        path: its folder.

    Returns:
        Its kept rows, and what it says of itself.

    Raises:
        BadInput: no finished split there.
        Corrupt: a table or an image is missing or not what its receipt says.
    """
    path = Path(path).absolute()
    if not (path / INFO_FILE).is_file():
        raise BadInput(f"{path} holds no finished split ({INFO_FILE} is missing); run `relaionet rebuild` again.")
    info, rows = read_json_object(path / INFO_FILE), read_table(path)
    if rows is None:
        raise Corrupt(f"{Store(path).path(SPLIT)} is missing; run `relaionet rebuild` again, nothing is fetched twice.")
    kept = rows.filter("kept").select("candidate_id", "wnid", "class_index", "image_sha256", "path", "bytes_count")
    files = scan_files(path)
    missing = [name for name, size in kept.select("path", "bytes_count").iter_rows() if files.get(name) != size]
    if missing:
        raise Corrupt(
            f"{path}: {len(missing)} images are missing or not whole, first {missing[0]}; run `relaionet rebuild` "
            "again: it fetches these alone."
        )
    rows = kept.drop("bytes_count").with_columns(pl.format("{}/{}", pl.lit(str(path)), "path").alias("path"))
    return Split(rows, info)
