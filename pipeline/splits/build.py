"""A release -> a split: images on this machine again, each with a verdict against the manifest, and what is covered.

<out>/images/<wnid>/<candidate_id>.<format>   the rows kept
<out>/aside/<wnid>/<candidate_id>.<format>    fetched but not kept: changed pictures, or what the policy leaves out
<out>/split/all.parquet                       SPLIT, one row per manifest row
<out>/downloads/*.parquet                     DOWNLOADS: every attempt at every address of every row, in order
<out>/comparisons/*.parquet                   COMPARISONS of each attempt
<out>/release/                                the release it was rebuilt from, which tells of each row
<out>/split.json                              coverage, verdicts, digest; written last: a split with it is whole
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import digest_of, read_json_object, write_json
from relaionet.manifests.release.copy import RELEASE_FOLDER, copy_release
from relaionet.manifests.release.release import Release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import ALIVE, SPLIT, WITHDRAWN, shape_table
from relaionet.pipeline.downloads.archive import ArchiveConfig
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.splits.addresses import (
    FIRST_SNAPSHOT,
    UNASKED,
    choose_answers,
    find_archive_questions,
    judge_answers,
)
from relaionet.pipeline.splits.attempts import Attempts, Chunk
from relaionet.pipeline.splits.card import write_split_card
from relaionet.pipeline.splits.facts import describe_split
from relaionet.pipeline.splits.files import drop_strays, find_places, place_files, scan_files
from relaionet.pipeline.splits.plan import (
    INFO_FILE,
    KEPT,
    SplitConfig,
    SplitPlan,
    build_digest,
    find_chunks,
    plan_split,
    read_table,
)
from relaionet.pipeline.splits.vectors import PictureVectors

NO_ADDRESS = "no address of it is known; with a copy of the set, name its folder: --images FOLDER"
LOST = "its file is lost"


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
    archive: ArchiveConfig | None = None,
    withdrawn: pl.DataFrame | None = None,
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
        archive: as in `plan_split`.
        withdrawn: as in `plan_split`.

    Returns:
        SPLIT, one row per manifest row, in the manifest's order.

    Raises:
        BadInput: `out` holds a split of another release, or something else.
        Unavailable: the network is out of reach; what was done is kept.
    """
    plan = plan_split(release, config, out, retry=retry, verify=verify, images=images, vectors=vectors, archive=archive)
    return carry_out(plan, download, progress)


def carry_out(plan: SplitPlan, download: DownloadConfig, progress: Callable[[int], None] | None = None) -> pl.DataFrame:
    """Do what a plan says; arguments and results as for `build_split`."""
    if plan.table is not None:
        return plan.table
    attempts = Attempts(plan.out, plan.release, plan.withdrawn)
    if plan.withdrawn is not None:  # before anything is asked: a run that is killed obeys it too
        Store(plan.out).write(plan.withdrawn, WITHDRAWN, digest_of(plan.withdrawn.rows()))
    _ask_all(plan, attempts, download, progress)
    return judge_split(plan, attempts)


def judge_split(plan: SplitPlan, attempts: Attempts) -> pl.DataFrame:
    """Judge all rows from what is there, and put every picture where it belongs; nothing is fetched.

    Args:
        plan: of the split.
        attempts: its attempts.

    Returns:
        SPLIT.
    """
    started, files = time.perf_counter(), scan_files(plan.out)
    judged = find_places(judge_answers(attempts.lines(), plan.config.verdicts), plan.out, files)
    table, best = _judge(judged, plan.config)
    _finish(plan, table, best, attempts, time.perf_counter() - started)
    return table


def _ask_all(
    plan: SplitPlan, attempts: Attempts, download: DownloadConfig, progress: Callable[[int], None] | None
) -> None:
    """Fetch and compare what the plan names, then ask further addresses until each row has a picture that passes."""
    done, chunks = pl.DataFrame(schema={"candidate_id": pl.String, "turn": pl.Int32}), plan.chunks
    asked_archive = False
    while True:
        for chunk in chunks:
            attempts.fetch(chunk, _slowed(plan, chunk, download), plan.images, progress)
            attempts.compare(plan.vectors, download.max_pixels)
        attempts.compare(plan.vectors, download.max_pixels)
        done = pl.concat([done, *(chunk.rows.select("candidate_id", turn=pl.lit(chunk.turn)) for chunk in chunks)])
        judged = judge_answers(attempts.lines(), plan.config.verdicts)
        chunks = find_chunks(judged, plan.config, plan.may, done)
        if chunks:
            continue
        if asked_archive or not _ask_archive(plan, judged, attempts, download, progress):
            return
        asked_archive = True


def _slowed(plan: SplitPlan, chunk: Chunk, download: DownloadConfig) -> DownloadConfig:
    """How a chunk is fetched: an archive, which is one host, more slowly than the hosts of the world."""
    if plan.may.archive is None or chunk.turn < FIRST_SNAPSHOT:
        return download
    return plan.may.archive.downloading(download)


def _ask_archive(
    plan: SplitPlan, judged: pl.DataFrame, attempts: Attempts, download: DownloadConfig,
    progress: Callable[[int], None] | None,
) -> bool:  # fmt: skip
    """Ask an archive about the addresses that are gone or changed; False where there are none."""
    if plan.may.archive is None or not plan.may.has_archive:
        return False
    rows = find_archive_questions(judged, attempts.snapshots(), plan.may.retry)
    if rows.is_empty():
        return False
    near = plan.release.manifest.select("candidate_id", near="fetched_at")
    rows = rows.join(near, on="candidate_id", how="left", maintain_order="left")
    attempts.look_up(rows, plan.may.archive, download, progress)
    return True


def _judge(judged: pl.DataFrame, config: SplitConfig) -> tuple[pl.DataFrame, pl.DataFrame]:
    """SPLIT, and the answer of each row that counts, with its `place`."""
    lost = (pl.col("fetch_status") == ALIVE) & pl.col("place").is_null()
    best = choose_answers(judged.with_columns(is_lost=lost.fill_null(value=False)))
    out, unasked = pl.col("withdrawn").is_not_null(), pl.col("status") == UNASKED
    rows = best.with_columns(
        status=pl.when(out).then(pl.lit("withdrawn"))
        .when(unasked | pl.col("is_lost")).then(pl.lit("gone")).otherwise("status"),
        reason=pl.when(out).then("withdrawn").when("is_lost").then(pl.lit(LOST))
        .when(unasked & pl.col("address").is_null()).then(pl.lit(NO_ADDRESS))
        .when(unasked).then(pl.lit(LOST)).otherwise("reason"),
    ).with_columns(kept=pl.col("status").is_in(KEPT[config.policy]))  # fmt: skip
    there, further = pl.col("place").is_not_null() & ~out, pl.col("turn") > 0
    rows = rows.with_columns(
        path=pl.when("kept").then("kept_place"),
        aside_path=pl.when(there & ~pl.col("kept")).then("aside_place"),
        may_come_back=pl.when(~there & ~out).then("may_come_back"),
        fetched_from=pl.when(there & further).then("address"),
        archived_at=pl.when(there & further).then("archived_at"),
    )
    return shape_table(rows, SPLIT), best


def _finish(plan: SplitPlan, table: pl.DataFrame, best: pl.DataFrame, attempts: Attempts, seconds: float) -> None:
    """Put every picture in its place, then write what the split says about itself, last of all."""
    out, store = plan.out, Store(plan.out)
    (out / INFO_FILE).unlink(missing_ok=True)
    targets = table.select(pl.coalesce("path", "aside_path"))["path"].to_list()
    moves = [(place, target) for place, target in zip(best["place"], targets, strict=True) if place and target]
    place_files(out, moves)
    drop_strays(out, set(filter(None, targets)))
    digest = build_digest(plan.release, plan.config, attempts, plan.withdrawn)
    store.keep_only(SPLIT, ["all"])
    store.write(table, SPLIT, digest, seconds=seconds)
    copy_release(plan.release, out / RELEASE_FOLDER)
    told = describe_split(table, plan.release, plan.config, attempts.history())
    write_split_card(out, table.filter("kept"), told)
    write_json(out / INFO_FILE, told | {"build_digest": digest})


class Split(NamedTuple):
    """A finished split.

    Attributes:
        rows: kept rows in the manifest's order: candidate_id, wnid, class_index, image_sha256, path (absolute, as a
            string), wnids (every class of the picture; null where it is the label alone).
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
    columns = ("candidate_id", "wnid", "class_index", "image_sha256", "path", "wnids", "bytes_count")
    kept = rows.filter("kept").select(columns)
    files = scan_files(path)
    missing = [name for name, size in kept.select("path", "bytes_count").iter_rows() if files.get(name) != size]
    if missing:
        raise Corrupt(
            f"{path}: {len(missing)} images are missing or not whole, first {missing[0]}; run `relaionet rebuild` "
            "again: it fetches these alone."
        )
    rows = kept.drop("bytes_count").with_columns(pl.format("{}/{}", pl.lit(str(path)), "path").alias("path"))
    return Split(rows, info)
