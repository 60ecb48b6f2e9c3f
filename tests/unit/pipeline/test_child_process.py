"""Processes are started in one place, and end when they should."""

import ast
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from relaionet.pipeline.child_process import environment_with, read_log, run_to_end, start_child
from tests.unit.test_rooms import ROOMS, ROOT
from tests.waiting import wait_until

# one question to git, which ends by itself; and a script for other environments, which knows nothing of ours
OTHERS = {"flows/runs/run_record.py"}
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL)
print(inner.pid, flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_no_other_module_starts_processes() -> None:
    found = set()
    for file in (file for room in ROOMS for file in (ROOT / room).rglob("*.py")):
        nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        if "subprocess" in names:
            found.add(file.relative_to(ROOT).as_posix())
    assert found == {"pipeline/child_process.py", *OTHERS}


def test_a_child_that_does_not_listen_is_made_to_end_with_all_it_started() -> None:
    child = start_child([sys.executable, "-c", STUBBORN], output="read", errors="dropped", own_group=True)
    assert child.reader is not None
    inner = int(child.reader.readline())
    started = time.monotonic()
    assert child.stop(wait_s=0.3, group=True) == -signal.SIGKILL
    assert time.monotonic() - started >= 0.3
    wait_until(lambda: not is_alive(inner))


@pytest.mark.parametrize(("ask", "code"), [("signal", -signal.SIGTERM), ("close", 0), ("never", -signal.SIGKILL)])
def test_a_child_is_asked_to_end_in_the_way_it_understands(ask, code) -> None:
    child = start_child([sys.executable, "-c", "import sys; sys.stdin.read()"], errors="inherited")
    assert child.is_running()
    assert child.code is None
    assert child.stop(ask=ask, wait_s=20) == code
    assert not child.is_running()
    assert child.stop() == code  # a second time changes nothing


def test_waiting_says_whether_it_ended(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    code = "import os, sys; os.write(1, b'out \\xff'); os.write(2, b' err'); sys.stdin.read(); sys.exit(7)"
    with log.open("wb") as said:
        child = start_child([sys.executable, "-c", code], output=said, errors="output", folder=tmp_path)
        assert child.wait(0.05) is None
        child.close_pipes()
        assert child.wait(20) == 7
    assert read_log(log) == "out � err"
    assert read_log(tmp_path / "missing") == ""


def test_a_child_with_nothing_to_read_gets_an_end_at_once() -> None:
    child = start_child(
        [sys.executable, "-c", "import sys; sys.exit(len(sys.stdin.read()))"], held=False, errors="dropped"
    )
    assert child.writer is None
    assert child.wait(20) == 0


def test_the_environment_loses_what_is_named(monkeypatch) -> None:
    monkeypatch.setenv("A_SECRET", "1")
    assert "A_SECRET" not in environment_with({"OTHER": "2"}, dropped=["A_SECRET"])
    done = run_to_end([sys.executable, "-c", "import os; print(os.environ['OTHER'])"], environment_with({"OTHER": "2"}))
    assert (done.code, done.output.strip(), done.errors) == (0, "2", "")
