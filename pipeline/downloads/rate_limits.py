"""RateLimits towards hosts: how many requests at once, how far apart, pauses they ask for, and when to stop asking."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from relaionet.pipeline.downloads.web_rules import Failure, HostRests

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
# a pause this short is waited for in place; for a longer one the row is put off and others go ahead
PATIENCE_S = 1.0
HARMLESS_FAILURES = 2


@dataclass(frozen=True, kw_only=True)
class RateLimits:
    """How one host is treated.

    Attributes:
        requests_count: at once.
        interval_s: from the start of one request to the start of the next.
        failures_count: in a row, after which no more is asked.
        max_wait_s: waited for one host in all, before no more is asked.
    """

    requests_count: int = 6
    interval_s: float = 0.0
    failures_count: int = 10
    max_wait_s: float = 120.0


@dataclass(kw_only=True)
class _Host:
    change: threading.Condition = field(default_factory=threading.Condition)
    running: int = 0
    next_at: float = 0.0
    paused_until: float = 0.0
    waited_s: float = 0.0
    failures: int = 0
    given_up: Failure | None = None


class HostGate:
    """Lets requests through, host by host.

    Args:
        rate_limits: towards every host.
    """

    def __init__(self, rate_limits: RateLimits) -> None:
        self._rate_limits = rate_limits
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def _host(self, name: str) -> _Host:
        with self._lock:
            return self._hosts.setdefault(name, _Host())

    def enter(self, name: str) -> None:
        """Wait until the host may be asked; `leave` must follow.

        Raises:
            HostRests: it is given up, or has asked for a pause longer than a moment.
        """
        host = self._host(name)
        with host.change:
            while True:
                if host.given_up is not None:
                    raise HostRests(host.given_up.reason, host.given_up)
                now = time.monotonic()
                wait = max(host.paused_until, host.next_at) - now
                if host.paused_until - now > PATIENCE_S:
                    raise HostRests(f"{name} asked for a pause")
                if host.running >= self._rate_limits.requests_count:
                    host.change.wait()
                elif wait > 0:
                    host.change.wait(wait)
                else:
                    break
            host.running += 1
            host.next_at = now + self._rate_limits.interval_s

    def leave(self, name: str, failure: Failure | None, code: int = 0, retry_after_s: float | None = None) -> None:
        """Say how a request ended.

        Args:
            name: of the host.
            failure: None where bytes came.
            code: HTTP status; 0 where none came.
            retry_after_s: pause the host asked for.
        """
        host = self._host(name)
        with host.change:
            host.running -= 1
            if failure is None or not failure.may_come_back:
                host.failures = 0
            elif host.given_up is None:
                host.failures += 1
                self._pause(name, host, failure, code, retry_after_s)
            host.change.notify_all()

    def _pause(self, name: str, host: _Host, failure: Failure, code: int, retry_after_s: float | None) -> None:
        asked = retry_after_s is not None or code == 429
        over = 0 if asked else HARMLESS_FAILURES  # one bad page says little about a host
        pause = retry_after_s
        if pause is None:
            power = host.failures - over - 1
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**power) * _jitter(name, host.failures) if power >= 0 else 0
        now = time.monotonic()
        added = max(0.0, now + pause - max(now, host.paused_until))
        host.waited_s += added
        if host.waited_s > self._rate_limits.max_wait_s:
            host.given_up = _giving_up(
                failure, f"{name} asks for pauses of more than {self._rate_limits.max_wait_s:g} s"
            )
        elif host.failures >= self._rate_limits.failures_count:
            host.given_up = _giving_up(failure, f"{name} failed {host.failures} times in a row")
        host.paused_until = max(host.paused_until, now + pause)

    def rest_s(self, names: set[str]) -> float:
        """Seconds until the first of some hosts may be asked again."""
        now = time.monotonic()
        return max(0.0, min((self._host(name).paused_until - now for name in names), default=0.0))


def spread_hosts(hosts: Sequence[str]) -> list[int]:
    """An order in which the URLs of each host are spread evenly over the whole, so that few wait for one host's turn.

    Args:
        hosts: of each URL, in the order given.

    Returns:
        Indices into `hosts`, each once.
    """
    counts = Counter(hosts)
    seen: Counter[str] = Counter()
    places = []
    for index, host in enumerate(hosts):
        places.append(((seen[host] + 0.5) / counts[host], index))
        seen[host] += 1
    return [index for _, index in sorted(places)]


def _giving_up(failure: Failure, why: str) -> Failure:
    return Failure(status=failure.status, reason=f"not asked: {why}, last {failure.reason}", may_come_back=True)


def _jitter(name: str, count: int) -> float:
    """0.75 to 1.25, so that hosts behind one address are not all asked again at once; the same in every run."""
    return 0.75 + hashlib.sha256(f"{name}/{count}".encode()).digest()[0] / 510
