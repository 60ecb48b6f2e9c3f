"""The page of one row: its pictures side by side, and all that each place tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from relaionet.flows.pages.frame import render
from relaionet.flows.tracing.pictures import find_shots
from relaionet.flows.tracing.places import Place
from relaionet.flows.tracing.trace import Step
from relaionet.flows.tracing.values import show_value
from relaionet.manifests.files import write_atomic


def write_trace_page(path: Path, told: Sequence[tuple[Place, str, Sequence[Step]]]) -> Path:
    """Write the page as one file that loads nothing; it names no folder of this machine.

    Args:
        path: of the page.
        told: where the row was found, its id there, and the steps of its life.

    Returns:
        The path.
    """
    parts = [
        {
            "name": place.folder.resolve().name, "anchor": f"p{number}", "id": candidate_id,
            "shots": find_shots(place, candidate_id), "steps": [_show(step) for step in steps],
        }
        for number, (place, candidate_id, steps) in enumerate(told)
    ]  # fmt: skip
    write_atomic(path, render("trace.html", title=told[0][1][:12], parts=parts).encode())
    return path


def _show(step: Step) -> dict[str, Any]:
    values = [(key, show_value(key, value)) for key, value in step.values.items()]
    return {"name": step.table.replace("_", " "), "values": values}
