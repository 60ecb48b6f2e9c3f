"""The table of all attempts for docs/reference/security.md."""

from __future__ import annotations

from itertools import groupby

from tests.attempts.attempt import Attempt, Outcome
from tests.attempts.collected import attempt_modules, attempts_of
from tests.attempts.trial import CPU_S, PEAK_BYTES, try_module

HEADS = ("tried", "input", "what must happen", "what happened")
SHOWN_CHARS = 90


def render_attempts() -> str:
    """Try everything and write it down: how much of each kind, and what became of each."""
    tried = [pair for module in attempt_modules() for pair in zip(attempts_of(module), try_module(module), strict=True)]
    tried.sort(key=lambda pair: pair[0].kind)
    ways_in = sum(outcome.way_in for _, outcome in tried)
    limits = f"{PEAK_BYTES >> 30} GiB of memory and {CPU_S:g} s of a processor"
    lines = [f"{len(tried)} inputs tried, {ways_in} ways in, each within {limits}."]
    for kind, members in groupby(tried, key=lambda pair: pair[0].kind):
        rows = [row_of(attempt, outcome) for attempt, outcome in members]
        lines += ["", f"### {kind}: {len(rows)}", "", row(HEADS), "|" + "---|" * len(HEADS), *rows]
    return "\n".join(lines)


def row_of(attempt: Attempt, outcome: Outcome) -> str:
    """An attempt's line."""
    happened = f"WAY IN: {outcome.happened}" if outcome.way_in else outcome.happened
    return row((cell(attempt.name), code(attempt.input_shown), cell(attempt.expected), cell(happened)))


def row(cells: tuple[str, ...]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def visible(text: str) -> str:
    """Text in one line, at most `SHOWN_CHARS` characters, whatever does not show written as Python writes it."""
    cut = text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
    return "".join(one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode() for one in cut)


def cell(text: str) -> str:
    """Text that is nothing but text in a cell."""
    return "".join(f"&#{ord(one)};" if one in "<>&`|*_[]\\~" else one for one in " ".join(visible_all(text).split()))


def visible_all(text: str) -> str:
    """As `visible`, but never cut."""
    return "".join(visible(one) for one in text)


def code(text: str) -> str:
    """Text as code in a cell."""
    shown = visible(text).replace("|", "\\|") or " "
    ticks = "`"
    while ticks in shown:
        ticks += "`"
    pad = " " if "`" in shown else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"
