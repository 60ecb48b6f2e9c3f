"""What every stage of a flow goes through: one Prefect task per shard, counted.

What is done is left out by `run.Run.make`, which asks `Store.has_table`. Prefect is imported when a shard is worked on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from relaionet.flows.runs.environment import server_address
from relaionet.flows.runs.prefect_server import is_temporary
from relaionet.flows.runs.reporter import Advance, by_shard
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.runners import THREADS, asking_for, connected, make_runner
from relaionet.manifests.errors import Unavailable
from relaionet.manifests.escape import escape_markdown, message_of
from relaionet.manifests.tables import Table

ShardWork = Callable[..., bool]


@contextmanager
def working_on(run: Run, on: str, workers: int) -> Iterator[None]:
    """The shards of a run are worked on there while inside.

    Args:
        run: the run.
        on: `threads`, `ray` or `ray://host:port`.
        workers: shards at work at once; on a running cluster its CPUs decide.

    Raises:
        BadInput: `on` is unknown, Ray is not installed, or the cluster's workers could not report to Prefect.
        Unavailable: there is no cluster at the address.
    """
    runner = make_runner(on, workers)
    with connected(on), runner:
        run.local, run.runner = on == THREADS, runner
        try:
            yield
        finally:
            run.local, run.runner = True, None


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


def _submit(run: Run, table: Table, shard: str, **parameters: Any) -> Any:
    """The future of one shard, under the run's task runner, else under that of the flow that is running."""
    from relaionet.flows.runs.served import run_shard

    one = run_shard.with_options(name=f"{table.name} {shard}")
    if run.runner is None:
        return one.submit(shard=shard, **parameters)
    return run.runner.submit(one, {"shard": shard, **parameters})


def _run_here(
    run: Run, table: Table, work: ShardWork, shards: Sequence[str], arguments: tuple[Any, ...], advance: Advance
) -> list[bool]:
    from prefect.futures import wait

    futures = [
        _submit(run, table, shard, work=work, root=run.root, arguments=arguments, advance=advance, sender=None)
        for shard in shards
    ]
    wait(futures)
    return [future.result() for future in futures]


def _run_on_workers(
    run: Run, table: Table, work: ShardWork, shards: Sequence[str], arguments: tuple[Any, ...],
    advance: Callable[[], None], *, gpu: bool,
) -> list[bool]:  # fmt: skip
    """The same in other processes, whose rows the bar cannot see: it moves with every shard that is done."""
    from prefect.exceptions import CrashedRun

    with asking_for(gpu=gpu):
        root, sender = run.root.resolve(), str(Path.cwd())
        futures = [
            _submit(run, table, shard, work=work, root=root, arguments=arguments, advance=None, sender=sender)
            for shard in shards
        ]
    for future in futures:
        future.wait()
        advance()
    try:
        return [future.result() for future in futures]
    except CrashedRun as error:
        why = message_of(error, 300)
        raise Unavailable(f"{table.name}: a worker ended before its shard was done ({why}); run again.") from error


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
    create_table_artifact(
        table=table, key=f"relaionet-{flow_name}", description=escape_markdown(f"{flow_name} in {run.root}")
    )
