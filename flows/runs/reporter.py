"""What a person sees on the terminal while a flow runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from relaionet.flows.runs.console import shown
from relaionet.manifests.escape import show_text
from relaionet.manifests.urls import hide_secrets
from relaionet.manifests.words import say_seconds

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Advance = Callable[[int], None]
QUIET_S = 30.0
"""How long nothing may be said of something that goes on."""


class Reporter:
    """Progress bars and one line per finished stage; quiet where the output is no terminal.

    Args:
        console: rich console; a new one on standard error where None.

    Attributes:
        said: the lines said so far, without headlines and what reveals a secret.
    """

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console

        self.console = console or Console(stderr=True, highlight=False)
        self.said: list[str] = []
        self._progress: Progress | None = None

    def say(self, *lines: str, reveal: bool = False) -> None:
        """Print lines, each of which stays one, whoever's words are in it.

        Args:
            *lines: texts; one that begins with a line feed has an empty line before it.
            reveal: a URL in them is printed with its secret, as that is what was asked for.
        """
        self.said += [] if reveal else [hide_secrets(line) for line in lines]
        for line in lines:
            self._print(line.removeprefix("\n"), reveal=reveal, empty_before=line.startswith("\n"))

    def headline(self, text: str) -> None:
        """Print a line that starts a new part of the story."""
        self._print(text, style="bold", empty_before=True, soft_wrap=False)

    def _print(
        self, line: str, *, style: str | None = None, reveal: bool = False, empty_before: bool = False,
        soft_wrap: bool = True,
    ) -> None:  # fmt: skip
        text = show_text(line if reveal else hide_secrets(line))
        self.console.print(
            "\n" * empty_before + text, style=style, markup=False, emoji=False, soft_wrap=soft_wrap
        )  # fmt: skip

    @contextmanager
    def bar(self, text: str, total: int | None) -> Iterator[Advance]:
        """Show a progress bar, or where there is no terminal a line every half minute.

        Args:
            text: what goes on.
            total: rows there are; None where that is not known.

        Returns:
            Moves it on by n rows.
        """
        if self.console.is_terminal:
            with self._drawn(text, total) as advance:
                yield advance
            return
        with going_on(text, total, self._print) as advance:
            yield advance

    @contextmanager
    def _drawn(self, text: str, total: int | None) -> Iterator[Advance]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        with Progress(
            TextColumn("  {task.description:<12}", markup=False),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        ) as progress:
            task = progress.add_task(shown(text), total=total, rate="")

            def advance(count: int) -> None:
                progress.advance(task, count)
                speed = progress.tasks[task].speed
                progress.update(task, rate=f"{speed:,.0f}/s" if speed else "")

            yield advance

    def counts(self, stage: str, rows_in: int, statuses: Mapping[str, int], seconds: float, *, done: bool) -> None:
        """Print a stage's line: rows in = sum over statuses."""
        parts = " + ".join(f"{count:,} {status}" for status, count in statuses.items()) or "0 rows"
        spent = "already done" if done else say_seconds(seconds)
        self.say(f"  {stage:<12}{rows_in:>7,} = {parts}  ({spent})")


@contextmanager
def going_on(text: str, total: int | None, tell: Callable[[str], None]) -> Iterator[Advance]:
    """Say every half minute that something goes on, how far it is and for how long it has: a log draws no bar.

    Args:
        text: what goes on.
        total: rows there are; None where that is not known.
        tell: prints a line.

    Returns:
        Moves it on by n rows.
    """
    done, ended, started = 0, threading.Event(), time.monotonic()

    def advance(count: int) -> None:
        nonlocal done
        done += count

    def beat() -> None:
        while not ended.wait(QUIET_S):
            reached = f"{done:,} of {total:,}, " if total else ""
            tell(f"  {text:<12}… {reached}{say_seconds(time.monotonic() - started)}")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield advance
    finally:
        ended.set()
        thread.join()


def by_shard(advance: Advance, rows_count: int, shards_count: int) -> Callable[[], None]:
    """Moves a bar over rows by one shard's share, where the rows themselves are counted in another process."""
    ends = iter([rows_count * (number + 1) // shards_count for number in range(shards_count)])
    done = 0

    def move() -> None:
        nonlocal done
        end = next(ends)
        advance(end - done)
        done = end

    return move
