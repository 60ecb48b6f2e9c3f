"""Where a flow's shards are worked on: threads of this process, or the workers of a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from relaionet.flows.runs.environment import has_module, prepare_environment, server_address
from relaionet.manifests.errors import BadInput, Unavailable, nearest_name
from relaionet.manifests.escape import message_of

if TYPE_CHECKING:
    from prefect.client.schemas.objects import TaskRun
    from prefect.states import State

THREADS, RAY, RAY_CLIENT = "threads", "ray", "ray://"
HERE = frozenset({"localhost", "127.0.0.1", "::1"})
# tables of one shard pass through files, never through Ray's store, which would take a third of the memory
OBJECT_STORE_BYTES = 80 * 2**20
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
CONNECTION_TRIES = 3


def make_runner(on: str, workers: int) -> Any:
    """Prefect's task runner for a flow.

    Args:
        on: `threads` (of this process); `ray`, a Ray cluster of this machine alone, gone when the flow ends, or the one
            that RAY_ADDRESS names; `ray://host:port`, a running cluster's client server.
        workers: shards at work at once; on a running cluster its CPUs decide.

    Raises:
        BadInput: `on` is unknown, Ray is not installed, or the cluster's workers could not report to Prefect.
    """
    if on == THREADS:
        from prefect.task_runners import ThreadPoolTaskRunner

        return ThreadPoolTaskRunner(max_workers=workers)
    check_runner(on)
    from prefect_ray import RayTaskRunner

    if on.startswith(RAY_CLIENT):
        return RayTaskRunner(address=on, init_kwargs=QUIET)  # finds the connection of `connected`
    if os.environ.get("RAY_ADDRESS"):
        return RayTaskRunner(init_kwargs=QUIET)
    own = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    return RayTaskRunner(init_kwargs={**QUIET, **own, "_node_ip_address": "127.0.0.1"})


def check_runner(on: str) -> None:
    """Find what is wrong before anything is started.

    Args:
        on: as for `make_runner`.

    Raises:
        BadInput: it is unknown, Ray is not installed, or the cluster's workers could not report to Prefect.
    """
    if on == THREADS:
        return
    if on != RAY and not on.startswith(RAY_CLIENT):
        raise BadInput(f"--on {on}: expected threads, ray or ray://host:port.{nearest_name(on, [THREADS, RAY])}")
    if not (has_module("ray") and has_module("prefect_ray")):
        raise BadInput(f"--on {on} needs Ray: pip install 'relaionet[ray]'.")
    if not on.startswith(RAY_CLIENT):
        return
    address = urlsplit(on)
    try:
        port = address.port
    except ValueError:
        port = None
    if not address.hostname or port is None:
        raise BadInput(f"--on {on}: expected ray://host:port; Ray's client server listens on 10001 unless told else.")
    if address.hostname not in HERE and server_address() is None:
        raise BadInput(
            f"--on {on}: the workers there report to Prefect, and a temporary server on this machine is out of their "
            "reach. Start one (`prefect server start --host 0.0.0.0`) and set PREFECT_API_URL to its address."
        )


@contextmanager
def connected(on: str) -> Iterator[None]:
    """A running cluster is connected to while this lasts; what keeps it from that is said in words.

    Raises:
        Unavailable: there is no cluster at the address, or it takes no further client.
    """
    try:
        with client(on):
            yield
    except ConnectionError as error:
        if on.startswith(RAY):
            why = message_of(error)
            raise Unavailable(
                f"no Ray cluster answers at {on} ({why}). Start one with `ray start --head`; if it asks for a token, "
                "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, or put the token where `ray get-auth-token` does."
            ) from error
        raise


@contextmanager
def client(on: str) -> Iterator[None]:
    """A running cluster's client while this lasts; elsewhere nothing.

    Such a cluster starts a process for each client, and when it is busy that fails at times: it is asked again.

    Args:
        on: as for `make_runner`.

    Raises:
        ConnectionError: nobody answers there.
        Unavailable: it answers, and none of the tries got a process.
    """
    if not on.startswith(RAY_CLIENT):
        yield
        return
    import ray

    if ray.is_initialized():  # by whoever called us: the connection is theirs, before and after
        yield
        return
    for left in reversed(range(CONNECTION_TRIES)):
        try:
            ray.init(on, **QUIET)
            break
        except ConnectionAbortedError as error:
            ray.shutdown()  # what is left of the try
            if not left:
                # Ray's message ends with the error of its own process, below that process's traceback
                raise Unavailable(
                    f"the Ray cluster at {on} answers, but started no process for this client in {CONNECTION_TRIES} "
                    f"tries: {str(error).strip().splitlines()[-1]} It may be short of memory or processors; "
                    "the head node's /tmp/ray/session_latest/logs say more."
                ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def asking_for(*, gpu: bool) -> Iterator[None]:
    """Tasks submitted inside ask Ray for a GPU each, where the cluster has any."""
    import ray
    from prefect_ray.context import remote_options

    if gpu and ray.cluster_resources().get("GPU", 0) >= 1:
        with remote_options(num_gpus=1):
            yield
    else:
        yield


class StaysHere:
    """Something that is not sent along with a task: Prefect sends the whole flow with each, and what it refers to."""

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def __reduce__(self) -> tuple[type[StaysHere], tuple[()]]:
        return StaysHere, ()


def enter_worker(folder: str) -> None:
    """Make a worker's process like the one that sent the task.

    Args:
        folder: the sender's working folder, to which paths in a recipe are relative.
    """
    prepare_environment()
    if Path(folder).is_dir():
        os.chdir(folder)


def check_seen(root: Path) -> None:
    """A run's folder must be the same for all workers.

    Raises:
        BadInput: this machine has no such folder.
    """
    if not root.is_dir():
        raise BadInput(
            f"worker {os.uname().nodename} has no folder {root}; put the run where every machine of the cluster sees "
            "it under the same path."
        )


def is_passing(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    """True for errors that a retry may cure."""
    try:
        state.result()
    except Unavailable:
        return True
    except Exception:  # noqa: BLE001  whatever else the task raised is not cured by trying again
        return False
    return False
