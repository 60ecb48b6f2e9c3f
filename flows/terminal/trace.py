"""`relaionet trace`: a row's whole life on one screen, and on a page with its pictures."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from pathlib import Path

from relaionet.flows.runs.console import echo, shown
from relaionet.flows.tracing.page import write_trace_page
from relaionet.flows.tracing.places import Place, find_places
from relaionet.flows.tracing.trace import Step, resolve_id, trace_row
from relaionet.flows.tracing.values import show_values
from relaionet.manifests.errors import BadInput

NAME_WIDTH = 13  # of the longest name of a table or a built-in screen


def show_trace(
    candidate_id: str, folder: Path | None, *, page: Path | None = None, open_page: bool = False
) -> None:  # fmt: skip
    """Print a row's whole life.

    Args:
        candidate_id: id, the start of one, or the row's URL.
        folder: a run, a release, a split or an evaluation, or a folder of such; None looks in `runs/` and here.
        page: file of the page with the row's pictures; None writes one only to open it, `trace-<id>.html` here.
        open_page: show the page in the browser.

    Raises:
        BadInput: no such place, or none with such a row.
    """
    folders = [folder] if folder is not None else [Path("runs"), Path()]
    places = [place for one in folders for place in find_places(one)]
    if not places:
        where = ", ".join(map(str, folders))
        raise BadInput(f"no run, release, split or evaluation in {where}; name one with --run.")
    named = [(place, resolve_id(place, candidate_id)) for place in places]
    found = [(place, full) for place, full in named if full is not None]
    if not found:
        raise BadInput(f"'{candidate_id}' is in none of these: {', '.join(str(place.folder) for place in places)}.")
    told = [(place, full, trace_row(place, full)) for place, full in found]
    for place, full, steps in told:
        _print(place, full, steps)
    if open_page or page is not None:
        path = write_trace_page(page or Path(f"trace-{found[0][1][:12]}.html"), told)
        opened = open_page and webbrowser.open(path.resolve().as_uri())
        echo(f"page: {path}" + ("" if opened or not open_page else "  (no browser was found; open it yourself)"))


def _print(place: Place, candidate_id: str, steps: Sequence[Step]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, emoji=False)
    console.print(shown(f"{candidate_id}  in {place.folder}"), style="bold", markup=False, soft_wrap=True)
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for step in steps:
        text = show_values(step.values)
        if console.is_terminal:
            table.add_row(shown(step.table), Text(shown(text)))
        else:  # a file or another program: a line each, nothing broken in two
            console.print(shown(f"{step.table:<{NAME_WIDTH}} {text}"), markup=False, soft_wrap=True)
    if console.is_terminal:
        console.print(table)
