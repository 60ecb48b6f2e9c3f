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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.release import Release
from relaionet.manifests.store import Store, digest_of, read_json, write_json
from relaionet.manifests.tables import ALIVE, SPLIT, shape_table
from relaionet.pipeline.download import DownloadConfig
from relaionet.pipeline.split_attempts import Attempts, Kind
from relaionet.pipeline.split_card import write_split_card
from relaionet.pipeline.split_facts import describe_split
from relaionet.pipeline.split_files import (
    WORK_FOLDER,
    drop_strays,
    find_damaged,
    find_pictures,
    picture_places,
    place_files,
    scan_files,
)  # fmt: skip
from relaionet.pipeline.split_vectors import PictureVectors
from relaionet.pipeline.split_verdicts import VerdictConfig, judge_rows

VERSION = "2"
INFO_FILE = "split.json"
Policy = Literal["same_picture", "exact"]
POLICIES = ("same_picture", "exact")
KEPT = {"same_picture": ["exact", "same_picture"], "exact": ["exact"]}


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Which rows of a rebuilt split are kept.

    Attributes:
        policy: "same_picture" keeps rows with the manifest's bytes and rows with other bytes of the same picture;
            "exact" keeps the manifest's bytes only.
        verdicts: how far apart two encodings of the same picture may be.
        rows_per_shard: rows fetched and compared at a time; a shard that is done is never fetched again.
    """

    policy: Policy = "same_picture"
    verdicts: VerdictConfig = field(default_factory=VerdictConfig)
    rows_per_shard: int = 10_000

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise BadInput(f"policy = '{self.policy}': expected 'same_picture' or 'exact'.")
        if self.rows_per_shard <= 0:
            raise BadInput(f"rows_per_shard = {self.rows_per_shard}: expected more than 0.")


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """What is to be done for a split.

    Attributes:
        release: what is rebuilt.
        config: what is kept.
        out: folder of the split.
        chunks: rows to fetch (candidate_id, url) and why: "first", "repair" of missing or damaged files, "retry".
        table: SPLIT where the split is finished and nothing is to be done.
        vectors: embeddings to compare as well.
    """

    release: Release
    config: SplitConfig
    out: Path
    chunks: list[tuple[Kind, pl.DataFrame]]
    table: pl.DataFrame | None
    vectors: PictureVectors | None = None

    @property
    def rows_count(self) -> int:
        """Rows to fetch."""
        return sum(rows.height for _, rows in self.chunks)

    def count(self, kind: Kind) -> int:
        """Rows to fetch for one reason."""
        return sum(rows.height for why, rows in self.chunks if why == kind)


def plan_split(
    release: Release,
    config: SplitConfig,
    out: Path,
    *,
    retry: Literal["passing", "all"] | None = None,
    verify: bool = False,
    vectors: PictureVectors | None = None,
) -> SplitPlan:
    """Look at what is there and say what is left to do; fetches and changes nothing.

    Args:
        release: from `read_release`.
        config: what is kept.
        out: folder of the split, finished, cut short, or not there yet.
        retry: also fetch rows that were gone: "passing" those whose reason may pass, "all" every one of them.
        verify: read every byte of every picture instead of looking at its length alone.
        vectors: embeddings to compare as well.

    Raises:
        BadInput: `out` holds a split of another release, or something else.
        Corrupt: a table is not what its receipt says.
    """
    out = Path(out)
    attempts = Attempts(out, release)
    _check_own(out, release, attempts)
    files = scan_files(out)
    state = attempts.state()
    places = find_pictures(picture_places(state), files)
    fetched = (state["fetch_status"] == ALIVE).fill_null(value=False)
    lost = pl.Series("lost", [place is None for place in places], dtype=pl.Boolean) & fetched
    if verify:
        hashes = state["image_sha256"].to_list()
        lost = lost | pl.Series("damaged", find_damaged(out, places, hashes), dtype=pl.Boolean)
    wanted = {
        "first": state["fetch_status"].is_null(),
        "repair": lost,
        "retry": _passing(state, retry) if retry is not None else None,
    }
    chunks: list[tuple[Kind, pl.DataFrame]] = []
    for kind, mask in wanted.items():
        rows = state.filter(mask).select("candidate_id", "url") if mask is not None else state.head(0)
        size = rows.height if kind == "retry" else config.rows_per_shard
        chunks += [(kind, rows.slice(start, size)) for start in range(0, rows.height, max(1, size))]  # type: ignore[misc]
    table = None
    if not chunks and attempts.are_compared(vectors) and (out / INFO_FILE).exists():
        info = read_json(out / INFO_FILE)
        if isinstance(info, dict) and info.get("build_digest") == _build_digest(release, config, attempts):
            table = _read_table(out)
            table = None if table is None or _is_misplaced(table, files) else table
    return SplitPlan(release=release, config=config, out=out, chunks=chunks, table=table, vectors=vectors)


def _passing(state: pl.DataFrame, retry: Literal["passing", "all"]) -> pl.Series:
    gone = state["fetch_status"].is_not_null() & (state["fetch_status"] != ALIVE)
    return gone if retry == "all" else gone & state["may_come_back"].fill_null(value=False)


def _is_misplaced(table: pl.DataFrame, files: dict[str, int]) -> bool:
    """True where a picture that is kept is not where the table says."""
    return not set(table.filter("kept")["path"]) <= files.keys()


def build_split(
    release: Release,
    config: SplitConfig,
    out: Path,
    download: DownloadConfig,
    progress: Callable[[int], None] | None = None,
    *,
    retry: Literal["passing", "all"] | None = None,
    verify: bool = False,
    vectors: PictureVectors | None = None,
) -> pl.DataFrame:
    """Fetch every row of a release and keep what is still the picture the reviewers saw.

    A run that was cut short continues. A finished split is not fetched again: another policy or threshold judges anew
    what is there; a missing picture alone is fetched.

    Args:
        release: from `read_release`.
        config: what is kept.
        out: folder of the split.
        download: limits and manners of fetching.
        progress: called with the number of rows fetched since the last call.
        retry: as in `plan_split`.
        verify: as in `plan_split`.
        vectors: as in `plan_split`.

    Returns:
        SPLIT, one row per manifest row, in the manifest's order.

    Raises:
        BadInput: `out` holds a split of another release, or something else.
        Unavailable: the network is out of reach; what was done is kept.
    """
    plan = plan_split(release, config, out, retry=retry, verify=verify, vectors=vectors)
    return carry_out(plan, download, progress)


def carry_out(plan: SplitPlan, download: DownloadConfig, progress: Callable[[int], None] | None = None) -> pl.DataFrame:
    """Do what a plan says; arguments and results as for `build_split`."""
    if plan.table is not None:
        return plan.table
    attempts = Attempts(plan.out, plan.release)
    for kind, rows in plan.chunks:
        attempts.fetch(kind, rows, download, progress)
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
    digest = _build_digest(plan.release, plan.config, attempts)
    store.keep_only(SPLIT, ["all"])
    store.write(table, SPLIT, digest, seconds=seconds)
    told = describe_split(table, plan.release, plan.config, attempts.history())
    write_split_card(out, table.filter("kept"), told)
    write_json(out / INFO_FILE, told | {"build_digest": digest})


def _build_digest(release: Release, config: SplitConfig, attempts: Attempts) -> str:
    return digest_of(VERSION, release.info.digest, config.policy, config.verdicts, attempts.digests())


def _check_own(out: Path, release: Release, attempts: Attempts) -> None:
    """Refuse a folder that holds something else: what is not of the split is removed from its images."""
    held = read_json(out / INFO_FILE) if (out / INFO_FILE).exists() else {}
    held = held if isinstance(held, dict) else {}
    if attempts.are_of_another_release() or held.get("release_digest", release.info.digest) != release.info.digest:
        name = held.get("release", "another release")
        raise BadInput(f"{out} holds a split of {name}, not of {release.info.full_name}; choose another folder.")
    own = (out / WORK_FOLDER).exists() or held or attempts.shards()
    if not own and out.is_dir() and any(not path.name.startswith(".") for path in out.iterdir()):
        raise BadInput(f"{out} holds something that is no split; choose another folder.")


def _read_table(out: Path) -> pl.DataFrame | None:
    """SPLIT of a finished split; None where its file is lost."""
    store = Store(out)
    if store.receipt(SPLIT.name) is None or not store.path(SPLIT).is_file():
        return None
    return store.read(SPLIT)


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
    info, rows = read_json(path / INFO_FILE), _read_table(path)
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
    return kept.drop("bytes_count").with_columns(pl.format("{}/{}", pl.lit(str(path)), "path").alias("path")), info
