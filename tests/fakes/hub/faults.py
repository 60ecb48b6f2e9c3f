"""What can go wrong between the Hub and a client, by switch."""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import dataclass
from typing import Literal

Kind = Literal["status", "slow", "cut", "flip"]


@dataclass(kw_only=True)
class Fault:
    """One switch.

    Attributes:
        pattern: of "METHOD /path", as in fnmatch: `GET */resolve/*/model.safetensors`.
        kind: "status" answers with `status`; "slow" waits `seconds` first; "cut" breaks off half way through the body;
            "flip" changes one byte of the body.
        status: HTTP status for "status".
        seconds: wait for "slow".
        times: requests it hits; None is all.
    """

    pattern: str
    kind: Kind
    status: int = 503
    seconds: float = 0.2
    times: int | None = None


class Faults:
    """The switches that are on, asked by every request."""

    def __init__(self) -> None:
        self._on: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Switch one on."""
        with self._lock:
            self._on.append(fault)

    def clear(self) -> None:
        """Switch all off."""
        with self._lock:
            self._on.clear()

    def take(self, request: str) -> Fault | None:
        """The fault that hits this request, if any; counts it."""
        with self._lock:
            for fault in self._on:
                if fault.times != 0 and fnmatch.fnmatchcase(request, fault.pattern):
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None
