"""What Prefect runs: flows, with a server to report to wherever they are called, and a shard as one task.

Importing this imports Prefect, seconds that a command without a flow does without.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Flow, task
from prefect.cache_policies import NO_CACHE

from relaionet.flows.runs.environment import prepare_environment, server_address
from relaionet.flows.runs.prefect_server import reporting_server
from relaionet.flows.runs.reporter import Advance, Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.runners import check_seen, enter_worker, is_passing

P = ParamSpec("P")
R = TypeVar("R")


class ServedFlow(Flow[P, R]):
    """A Prefect flow that has a server to report to wherever it is called: the user's own, else a temporary one."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]
        """Run the flow, inside the flow that is running where there is one."""
        prepare_environment(verbose=True)  # how much Prefect says is for the caller to choose
        with ExitStack() as served:
            with Reporter().bar("starting", None) if server_address() is None else nullcontext():
                served.enter_context(reporting_server())
            return super().__call__(*args, **kwargs)


def served_flow(name: str) -> Callable[[Callable[P, R]], ServedFlow[P, R]]:
    """Make a module's function a flow, which is imported, called and deployed as `module:function`.

    Args:
        name: of the flow.
    """

    def decorate(work: Callable[P, R]) -> ServedFlow[P, R]:
        return ServedFlow(work, name=name)

    return decorate


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=[2, 10], retry_condition_fn=is_passing)
def run_shard(
    work: Callable[..., bool], root: Path, shard: str, arguments: tuple[Any, ...], advance: Advance | None,
    sender: str | None,
) -> bool:  # fmt: skip
    """One shard of one stage, as one Prefect task; True when it was made now.

    Args:
        work: see `stages.run_shards`.
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
