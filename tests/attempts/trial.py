"""Try attempts in a process of their own, bounded in memory and processor time, and measure what each took."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path

from tests.attempts.attempt import Attempt, Outcome
from tests.attempts.collected import attempts_of

PEAK_BYTES = 1 << 30
CPU_S = 20.0
NET_BYTES = 6 << 30  # what the process may hold before the system says no; more than is allowed, less than the machine
STATUS = Path("/proc/self/status")


@cache
def try_module(module: str) -> tuple[Outcome, ...]:
    """Try all attempts of a module, in their order; one that ends the process is followed by a fresh process.

    Args:
        module: name of a module in this package.
    """
    attempts, outcomes = attempts_of(module), list[Outcome]()
    while len(outcomes) < len(attempts):
        before = len(outcomes)
        code = try_rest(module, outcomes)
        if len(outcomes) < len(attempts) and (code or len(outcomes) == before):
            last = attempts[len(outcomes)]
            outcomes.append(
                Outcome(
                    name=last.name, kind=last.kind, happened=f"the process ended with {code}", way_in=True, cpu_s=0,
                    peak_bytes=0,
                )
            )  # fmt: skip
    return tuple(outcomes)


def try_rest(module: str, outcomes: list[Outcome]) -> int:
    """Start a process that goes on after `outcomes`, and append what it reports; how it ended."""
    command = [sys.executable, "-m", "tests.attempts.trial", module, str(len(outcomes))]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as child,
    ):
        assert child.stdout is not None
        outcomes += [Outcome(**json.loads(line[len(MARK) :])) for line in child.stdout if line.startswith(MARK)]
    return child.returncode


MARK = "\x1eoutcome "


def try_from(module: str, start: int) -> Iterator[Outcome]:
    """Try a module's attempts in this process, which is bounded from now on.

    Args:
        module: name of a module in this package.
        start: number of the first.
    """
    for which, most in ((resource.RLIMIT_DATA, NET_BYTES), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(which, (most, most))
    for attempt in attempts_of(module)[start:]:
        yield try_one(attempt)


def try_one(attempt: Attempt) -> Outcome:
    """Try one, in a fresh folder; its process is ended by the system when it computes for too long."""
    reset_peak()
    before = processor_s()
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    with tempfile.TemporaryDirectory(prefix="relaionet-attempt-") as folder:
        try:
            happened, way_in = attempt.run(Path(folder)), False
        except Exception as error:  # noqa: BLE001  whatever it is, it was not expected
            happened, way_in = f"{type(error).__name__}: {error}", True
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    cpu_s, peak_bytes = processor_s() - before, peak()
    if not way_in and (cpu_s > CPU_S or peak_bytes > PEAK_BYTES):
        happened, way_in = f"{happened}, but took {cpu_s:.1f} s and {peak_bytes / 1e6:.0f} MB", True
    return Outcome(
        name=attempt.name, kind=attempt.kind, happened=happened, way_in=way_in, cpu_s=round(cpu_s, 2),
        peak_bytes=peak_bytes,
    )  # fmt: skip


def processor_s() -> float:
    """Seconds of processor time of this process and of those it started and waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def reset_peak() -> None:
    """Let the system count this process's peak of memory anew (Linux); elsewhere the peak is that of all attempts."""
    place = Path("/proc/self/clear_refs")
    if place.exists():
        place.write_text("5")


def peak() -> int:
    """Bytes this process held at most since `reset_peak`, or a process it ever waited for, whichever is more."""
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        own = int(line.split()[1]) * 1024
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)


if __name__ == "__main__":
    for each in try_from(sys.argv[1], int(sys.argv[2])):
        print(MARK + json.dumps(asdict(each)), flush=True)
