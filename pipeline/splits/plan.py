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
from relaionet.manifests.store import Store
from relaionet.manifests.tables import ALIVE, SPLIT
from relaionet.pipeline.splits.attempts import Attempts, Kind
from relaionet.pipeline.splits.files import WORK_FOLDER, find_damaged, find_pictures, picture_places, scan_files
from relaionet.pipeline.splits.vectors import PictureVectors
from relaionet.pipeline.splits.verdicts import VerdictConfig

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
        chunks: rows to fetch (candidate_id) and why: "first", "repair" of missing or damaged files, "retry".
        table: SPLIT where the split is finished and nothing is to be done.
        images: folder the images are taken from; None fetches them.
        vectors: embeddings to compare as well.
    """

    release: Release
    config: SplitConfig
    out: Path
    chunks: list[tuple[Kind, pl.Series]]
    table: pl.DataFrame | None
    images: Path | None = None
    vectors: PictureVectors | None = None

    @property
    def rows_count(self) -> int:
        """Rows to fetch."""
        return sum(len(ids) for _, ids in self.chunks)

    def count(self, kind: Kind) -> int:
        """Rows to fetch for one reason."""
        return sum(len(ids) for why, ids in self.chunks if why == kind)


def plan_split(
    release: Release,
    config: SplitConfig,
    out: Path,
    *,
    retry: Literal["passing", "all"] | None = None,
    verify: bool = False,
    images: Path | None = None,
    vectors: PictureVectors | None = None,
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

    Raises:
        BadInput: `out` holds a split of another release, or something else.
        Corrupt: a table is not what its receipt says.
    """
    out = local_path(out, "out")
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
    wanted: dict[Kind, pl.Series] = {"first": state["fetch_status"].is_null(), "repair": lost}
    if retry is not None:
        wanted["retry"] = _find_gone(state, retry)
    chunks = _cut(state, wanted, config.rows_per_shard)
    if images is None:
        _check_urls(state, chunks)
    is_done = not chunks and attempts.are_compared(vectors)
    table = _find_finished(out, build_digest(release, config, attempts), files) if is_done else None
    return SplitPlan(
        release=release, config=config, out=out, chunks=chunks, table=table, images=images, vectors=vectors
    )


def _find_finished(out: Path, digest: str, files: dict[str, int]) -> pl.DataFrame | None:
    """SPLIT of a split that is finished with these settings, every picture kept being where it belongs."""
    info = read_json_object(out / INFO_FILE) if (out / INFO_FILE).exists() else None
    table = read_table(out) if isinstance(info, dict) and info.get("build_digest") == digest else None
    return table if table is not None and set(table.filter("kept")["path"]) <= files.keys() else None


def _cut(state: pl.DataFrame, wanted: dict[Kind, pl.Series], size: int) -> list[tuple[Kind, pl.Series]]:
    """The rows wanted, `size` at a time; a retry is one attempt however many they are."""
    chunks: list[tuple[Kind, pl.Series]] = []
    for kind, mask in wanted.items():
        ids = state.filter(mask)["candidate_id"]
        step = max(1, len(ids) if kind == "retry" else size)
        chunks += [(kind, ids.slice(start, step)) for start in range(0, len(ids), step)]
    return chunks


def _check_urls(state: pl.DataFrame, chunks: list[tuple[Kind, pl.Series]]) -> None:
    asked = pl.concat([ids for _, ids in chunks]) if chunks else pl.Series([], dtype=pl.String)
    count = state.filter(pl.col("url").is_null() & pl.col("candidate_id").is_in(asked.implode())).height
    if count:
        raise BadInput(
            f"{count:,} of {state.height:,} rows have no URL: they were adopted from a set on somebody's disk. With a "
            "copy of that set, name its folder: --images FOLDER."
        )


def _find_gone(state: pl.DataFrame, retry: Literal["passing", "all"]) -> pl.Series:
    gone = state["fetch_status"].is_not_null() & (state["fetch_status"] != ALIVE)
    return gone if retry == "all" else gone & state["may_come_back"].fill_null(value=False)


def build_digest(release: Release, config: SplitConfig, attempts: Attempts) -> str:
    """What the verdicts of a split rest on."""
    return digest_of(VERSION, release.info.digest, config.policy, config.verdicts, attempts.digests())


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
