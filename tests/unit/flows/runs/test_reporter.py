"""Nothing that takes long is silent: a bar on a terminal, a line every half minute in a log."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from relaionet.flows.runs import reporter as reporters
from relaionet.flows.runs.reporter import Reporter
from tests.waiting import WATCHDOG_S


def wait_for(said: io.StringIO, text: str) -> None:
    deadline = time.monotonic() + WATCHDOG_S
    while text not in said.getvalue():
        assert time.monotonic() < deadline, f"'{text}' was never said; only: {said.getvalue()}"
        time.sleep(0.01)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> tuple[Reporter, io.StringIO]:
    monkeypatch.setattr(reporters, "QUIET_S", 0.02)
    said = io.StringIO()
    return Reporter(Console(file=said, width=120)), said


def test_a_log_says_how_far_it_is_and_nothing_more_once_it_has_ended(log: tuple[Reporter, io.StringIO]) -> None:
    reporter, said = log
    with reporter.bar("answers", 2000) as advance:
        wait_for(said, "  answers     … 0 of 2,000, ")
        advance(1234)
        wait_for(said, "  answers     … 1,234 of 2,000, ")
    ended = said.getvalue()
    time.sleep(0.1)
    assert said.getvalue() == ended
    assert reporter.said == []  # it is no result


def test_what_has_no_number_of_rows_is_said_to_go_on(log: tuple[Reporter, io.StringIO]) -> None:
    reporter, said = log
    with reporter.bar("installing", None):
        wait_for(said, "  installing  … ")
    assert " of " not in said.getvalue()


def test_what_is_short_says_nothing(log: tuple[Reporter, io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporters, "QUIET_S", WATCHDOG_S)
    reporter, said = log
    with reporter.bar("candidates", 10) as advance:
        advance(10)
    assert said.getvalue() == ""


def test_it_ends_when_the_work_fails(log: tuple[Reporter, io.StringIO]) -> None:
    reporter, said = log

    def work() -> None:
        with reporter.bar("answers", 10):
            wait_for(said, "answers")
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        work()
    ended = said.getvalue()
    time.sleep(0.1)
    assert said.getvalue() == ended


def test_a_stage_line_has_its_time_or_says_it_was_done() -> None:
    said = io.StringIO()
    reporter = Reporter(Console(file=said, width=120))
    reporter.counts("chosen", 1089, {"ok": 1000, "over_budget": 89}, 0.004, done=False)
    reporter.counts("chosen", 1089, {"ok": 1089}, 4.67, done=True)
    assert said.getvalue().splitlines() == [
        "  chosen        1,089 = 1,000 ok + 89 over_budget  (under 0.01 s)",
        "  chosen        1,089 = 1,089 ok  (already done)",
    ]
