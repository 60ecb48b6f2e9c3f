"""What a person sees on the terminal while a flow runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from relaionet.flows.runs.console import shown
from relaionet.manifests.escape import show_text
from relaionet.manifests.urls import hide_secrets

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Advance = Callable[[int], None]


class Reporter:
    """Progress bars and one line per finished stage; quiet where the output is no terminal.

    Args:
        console: rich console; a new one on standard error where None.
    """

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console

        self.console = console or Console(stderr=True, highlight=False)
        self._progress: Progress | None = None

    def say(self, *lines: str, reveal: bool = False) -> None:
        """Print lines, each of which stays one, whoever's words are in it.

        Args:
            *lines: texts; one that begins with a line feed has an empty line before it.
            reveal: a URL in them is printed with its secret, as that is what was asked for.
        """
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
        """Show a progress bar; the function it gives moves it on by n rows."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        with Progress(
            TextColumn("  {task.description:<12}", markup=False),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
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
        spent = "already done" if done else f"{seconds:.1f} s"
        self.say(f"  {stage:<12}{rows_in:>7,} = {parts}  ({spent})")


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
