"""How a stage is run: only where its receipt is missing or out of date, one Prefect task per shard, counted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import CrashedRun
from prefect.futures import wait

from relaionet.flows.console import Advance, Reporter, by_shard
from relaionet.flows.environment import server_address
from relaionet.flows.prefect_server import is_temporary, reporting_server
from relaionet.flows.task_runners import StaysHere, asking_for, check_seen, enter_worker, is_passing
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.store import Store
from relaionet.manifests.tables import ALIVE, CANDIDATES, PASSED_OVER, Table

ShardWork = Callable[..., bool]
T = TypeVar("T")


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
    """

    root: Path
    reporter: Reporter = field(default_factory=Reporter)
    counts: list[StageCount] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    local: bool = True

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
        if self.store.is_done(table.name, digest, shard) and self.store.path(table, shard).exists():
            return False
        started = time.perf_counter()
        self.store.write(make(), table, digest, shard=shard, seconds=time.perf_counter() - started)
        self.made.add(table.name)
        return True

    def count(self, table: Table, stage: str | None = None) -> StageCount:
        """Count a finished stage, remember it and print its line."""
        counted = count_rows(self.store, table)
        seconds = sum(receipt.seconds for receipt in self.store.receipts(table))
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


def as_flow(name: str, work: Callable[[], T], *, task_runner: Any = None, **shown: str) -> T:
    """Run `work` as a Prefect flow, inside the flow that is running where there is one.

    Prefect sends a flow's parameters to its server and stores them, so they must be plain and small: never a key, a
    client or a model. That is why `work` takes none.

    Args:
        name: of the flow.
        work: what to do.
        task_runner: where its tasks run; Prefect's threads where None.
        **shown: what the Prefect server shows of the run.
    """
    here = StaysHere(work)

    @flow(name=name, task_runner=task_runner, validate_parameters=False)
    def body(**shown: str) -> T:
        return cast("T", here.value())

    with reporting_server():
        return body(**shown)


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=[2, 10], retry_condition_fn=is_passing)
def run_shard(
    work: ShardWork, root: Path, shard: str, arguments: tuple[Any, ...], advance: Advance | None, sender: str | None
) -> bool:
    """One shard of one stage, as one Prefect task; True when it was made now.

    Args:
        work: see `run_shards`.
        root: folder of the run.
        shard: its name.
        arguments: passed on.
        advance: moves the progress bar; None in another process.
        sender: working folder of the process that sent the task; None in that process itself.
    """
    if sender is not None:
        enter_worker(sender)
        check_seen(root)
    return work(Run(root=root), shard, *arguments, advance or (lambda _count: None))


def run_shards(
    run: Run, table: Table, work: ShardWork, shards: Sequence[str], rows_count: int, *arguments: Any, gpu: bool = False,
    is_counted: bool = True,
) -> None:  # fmt: skip
    """Run `work` on every shard under the flow's task runner, then count the table.

    Args:
        run: the run.
        table: what the stage makes.
        work: `work(run, shard, *arguments, advance) -> made`; a module's function, so that it can travel to a worker.
        shards: names of the shards.
        rows_count: rows of all shards together, for the progress bar.
        *arguments: passed on; must be picklable.
        gpu: a worker of a cluster needs a GPU for it, where the cluster has any.
        is_counted: the table is a stage of the summary; else it is a part of one.

    Raises:
        Whatever the first failing shard raised, after the others have ended.
    """
    with run.reporter.bar(table.name, rows_count) as advance:
        results = (
            _run_here(run, table, work, shards, arguments, advance)
            if run.local
            else _run_on_workers(
                run, table, work, shards, arguments, by_shard(advance, rows_count, len(shards)), gpu=gpu
            )
        )
        if any(results):
            run.made.add(table.name)
    if is_counted:
        run.count(table)


def _run_here(
    run: Run, table: Table, work: ShardWork, shards: Sequence[str], arguments: tuple[Any, ...], advance: Advance
) -> list[bool]:
    futures = [
        run_shard.with_options(name=f"{table.name} {shard}").submit(work, run.root, shard, arguments, advance, None)
        for shard in shards
    ]
    wait(futures)
    return [future.result() for future in futures]


def _run_on_workers(
    run: Run, table: Table, work: ShardWork, shards: Sequence[str], arguments: tuple[Any, ...],
    advance: Callable[[], None], *, gpu: bool,
) -> list[bool]:  # fmt: skip
    """The same in other processes, whose rows the bar cannot see: it moves with every shard that is done."""
    with asking_for(gpu=gpu):
        futures = [
            run_shard.with_options(name=f"{table.name} {shard}").submit(
                work, run.root.resolve(), shard, arguments, None, str(Path.cwd())
            )
            for shard in shards
        ]
    for future in futures:
        future.wait()
        advance()
    try:
        return [future.result() for future in futures]
    except CrashedRun as error:
        why = " ".join(str(error).split())[:300]
        raise Unavailable(f"{table.name}: a worker ended before its shard was done ({why}); run again.") from error


def input_digest(run: Run, table: Table, shard: str) -> str:
    """What a stage's input was: the sha256 of the table before it."""
    receipt = run.store.receipt(table.name, shard)
    if receipt is None:
        raise BadInput(f"{run.store.path(table, shard)} was not finished; run `relaionet curate` again.")
    return receipt.sha256


def input_digests(run: Run, *tables: Table) -> list[str]:
    """`input_digest` of every shard of every table."""
    return [input_digest(run, table, shard) for table in tables for shard in run.store.shards(table)]


def share_cores(workers: int) -> None:
    """Give each of `workers` shards at work at once its share of the cores, so that they do not fight over them."""
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))


def publish_counts(run: Run, flow_name: str) -> None:
    """Show the counts as an artifact, where the flow reports to a Prefect server of the user's own."""
    if server_address() is None or is_temporary():
        return
    from prefect.artifacts import create_table_artifact

    table = [
        {"stage": count.stage, "rows in": count.rows_in, **count.statuses, "seconds": count.seconds}
        for count in run.counts
    ]
    create_table_artifact(table=table, key=f"relaionet-{flow_name}", description=f"{flow_name} in {run.root}")
