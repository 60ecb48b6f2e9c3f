"""The table of all attempts for docs/reference/security.md."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from tests.attempts.attempt import Attempt, Outcome
from tests.attempts.collected import attempt_modules, attempts_of
from tests.attempts.trial import CPU_S, PEAK_BYTES, try_module

SHOWN_CHARS = 90

Tried = tuple[Attempt, Outcome]


def render_attempts() -> str:
    """Try everything and write it down: how much of each kind, and what became of each."""
    tried = [pair for module in attempt_modules() for pair in zip(attempts_of(module), try_module(module), strict=True)]
    tried.sort(key=lambda pair: pair[0].kind)
    kinds = [(kind, list(members)) for kind, members in groupby(tried, key=lambda pair: pair[0].kind)]
    ways_in = sum(outcome.way_in for _, outcome in tried)
    limits = f"{PEAK_BYTES >> 30} GiB of memory and {CPU_S:g} s of a processor"
    lines = [
        f"{len(tried)} inputs of {len(kinds)} kinds were tried, {ways_in} are ways in; each stayed within {limits}.",
        "",
        "| kind | tried | ways in |", "|---|---:|---:|",
        *(row(cell(kind), f"{len(some)}", f"{sum(outcome.way_in for _, outcome in some)}") for kind, some in kinds),
    ]  # fmt: skip
    for kind, some in kinds:
        lines += ["", f"### {cell(kind)}", "", *table_of(some)]
    return "\n".join(lines)


def table_of(tried: Sequence[Tried]) -> list[str]:
    """The attempts of one kind; what is the same for all of them is said once, above."""
    musts, ends = ({text(pair) for pair in tried} for text in (must, end))
    said = [f"Must happen: {must(tried[0])}."] if len(musts) == 1 else []
    said += [f"Happened, every time: {end(tried[0])}."] if len(ends) == 1 else []
    columns = [("tried", lambda pair: cell(pair[0].name)), ("input", lambda pair: code(pair[0].input_shown))]
    columns += [("must happen", must)] if len(musts) > 1 else []
    columns += [("happened", end)] if len(ends) > 1 else []
    head = [row(*(name for name, _ in columns)), "|" + "---|" * len(columns)]
    return [*([" ".join(said), ""] if said else []), *head, *(row(*(of(pair) for _, of in columns)) for pair in tried)]


def must(pair: Tried) -> str:
    """What must happen, as a cell."""
    return cell(pair[0].expected)


def end(pair: Tried) -> str:
    """What happened, as a cell."""
    outcome = pair[1]
    return cell(f"WAY IN: {outcome.happened}" if outcome.way_in else outcome.happened)


def row(*cells: str) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def visible(text: str) -> str:
    """Text in one line, whatever does not show written as Python writes it."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode() for one in text)


def cell(text: str) -> str:
    """Text that is nothing but text in a cell."""
    return "".join(f"&#{ord(one)};" if one in "<>&`|*_[]\\~" else one for one in " ".join(visible(text).split()))


def code(text: str) -> str:
    """Text as code in a cell, cut where it is long."""
    shown = visible(text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…").replace("|", "\\|") or " "
    ticks = "`"
    while ticks in shown:
        ticks += "`"
    pad = " " if "`" in shown else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"
