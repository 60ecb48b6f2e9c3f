"""The temporary Prefect server of a command, where the user has none of their own.

Prefect can start one itself, but in the command's own process group: Ctrl-C in a terminal then ends the server first,
and the command waits for it for ever. It also puts site-packages first on the server's path, where the `dataclasses`
backport that img2dataset asks for hides the standard library's module. So the server is started here: in a session of
its own, with the path as it is, and gone when the command is gone, however that came about.

    python -m relaionet.flows.runs.prefect_server PORT
"""

from __future__ import annotations

import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from relaionet.flows.runs.environment import server_address
from relaionet.manifests.errors import Unavailable
from relaionet.pipeline.addresses.proxies import spare_loopback
from relaionet.pipeline.child_process import ChildProcess, end_with_parent, environment_with, read_log, start_child

HOST = "127.0.0.1"
START_S = 900.0  # its end is noticed; this is for one that hangs
POLL_S = 0.1
STOP_S = 5.0


_temporary: list[str] = []


def is_temporary() -> bool:
    """True while the flows of this process report to a temporary server, which shows nobody anything."""
    return bool(_temporary)


@contextmanager
def reporting_server() -> Iterator[None]:
    """A Prefect server for the flows run inside: the user's own, the one that runs already, or a temporary one.

    Raises:
        Unavailable: the temporary server did not start; the message ends with what it said.
    """
    if server_address() is not None:
        yield
        return
    spare_loopback()  # Prefect's client, and what it starts, would ask a proxy of the environment for the server
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

    port = _free_port()
    address = f"http://{HOST}:{port}/api"
    said = tempfile.TemporaryFile()  # noqa: SIM115  a pipe nobody reads would stop the server when full
    settings = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    child = start_child(
        [sys.executable, "-m", "relaionet.flows.runs.prefect_server", str(port)], errors=said,
        environment=environment_with(settings), own_group=True,
    )  # fmt: skip
    try:
        _wait_ready(child, address, said)
        # what is logged is sent by and by, also when the server is gone: a program would wait for that at its end
        with temporary_settings(updates={PREFECT_API_URL: address, PREFECT_LOGGING_TO_API_ENABLED: False}):
            _temporary.append(address)
            try:
                yield
            finally:
                _temporary.remove(address)
                _send_events()
    finally:
        child.stop(wait_s=STOP_S)
        said.close()


def _send_events() -> None:
    """Let Prefect send its events while the server is there: a program would try that for minutes at its end."""
    from prefect.events.worker import EventsWorker

    EventsWorker.drain_all(timeout=STOP_S, at_exit=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_ready(child: ChildProcess, address: str, said: IO[bytes]) -> None:
    # a proxy of the environment must not stand between this machine and itself
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if not child.is_running():
            lines = read_log(said).strip().splitlines()
            raise Unavailable(
                "Prefect's temporary server did not start; `relaionet doctor` looks for the usual causes. It said: "
                + (lines[-1] if lines else f"nothing, and ended with {child.code}")
            )
        try:
            with opener.open(f"{address}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_S)
    raise Unavailable(f"Prefect's temporary server was not ready after {START_S:.0f} s; is the machine very busy?")


def main(port: int) -> None:
    """Serve Prefect's API until asked to end."""
    end_with_parent(0)
    import uvicorn

    uvicorn.run(
        "prefect.server.api.server:create_app", factory=True, host=HOST, port=port, log_level="critical", lifespan="on"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
