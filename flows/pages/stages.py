"""Stages of a run as pages show them: rows by status, as shares of the largest stage, checked to add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from relaionet.manifests.tables import ALIVE, TABLES

STAGE_TABLES = {"review": "verdicts", "rebuild": "split"}
"""Stages that go by another name than their table."""
TITLES = {
    "candidates": "Rows of the source",
    "text_matches": "Captions compared with classes",
    "chosen": "Chosen to be fetched",
    "downloads": "Fetched",
    "embeddings": "Embedded",
    "proposals": "Labels proposed",
    "screened": "Screened",
    "routed": "Shared out to reviewers",
    "review": "Reviewed",
    "verdicts": "Reviewed",
    "rebuild": "Rebuilt from the release",
}
"""Stage -> its heading."""
BY_PEOPLE = ("review", "verdicts")
"""Stages whose time is that of people: what the program took to settle their answers says nothing of it."""


def make_stages(stages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Stages of the funnel with the share of each status, widths relative to the largest stage."""
    stages = list(stages)
    largest = max((stage["rows_in"] for stage in stages), default=0) or 1
    made = []
    for stage in stages:
        table = TABLES.get(STAGE_TABLES.get(stage["stage"], stage["stage"]))
        meanings = table.statuses if table else {}
        statuses = stage.get("statuses", {})
        passed = {ALIVE, "accept", "rows", "exact", "same_picture", "pushed"}
        made.append(
            {
                "name": stage["stage"],
                "title": TITLES.get(stage["stage"], stage["stage"].replace("_", " ").capitalize()),
                "rows_in": stage["rows_in"],
                "seconds": None if stage["stage"] in BY_PEOPLE else stage.get("seconds"),
                "adds_up": sum(statuses.values()) == stage["rows_in"],
                "statuses": [
                    {
                        "name": name,
                        "count": count,
                        "width": round(100 * count / largest, 2),
                        "meaning": meanings.get(name, ""),
                        "passed": name in passed,
                        "reasons": stage.get("reasons", {}).get(name, {}),
                    }
                    for name, count in statuses.items()
                ],
            }
        )
    return made
