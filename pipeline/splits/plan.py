"""What is to be done for a split: which rows are fetched and why, decided from what is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, read_json_object
from relaionet.manifests.places import local_path
from relaionet.manifests.release.release import Release
from relaionet.manifests.release.withdrawals import join_withdrawals
from relaionet.manifests.store import Store
from relaionet.manifests.tables import ALIVE, SPLIT, WITHDRAWN
from relaionet.pipeline.downloads.archive import ArchiveConfig
from relaionet.pipeline.splits.addresses import (
    UNASKED,
    choose_answers,
    find_archive_questions,
    find_next,
    judge_answers,
)
from relaionet.pipeline.splits.attempts import Attempts, Chunk, Kind
from relaionet.pipeline.splits.files import WORK_FOLDER, find_damaged, find_places, scan_files
from relaionet.pipeline.splits.vectors import PictureVectors
from relaionet.pipeline.splits.verdicts import VerdictConfig

VERSION = "2"
INFO_FILE = "split.json"
Policy = Literal["same_picture", "exact"]
Retry = Literal["passing", "all"]
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
class Sources:
    """Where the images of a split may come from.

    Attributes:
        retry: which rows that are gone are asked once more.
        images: folder the images are taken from instead of the web.
        archive: asked for rows that are gone or changed.
    """

    retry: Retry | None = None
    images: Path | None = None
    archive: ArchiveConfig | None = None

    @property
    def has_archive(self) -> bool:
        """True where an archive may be asked."""
        return self.archive is not None and self.images is None


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """What is to be done for a split.

    Attributes:
        release: what is rebuilt.
        config: what is kept.
        out: folder of the split.
        chunks: rows to fetch and why; what further addresses are asked may depend on what comes of them.
        table: SPLIT where the split is finished and nothing is to be done.
        may: where images may come from.
        vectors: embeddings to compare as well.
        archive_questions_count: addresses an archive is to be asked about, as far as is known now.
        withdrawn: WITHDRAWN, what is not to be in the split; None is nothing.
    """

    release: Release
    config: SplitConfig
    out: Path
    chunks: list[Chunk]
    table: pl.DataFrame | None
    may: Sources
    vectors: PictureVectors | None = None
    archive_questions_count: int = 0
    withdrawn: pl.DataFrame | None = None

    @property
    def images(self) -> Path | None:
        """Folder the images are taken from; None fetches them."""
        return self.may.images

    @property
    def rows_count(self) -> int:
        """Rows to fetch."""
        return sum(chunk.rows.height for chunk in self.chunks)

    def count(self, kind: Kind) -> int:
        """Rows to fetch for one reason."""
        return sum(chunk.rows.height for chunk in self.chunks if chunk.kind == kind)


def plan_split(
    release: Release,
    config: SplitConfig,
    out: Path,
    *,
    retry: Retry | None = None,
    verify: bool = False,
    images: Path | None = None,
    vectors: PictureVectors | None = None,
    archive: ArchiveConfig | None = None,
    withdrawn: pl.DataFrame | None = None,
) -> SplitPlan:
    """Look at what is there and say what is left to do; fetches and changes nothing.

    Args:
        release: from `read_release`.
        config: what is kept.
        out: folder of the split, finished, cut short, or not there yet.
        retry: also fetch rows that were gone: "passing" those whose reason may pass, "all" every one of them.
        verify: read every byte of every picture instead of looking at its length alone.
        images: folder on this machine that holds the images; None fetches them.
        vectors: embeddings to compare as well.
        archive: asked for rows that are gone or changed; None asks none.
        withdrawn: WITHDRAWN, beside the release's own and what was said in an earlier run; such rows are not asked for.

    Raises:
        BadInput: `out` holds a split of another release, or something else.
        Corrupt: a table is not what its receipt says.
    """
    out = local_path(out, "out")
    withdrawn = join_withdrawals(release.withdrawn, withdrawn, read_said(out))
    attempts = Attempts(out, release, withdrawn)
    _check_own(out, release, attempts)
    files, lines = scan_files(out), attempts.lines()
    judged = judge_answers(lines, config.verdicts)
    best = find_places(choose_answers(judged).filter(pl.col("withdrawn").is_null()), out, files)
    lost = (best["fetch_status"] == ALIVE).fill_null(value=False) & best["place"].is_null()
    if verify:
        lost = lost | pl.Series(find_damaged(out, best["place"].to_list(), best["image_sha256"].to_list()))
    asked = _find_asked(best, lost, has_folder=images is not None)
    chunks = [chunk for kind, rows in asked.items() for chunk in cut_chunks(kind, rows, config.rows_per_shard)]
    may = Sources(retry=retry, images=images, archive=archive)
    chunks += find_chunks(judged, config, may)
    questions = find_archive_questions(judged, attempts.snapshots(), retry).height if may.has_archive else 0
    is_done = not chunks and not questions and attempts.are_compared(vectors)
    table = _find_finished(out, build_digest(release, config, attempts, withdrawn), files) if is_done else None
    return SplitPlan(
        release=release, config=config, out=out, chunks=chunks, table=table, vectors=vectors, may=may,
        archive_questions_count=questions, withdrawn=withdrawn,
    )  # fmt: skip


def _find_asked(best: pl.DataFrame, lost: pl.Series, *, has_folder: bool) -> dict[Kind, pl.DataFrame]:
    """The rows that were never asked, and those whose files are lost, each with the address to ask.

    Raises:
        BadInput: there is neither an address nor a folder to ask at.
    """
    asked: dict[Kind, pl.DataFrame] = {"first": best.filter(status=UNASKED), "repair": best.filter(lost)}
    if has_folder:
        return asked
    known = {kind: rows.filter(pl.col("address").is_not_null()) for kind, rows in asked.items()}
    count = sum(rows.height - known[kind].height for kind, rows in asked.items())
    # where some addresses are known the others' rows are said to have none, and the rest goes on
    if count and best["url"].null_count() == best.height:
        raise BadInput(
            f"{count:,} of {best.height:,} rows have no URL: they were adopted from a set on somebody's disk. With a "
            "copy of that set, name its folder: --images FOLDER."
        )
    return known


def find_chunks(
    judged: pl.DataFrame, config: SplitConfig, may: Sources, done: pl.DataFrame | None = None
) -> list[Chunk]:
    """What is to be asked next of the rows for which no picture has passed: a further address, or one once more.

    Args:
        judged: from `judge_answers`.
        config: how many rows are asked together.
        may: where images may come from.
        done: candidate_id and turn of what this run asked once more already.
    """
    has_folder = may.images is not None
    wanted = find_next(judged, may.retry, done, has_folder=has_folder, has_archive=may.has_archive)
    parts = wanted.partition_by("kind", maintain_order=True)
    return [chunk for part in parts for chunk in cut_chunks(part["kind"][0], part, config.rows_per_shard)]


def cut_chunks(kind: Kind, rows: pl.DataFrame, size: int) -> list[Chunk]:
    """Rows, `size` at a time and those of one turn together; a retry is one attempt however many they are.

    Args:
        kind: why they are asked.
        rows: candidate_id, address and turn.
        size: rows per chunk.
    """
    chunks: list[Chunk] = []
    for part in rows.select("candidate_id", "address", "turn").partition_by("turn", maintain_order=True):
        step = part.height if kind == "retry" else size
        turn = int(part["turn"][0])
        chunks += [Chunk(kind, turn, part.slice(start, step)) for start in range(0, part.height, step)]
    return chunks


def _find_finished(out: Path, digest: str, files: dict[str, int]) -> pl.DataFrame | None:
    """SPLIT of a split that is finished with these settings, every picture kept being where it belongs."""
    info = read_json_object(out / INFO_FILE) if (out / INFO_FILE).exists() else None
    table = read_table(out) if isinstance(info, dict) and info.get("build_digest") == digest else None
    return table if table is not None and set(table.filter("kept")["path"]) <= files.keys() else None


def build_digest(
    release: Release, config: SplitConfig, attempts: Attempts, withdrawn: pl.DataFrame | None = None
) -> str:
    """What the verdicts of a split rest on."""
    out = [withdrawn.rows()] if withdrawn is not None else []
    return digest_of(VERSION, release.info.digest, config.policy, config.verdicts, attempts.digests(), *out)


def read_said(out: Path) -> pl.DataFrame | None:
    """WITHDRAWN of earlier runs into a split; None where nothing was withdrawn.

    Args:
        out: folder of the split.

    Raises:
        Corrupt: the list is not what was written.
    """
    store = Store(out)
    return store.read(WITHDRAWN) if store.receipt(WITHDRAWN.name) is not None else None


def _check_own(out: Path, release: Release, attempts: Attempts) -> None:
    """Refuse a folder that holds something else: what is not of the split is removed from its images."""
    held = read_json_object(out / INFO_FILE) if (out / INFO_FILE).exists() else {}
    held = held if isinstance(held, dict) else {}
    if attempts.are_of_another_release() or held.get("release_digest", release.info.digest) != release.info.digest:
        name = held.get("release", "another release")
        raise BadInput(f"{out} holds a split of {name}, not of {release.info.full_name}; choose another folder.")
    own = (out / WORK_FOLDER).exists() or held or attempts.shards()
    if not own and out.is_dir() and any(not path.name.startswith(".") for path in out.iterdir()):
        raise BadInput(f"{out} holds something that is no split; choose another folder.")


def read_table(out: Path) -> pl.DataFrame | None:
    """SPLIT of a finished split; None where its file is lost."""
    store = Store(out)
    if store.receipt(SPLIT.name) is None or not store.path(SPLIT).is_file():
        return None
    return store.read(SPLIT)
