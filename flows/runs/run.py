"""A run's folder: its tables, what was counted, what its stages were given."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput
from relaionet.manifests.places import local_path
from relaionet.manifests.store import Store
from relaionet.manifests.tables import ALIVE, CANDIDATES, PASSED_OVER, PROPOSALS, SCREENED, TEXT_MATCHES, Table

MADE_ON_THE_WAY = {
    CANDIDATES.name: ("neighbours",),
    TEXT_MATCHES.name: ("text_calibration",),
    PROPOSALS.name: ("hits", "calibration"),
    SCREENED.name: ("measured", "compared", "texts_read"),
}
"""Stage -> what has receipts of its own and is no stage of the summary: its time is time of that stage."""


@dataclass(frozen=True, kw_only=True)
class StageCount:
    """One line of a summary: rows in = sum over statuses.

    Attributes:
        stage: name of the stage.
        rows_in: rows given to it.
        statuses: rows by status, summing to rows_in.
        reasons: rows by (status, reason) in words, for all but `ok`.
        seconds: time spent in it when it was made.
        done: True when it was already done and nothing was computed.
    """

    stage: str
    rows_in: int
    statuses: Mapping[str, int]
    reasons: Mapping[str, Mapping[str, int]]
    seconds: float
    done: bool


@dataclass(kw_only=True)
class Run:
    """A run's folder with its tables, and what has been counted so far.

    Attributes:
        root: folder of the run.
        reporter: where progress is shown.
        counts: one entry per stage, in the order of the story.
        made: names of the tables something was computed for.
        local: tasks run in this process, so they can move its progress bar.
        runner: Prefect's task runner its shards are worked on by; None where no flow is at work on it.
    """

    root: Path
    reporter: Reporter = field(default_factory=Reporter)
    counts: list[StageCount] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    local: bool = True
    runner: Any = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.root = local_path(self.root, "folder")

    @property
    def store(self) -> Store:
        """The run's tables."""
        return Store(self.root)

    @property
    def images(self) -> Path:
        """Folder of the downloaded bytes."""
        return self.root / "images"

    @property
    def embeddings(self) -> Path:
        """Folder of the embeddings, in clip-retrieval's layout."""
        return self.root / "embeddings" / "clip"

    def make(self, table: Table, digest: str, make: Callable[[], pl.DataFrame], *, shard: str = "all") -> bool:
        """Make one shard of a table unless it is done with the same digest; True when it was made now."""
        if self.store.has_table(table, digest, shard):
            return False
        started = time.perf_counter()
        self.store.write(make(), table, digest, shard=shard, seconds=time.perf_counter() - started)
        self.made.add(table.name)
        return True

    def count(self, table: Table, stage: str | None = None) -> StageCount:
        """Count a finished stage, remember it and print its line."""
        counted = count_rows(self.store, table)
        seconds = seconds_of(self.store, table)
        rows_count = int(counted["rows_count"].sum())
        statuses = sum_statuses(counted) if table.statuses else {"rows": rows_count}
        return self.note(stage or table.name, rows_count, statuses, sum_reasons(counted), seconds, table.name)

    def note(
        self, stage: str, rows_in: int, statuses: Mapping[str, int], reasons: Mapping[str, Mapping[str, int]],
        seconds: float, name: str,
    ) -> StageCount:  # fmt: skip
        """Remember and print a stage's counts."""
        line = StageCount(
            stage=stage, rows_in=rows_in, statuses=dict(statuses), reasons=reasons, seconds=round(seconds, 3),
            done=name not in self.made,
        )  # fmt: skip
        self.counts = [*(old for old in self.counts if old.stage != stage), line]
        self.reporter.counts(stage, rows_in, statuses, seconds, done=line.done)
        return line


def seconds_of(store: Store, table: Table) -> float:
    """Seconds at work on a stage: on all shards of its table, and on what was made on the way to it."""
    receipts = [
        receipt for name in (table.name, *MADE_ON_THE_WAY.get(table.name, ())) for receipt in store.receipts(name)
    ]
    return sum(receipt.seconds for receipt in receipts)


def count_rows(store: Store, table: Table) -> pl.DataFrame:
    """Rows of a table by status and reason (null where it has none), one shard in memory at a time.

    Rows of the source that were counted and not kept one by one count with the candidates.
    """
    schema = {"status": pl.String, "reason": pl.String, "rows_count": pl.Int64}
    names = [name for name in ("status", "reason") if name in table.columns]
    parts = [pl.DataFrame(schema=schema)]
    for shard in store.shards(table):
        rows = store.read(table, shard, columns=names or [next(iter(table.columns))])
        missing = [pl.lit(None, dtype=pl.String).alias(name) for name in ("status", "reason") if name not in names]
        parts.append(
            rows.with_columns(missing).group_by("status", "reason").agg(pl.len().alias("rows_count").cast(pl.Int64))
        )
    if table is CANDIDATES:
        parts += [store.read(PASSED_OVER, shard).select(*schema) for shard in store.shards(PASSED_OVER)]
    return pl.concat(parts).group_by("status", "reason").agg(pl.col("rows_count").sum())


def sum_statuses(counted: pl.DataFrame) -> dict[str, int]:
    """Rows per status, `ok` first, the others by name."""
    counts = dict(counted.group_by("status").agg(pl.col("rows_count").sum()).iter_rows())
    return dict(sorted(counts.items(), key=lambda item: (item[0] != ALIVE, item[0])))


def sum_reasons(counted: pl.DataFrame, most: int = 12) -> dict[str, dict[str, int]]:
    """Rows by status and reason, without `ok`; per status at most `most` reasons and the rest as `other reasons`."""
    summed: dict[str, dict[str, int]] = {}
    table = counted.filter(pl.col("reason").is_not_null())
    for row in table.sort("status", "rows_count", "reason", descending=[False, True, False]).iter_rows(named=True):
        reasons = summed.setdefault(row["status"], {})
        key = row["reason"] if len(reasons) < most else "other reasons"
        reasons[key] = reasons.get(key, 0) + row["rows_count"]
    return summed


def input_digest(run: Run, table: Table, shard: str) -> str:
    """What a stage's input was: the sha256 of the table before it."""
    receipt = run.store.receipt(table.name, shard)
    if receipt is None:
        raise BadInput(f"{run.store.path(table, shard)} was not finished; run `relaionet curate` again.")
    return receipt.sha256


def input_digests(run: Run, *tables: Table) -> list[str]:
    """`input_digest` of every shard of every table."""
    return [input_digest(run, table, shard) for table in tables for shard in run.store.shards(table)]
