"""A flow with a temporary Prefect server, in an environment with a proxy that answers nobody."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.waiting import run_to_end

PROGRAM = """
import os, sys
from relaionet.flows.runs.environment import prepare_environment
if sys.argv[1] == "prepared":
    prepare_environment(verbose=True)
from relaionet.flows.runs.prefect_server import reporting_server
with reporting_server():
    from prefect import flow, task
    twice = task(lambda number: 2 * number, name="twice")
    made = flow(lambda: sum(one.result() for one in twice.map([1, 2])), name="made")
    print("sum", made())
    from prefect.client.orchestration import get_client
    with get_client(sync_client=True) as client:
        print("runs", len(client.read_flow_runs()))
print("spared", os.environ.get("NO_PROXY"))
"""


@contextmanager
def deaf_proxy() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that writes down what it is asked and answers nothing useful."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://me:hush@127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "more", "how"),
    [
        (("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), {}, "alone"),
        (("http_proxy", "https_proxy", "all_proxy"), {}, "prepared"),
        (("ALL_PROXY",), {"NO_PROXY": "example.org"}, "alone"),
        (("http_proxy", "HTTP_PROXY"), {"no_proxy": "example.org", "NO_PROXY": ""}, "prepared"),
    ],
    ids=["upper", "lower", "all with NO_PROXY", "both with no_proxy"],
)
def test_a_proxy_of_the_environment_is_not_asked_for_the_temporary_server(
    names: tuple[str, ...], more: dict[str, str], how: str, tmp_path: Path
) -> None:
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    kept.pop("PREFECT_API_URL", None)
    with deaf_proxy() as (proxy, asked):
        environment = kept | dict.fromkeys(names, proxy) | more | {"PREFECT_HOME": str(tmp_path)}
        done = run_to_end([sys.executable, "-c", PROGRAM, how], env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "sum 6\nruns 1\n" in done.stdout
    assert "127.0.0.1" in done.stdout.splitlines()[-1]
    assert [
        one for one in asked if b"127.0.0.1" in one.split(b"\r\n")[0] or b"localhost" in one.split(b"\r\n")[0]
    ] == []
    assert "hush" not in done.stdout + done.stderr
