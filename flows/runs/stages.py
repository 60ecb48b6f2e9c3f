"""How a stage is run: only where its receipt is missing or out of date, one Prefect task per shard, counted.

What is done is left out by `run.Run.make`, which asks `Store.has_table`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Flow, task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import CrashedRun
from prefect.futures import wait

from relaionet.flows.runs.environment import prepare_environment, server_address
from relaionet.flows.runs.prefect_server import is_temporary, reporting_server
from relaionet.flows.runs.reporter import Advance, by_shard
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.runners import (
    THREADS,
    asking_for,
    check_seen,
    connected,
    enter_worker,
    is_passing,
    make_runner,
)
from relaionet.manifests.errors import Unavailable
from relaionet.manifests.escape import escape_markdown
from relaionet.manifests.tables import Table

ShardWork = Callable[..., bool]
P = ParamSpec("P")
R = TypeVar("R")


class ServedFlow(Flow[P, R]):
    """A Prefect flow that has a server to report to wherever it is called: the user's own, else a temporary one."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]
        """Run the flow, inside the flow that is running where there is one."""
        prepare_environment(verbose=True)  # how much Prefect says is for the caller to choose
        with reporting_server():
            return super().__call__(*args, **kwargs)


def served_flow(name: str) -> Callable[[Callable[P, R]], ServedFlow[P, R]]:
    """Make a module's function a flow, which is imported, called and deployed as `module:function`.

    Args:
        name: of the flow.
    """

    def decorate(work: Callable[P, R]) -> ServedFlow[P, R]:
        return ServedFlow(work, name=name)

    return decorate


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


def _submit(run: Run, table: Table, shard: str, **parameters: Any) -> Any:
    """The future of one shard, under the run's task runner, else under that of the flow that is running."""
    one = run_shard.with_options(name=f"{table.name} {shard}")
    if run.runner is None:
        return one.submit(shard=shard, **parameters)
    return run.runner.submit(one, {"shard": shard, **parameters})


def _run_here(
    run: Run, table: Table, work: ShardWork, shards: Sequence[str], arguments: tuple[Any, ...], advance: Advance
) -> list[bool]:
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
        why = " ".join(str(error).split())[:300]
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
