"""Waiting for processes: as long as they live, however slow the machine is; a watchdog of hours ends what hangs."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

WATCHDOG_S = 2 * 3600.0
T = TypeVar("T")


class Lives(Protocol):
    """A process, as subprocess has it."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""


def wait_until(
    ready: Callable[[], T], process: Lives | None = None, *, every_s: float = 0.05, about: Callable[[], str] = str
) -> T:
    """Wait until something is so; what waits for nothing but the processor has no other limit.

    Args:
        ready: true when it is.
        process: what it is done by; its end is the end of the waiting.
        every_s: seconds between two looks.
        about: says more where it does not come.

    Returns:
        What `ready` gave.
    """
    end = time.monotonic() + WATCHDOG_S
    while True:
        ended = process is not None and process.poll() is not None
        found = ready()  # looked at once more after its end
        if found:
            return found
        assert not ended, f"the process ended before that. {about()}"
        assert time.monotonic() < end, f"nothing for {WATCHDOG_S:g} s. {about()}"
        time.sleep(every_s)


def run_to_end(command: Sequence[object], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command and give back its exit code and what it printed.

    Args:
        command: program and arguments.
        options: further ones of `subprocess.run`.
    """
    settings: dict[str, Any] = {"capture_output": True, "text": True, "check": False, "timeout": WATCHDOG_S}
    return subprocess.run([str(part) for part in command], **(settings | options))


def children_s() -> float:
    """Seconds of processor time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
