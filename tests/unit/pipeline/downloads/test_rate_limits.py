from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaionet.pipeline.downloads.rate_limits import HostGate, RateLimits, spread_hosts
from relaionet.pipeline.downloads.web_rules import Failure, HostRests

BUSY = Failure(status="gone", reason="HTTP 503 Busy", may_come_back=True)
LOST = Failure(status="gone", reason="HTTP 404 Not Found")


def ask(gate: HostGate, failure: Failure | None, **told: object) -> None:
    gate.enter("a")
    gate.leave("a", failure, **told)  # type: ignore[arg-type]


def test_no_more_than_so_many_at_once_and_hosts_do_not_wait_for_each_other() -> None:
    gate = HostGate(RateLimits(requests_count=2))
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()
    lock = threading.Lock()

    def work(host: str) -> None:
        gate.enter(host)
        with lock:
            running[host] += 1
            most[host] = max(most[host], running[host])
        time.sleep(0.01)
        with lock:
            running[host] -= 1
        gate.leave(host, None)

    threads = [threading.Thread(target=work, args=(host,)) for host in "ab" * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == {"a": 2, "b": 2}


def test_requests_start_apart() -> None:
    gate = HostGate(RateLimits(interval_s=0.05))
    starts = []
    for _ in range(4):
        gate.enter("a")
        starts.append(time.monotonic())
        gate.leave("a", None)
    assert min(later - sooner for sooner, later in pairwise(starts)) >= 0.049


def test_a_pause_that_is_asked_for_puts_rows_off_and_ends() -> None:
    gate = HostGate(RateLimits())
    ask(gate, BUSY, code=429, retry_after_s=30.0)
    with pytest.raises(HostRests) as caught:
        gate.enter("a")
    assert caught.value.failure is None
    gate.enter("b")
    assert 10 < gate.rest_s({"a"}) <= 30
    assert gate.rest_s({"a", "b"}) == 0


def test_one_bad_page_is_no_pause_and_three_are() -> None:
    gate = HostGate(RateLimits())
    for _ in range(2):
        ask(gate, BUSY, code=503)
    assert gate.rest_s({"a"}) == 0
    ask(gate, BUSY, code=503)
    assert 0 < gate.rest_s({"a"}) <= 1.25


def test_a_host_that_answers_is_never_given_up() -> None:
    gate = HostGate(RateLimits(failures_count=3))
    for _ in range(5):
        ask(gate, BUSY, code=503)
        ask(gate, LOST, code=404)
    ask(gate, None)


def test_a_host_that_fails_in_a_row_is_given_up_with_its_last_reason() -> None:
    gate = HostGate(RateLimits(failures_count=2))
    for _ in range(2):
        ask(gate, BUSY, code=503)
    with pytest.raises(HostRests) as caught:
        gate.enter("a")
    assert caught.value.failure is not None
    assert caught.value.failure.reason == "not asked: a failed 2 times in a row, last HTTP 503 Busy"
    assert caught.value.failure.may_come_back


def test_a_host_that_asks_for_hours_is_given_up() -> None:
    gate = HostGate(RateLimits(max_wait_s=60))
    ask(gate, BUSY, code=429, retry_after_s=3600.0)
    with pytest.raises(HostRests) as caught:
        gate.enter("a")
    assert caught.value.failure is not None
    assert "pauses of more than 60 s" in caught.value.failure.reason


@given(st.lists(st.sampled_from("abcde"), max_size=60))
def test_hosts_are_spread_and_none_is_lost(hosts: list[str]) -> None:
    order = spread_hosts(hosts)
    assert sorted(order) == list(range(len(hosts)))
    spread = [hosts[index] for index in order]
    for half in (spread[: len(hosts) // 2], spread[len(hosts) // 2 :]):
        for host, count in Counter(hosts).items():
            assert abs(half.count(host) - count / 2) <= 1.5
