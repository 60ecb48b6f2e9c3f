"""How far a release's pictures are from another set's, as its notes hold it and its card tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relaionet.manifests.errors import BadInput
from relaionet.manifests.escape import escape_markdown

KEY = "comparisons"
"""Of a release's notes: a list of what `relaionet compare` found."""
SHOWN = ("FD", "KD", "class KD", "precision", "recall", "log density", "effective rank", "similarity", "same picture")
HEADS = ("measure", "of", "representation", "classes", "value", "95 % interval", "floor", "pictures each")
MIXES = {"equal": "equally many of each", "any": "as they are", "all": "all pictures"}
ROW_KEYS = ("metric", "about", "representation", "mix", "value", "low", "high", "floor", "n")
"""Columns of SHIFTS that are kept of each row."""


def tell_comparisons(notes: Mapping[str, Any]) -> str:
    """The card's section on all comparisons; empty where the notes hold none.

    Args:
        notes: of a release.

    Raises:
        BadInput: what they hold is no comparison.
    """
    held = notes.get(KEY)
    return "## How far out it is\n\n" + "\n\n".join(map(tell_comparison, held)) + "\n\n" if held else ""


def tell_comparison(facts: Mapping[str, Any]) -> str:
    """One comparison as Markdown: what was compared, its numbers with their intervals, and what is not said.

    Args:
        facts: as `comparison.json` holds them: one, other (names), digests (of A and B), rows (`ROW_KEYS` each), drawn
            and lacks (sentences).

    Raises:
        BadInput: they are none.
    """
    try:
        rows = [_cells(row) for row in facts["rows"] if row["metric"] in SHOWN]
        said = [str(line) for line in (*facts["drawn"], *facts["lacks"])]
        named = [(facts[key], str(facts["digests"][side])[:12]) for key, side in (("one", "A"), ("other", "B"))]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(f"these are no facts of a comparison ({error!r}); run `relaionet compare` again.") from None
    (one, first), (other, second) = named
    small = (
        "These are sets of the miniature: no number here is one about reLAIONet. " if facts.get("is_miniature") else ""
    )
    head = f"{small}A is {one}, content {first}; B is {other}, content {second}."
    cells = [HEADS, ("---",) * len(HEADS), *rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    return f"{escape_markdown(head)}\n\n{table}\n\n" + "\n".join(f"- {escape_markdown(line)}" for line in said)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = row["low"], row["high"]
    return (
        *(escape_markdown(str(row[key]) or "–") for key in ("metric", "about", "representation")),
        MIXES[row["mix"]], f"{float(row['value']):.4g}",
        "–" if low is None else f"{float(low):.4g} to {float(high):.4g}",
        "–" if row["floor"] is None else f"{float(row['floor']):.4g}", f"{int(row['n']):,}",
    )  # fmt: skip
