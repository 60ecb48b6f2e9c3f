"""Candidates of a source of any size: read in batches, judged and cut into shards, from any finished shard on.

What a shard holds depends on the source and the settings alone, not on batches or on where a run was taken up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.manifests.tables import ALIVE, CANDIDATES, PASSED_OVER, alive, shape_table
from relaionet.pipeline.candidates.judge import CandidatesConfig, add_ids, is_kept, judge_rows, rule_rows
from relaionet.pipeline.candidates.seen_urls import SeenUrls
from relaionet.pipeline.sources.read import BATCH_ROWS, BATCH_SCHEMA, Source, read_batches

REPEATED = "an earlier row that is alive has the same URL"
KEY_DIGITS = 16
COUNTED_BY = ("source", "status", "reason")


@dataclass(frozen=True, kw_only=True)
class CandidateShard:
    """One shard.

    Attributes:
        rows: CANDIDATES.
        passed_over: PASSED_OVER, rows of the source between those of the shard that are only counted.
        parts_count: parts of the source it rests on: the one its last row is of and all before.
        is_last: the source has no further rows; further ones would have gone into this shard.
    """

    rows: pl.DataFrame
    passed_over: pl.DataFrame
    parts_count: int
    is_last: bool = False


@dataclass(kw_only=True)
class ReadState:
    """What the rows read so far mean for those that follow.

    Attributes:
        done: name of a part of the source -> rows of it that were read.
        seen: URLs of the rows that are alive.
        met: ids of the rows that a search found too.
    """

    done: Counter[str] = field(default_factory=Counter)
    seen: SeenUrls = field(default_factory=SeenUrls)
    met: set[str] = field(default_factory=set)

    def take_up(self, rows: pl.DataFrame, passed_over: pl.DataFrame) -> None:
        """Go on behind a shard that was finished before.

        Args:
            rows: its candidate_id, status, source and sought_wnids.
            passed_over: rows that were counted between them.
        """
        self.done.update(dict(rows.group_by("source").len().iter_rows()))
        self.done.update(dict(passed_over.group_by("source").agg(pl.col("rows_count").sum()).iter_rows()))
        self.seen.add(_keys(alive(rows)["candidate_id"]))
        self.meet(rows)

    def meet(self, rows: pl.DataFrame) -> None:
        """Remember which rows a search found too."""
        self.met.update(rows.filter(pl.col("sought_wnids").list.len() > 0)["candidate_id"])


def keeps_all(source: Source, config: CandidatesConfig) -> bool:
    """True where every row of the source is written, not only those that may matter."""
    if config.keep_rows == "auto":
        return source.rows_estimate <= config.auto_rows_count
    return config.keep_rows == "all"


def stream_candidates(
    source: Source, config: CandidatesConfig, state: ReadState, *, keep_all: bool, found: pl.DataFrame | None = None,
    progress: Callable[[int], None] | None = None, batch_rows: int = BATCH_ROWS,
) -> Iterator[CandidateShard]:  # fmt: skip
    """Judge a source, a batch in memory at a time.

    Of rows with the same URL that pass every other rule the first is `ok` and the others are `repeated`; a row that is
    rejected for itself never stands in the way of a later one, and keeps its own status.

    Args:
        source: what `sources.open_source` found.
        config: which rows become candidates.
        state: where to begin; brought up to date while reading.
        keep_all: write all rows; else those of `candidates.is_kept`, and count the others.
        found: what searches found (`searched_rows.gather_neighbours`), or None.
        progress: called with the number of rows read since the last call.
        batch_rows: rows in memory at a time.

    Yields:
        Shards of `config.rows_per_shard` rows, the last with fewer.

    Raises:
        BadInput: a file is damaged.
        Unavailable: a server does not answer.
    """
    cutter = _Cutter(config.rows_per_shard, [part.name for part in source.parts])
    for batch in read_batches(source, skip=dict(state.done), batch_rows=batch_rows, max_chars=config.max_chars):
        ruled = rule_rows(batch, config, found).with_row_index("place")
        kept = ruled if keep_all else ruled.filter(is_kept())
        passed = ruled.clear() if keep_all else ruled.filter(~is_kept())
        rows = _mark_repeated(add_ids(kept), state.seen)
        state.done[batch["source"][0]] += batch.height
        state.meet(rows)
        yield from cutter.add(rows, kept["place"], passed.select("place", *COUNTED_BY), batch["source"][0])
        if progress is not None:
            progress(batch.height)
    yield from cutter.finish()


def stream_neighbours(found: pl.DataFrame, config: CandidatesConfig, met: set[str]) -> Iterator[CandidateShard]:
    """Candidates that only a search found, judged by the same rules, sorted by id.

    Args:
        found: what `searched_rows.gather_neighbours` gave.
        config: which rows become candidates.
        met: ids that stand in the source; they are left out.
    """
    rows = found.filter(~pl.col("candidate_id").is_in(list(met)))
    for start in range(0, rows.height, config.rows_per_shard):
        part = rows.slice(start, config.rows_per_shard).with_columns(pl.lit(None, dtype=pl.String).alias("fault"))
        judged = judge_rows(part.select(BATCH_SCHEMA.names()).cast(dict(BATCH_SCHEMA)), config, found)  # type: ignore[arg-type]
        # the index' own id stays, also of a URL too long for us
        yield CandidateShard(
            rows=judged.with_columns(part["candidate_id"]), passed_over=PASSED_OVER.empty(), parts_count=0
        )


def _keys(ids: pl.Series) -> np.ndarray:
    """[N] uint64, the first digits of hex ids."""
    return ids.str.slice(0, KEY_DIGITS).str.to_integer(base=16, dtype=pl.UInt64).to_numpy()


def _mark_repeated(rows: pl.DataFrame, seen: SeenUrls) -> pl.DataFrame:
    """Of the rows that are alive, those whose URL was alive before become `repeated`; the others are remembered."""
    living = rows.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("place"), "candidate_id", "status")
    living = living.filter(pl.col("status") == ALIVE)
    keys = _keys(living["candidate_id"])
    is_repeated = pl.Series(seen.find(keys)) | ~living["candidate_id"].is_first_distinct()
    seen.add(keys[~is_repeated.to_numpy()])
    places = living["place"].filter(is_repeated)
    if not places.len():
        return rows
    marked = pl.int_range(pl.len(), dtype=pl.Int64).is_in(places.implode())
    return rows.with_columns(
        pl.when(marked).then(pl.lit("repeated")).otherwise("status").alias("status"),
        pl.when(marked).then(pl.lit(REPEATED)).otherwise("reason").alias("reason"),
    )


class _Cutter:
    """Cuts a stream of rows into shards; a shard ends right before the row that would be one too many."""

    def __init__(self, size: int, names: Sequence[str]) -> None:
        self._size = size
        self._index: Mapping[str, int] = {name: place for place, name in enumerate(names)}
        self._rows: list[pl.DataFrame] = []
        self._counts: list[pl.DataFrame] = []
        self._parts_count = 0

    def add(self, rows: pl.DataFrame, places: pl.Series, passed: pl.DataFrame, source: str) -> Iterator[CandidateShard]:
        """Take a batch: rows to write, their places in it, and the rows only counted, with theirs."""
        waiting = sum(part.height for part in self._rows)
        while waiting + rows.height > self._size:
            count = self._size - waiting
            end = places[count]
            self._take(rows.head(count), passed.filter(pl.col("place") < end))
            if end > 0:
                self._parts_count = self._index[source] + 1
            yield self._flush()
            rows, places, passed = rows.slice(count), places.slice(count), passed.filter(pl.col("place") >= end)
            waiting = 0
        self._take(rows, passed)
        self._parts_count = self._index[source] + 1

    def finish(self) -> Iterator[CandidateShard]:
        """The last shard, where anything is left."""
        self._parts_count = len(self._index)
        if self._rows or self._counts:
            yield replace(self._flush(), is_last=True)

    def _take(self, rows: pl.DataFrame, passed: pl.DataFrame) -> None:
        if rows.height:
            self._rows.append(rows)
        if passed.height:
            counted = passed.group_by(COUNTED_BY).agg(pl.len().cast(pl.Int64).alias("rows_count"))
            self._counts.append(shape_table(counted, PASSED_OVER))
            if len(self._counts) > len(self._index) + 1:
                self._counts = [_sum(self._counts)]

    def _flush(self) -> CandidateShard:
        # in one piece, so that the bytes written do not depend on how the rows came
        rows = pl.concat(self._rows or [CANDIDATES.empty()], rechunk=True)
        shard = CandidateShard(rows=rows, passed_over=_sum(self._counts), parts_count=self._parts_count)
        self._rows, self._counts = [], []
        return shard


def _sum(counts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    if not counts:
        return PASSED_OVER.empty()
    summed = pl.concat(counts).group_by(COUNTED_BY).agg(pl.col("rows_count").sum()).sort(COUNTED_BY)
    return shape_table(summed, PASSED_OVER)


def read_candidates(
    source: str | Path | Sequence[str | Path],
    config: CandidatesConfig | None = None,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:
    """Read a small source at once and say of every row whether it is a label candidate.

    Args:
        source: as for `files.list_files`.
        config: which rows become candidates; all rows are kept whatever it says.
        progress: called with the number of rows done since the last call.

    Returns:
        CANDIDATES, one row per source row, in order; of rows with the same URL that pass every other rule the first is
        `ok`, the others are `repeated`.

    Raises:
        BadInput: nothing is there, a file cannot be read, or a table fits no schema.
    """
    from relaionet.pipeline.sources.read import open_source

    config = config or CandidatesConfig()
    opened = open_source(source, config.schema, config.columns)
    shards = stream_candidates(opened, config, ReadState(), keep_all=True, progress=progress)
    return pl.concat([CANDIDATES.empty(), *(shard.rows for shard in shards)])
