"""`make test` says how far it is, also where its output goes into a file: a line every half minute and at its end, and
one for each failure when it comes."""

from __future__ import annotations

import time

import pytest

EVERY_S = 30.0


class Progress:
    """Counts tests as they end; a plugin of pytest for the process that reports.

    Args:
        config: of the run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._started = self._said = time.monotonic()
        self._ended = self._failed = self._total = 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """How many there are, where this process runs them itself."""
        self._total = len(items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """How many there are, where other processes run them."""
        self._total = len(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One more is done."""
        self._failed += report.failed
        if report.failed:
            self._say(f"failed: {report.nodeid} ({report.when})")
        if report.when != "teardown":
            return
        self._ended += 1
        now = time.monotonic()
        if now - self._said >= EVERY_S or self._ended == self._total:
            self._said = now
            self._say(f"{self.line(now)}, last {report.nodeid}")

    def line(self, now: float) -> str:
        """How far it is.

        Args:
            now: of `time.monotonic`.
        """
        share = f"{self._ended * 100 // self._total:>3} %" if self._total else "  ? %"
        failed = f", {self._failed} failed" if self._failed else ""
        minutes, seconds = divmod(int(now - self._started), 60)
        return f"{share}  {self._ended:,} of {self._total:,} tests{failed}, {minutes}:{seconds:02d} min"

    def _say(self, text: str) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.write_line(f"\n{text}")  # after the dots
            terminal.flush()
