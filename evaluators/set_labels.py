"""How scored sets are named, in tables, in pages and in files."""

from __future__ import annotations

import polars as pl


def set_label(generator: str, steps: int, guidance: float) -> str:
    """Name of a scored set: "flow, 4 steps, guidance 2"; a generator without steps goes by its own."""
    if not steps:
        return generator
    return f"{generator}, {count_steps(steps)}, guidance {guidance:g}"


def count_steps(steps: float) -> str:
    """The number with its word: 1 step, 4 steps."""
    return f"{steps:g} step{'' if steps == 1 else 's'}"


def add_labels(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with columns generator, steps and guidance, and the column `label` beside them; order is kept."""
    keys = ["generator", "steps", "guidance"]
    sets = rows.select(keys).unique(maintain_order=True)
    labels = pl.Series("label", [set_label(*row) for row in sets.iter_rows()], dtype=pl.String)
    return rows.join(sets.with_columns(labels), on=keys, how="left", maintain_order="left")
