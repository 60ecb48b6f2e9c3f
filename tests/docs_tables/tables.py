"""Every stored table: its columns, their types and meanings, and the statuses a row can have."""

from __future__ import annotations

import polars as pl

from relaionet.manifests.tables import TABLES
from tests.docs_tables.pages import markdown_table

NAMES = {
    pl.String(): "text", pl.Int32(): "int32", pl.Int64(): "int64", pl.Float32(): "float32", pl.Float64(): "float64",
    pl.Boolean(): "bool", pl.Datetime("us", "UTC"): "time, UTC", pl.List(pl.String()): "list of text",
    pl.List(pl.Float32()): "list of float32",
}  # fmt: skip


def render_tables() -> str:
    """All tables in the order of the row path."""
    parts = []
    for table in TABLES.values():
        key = "one row per " + ", ".join(f"`{name}`" for name in table.key) if table.key else "rows may repeat"
        parts += [f"## `{table.name}`", key[0].upper() + key[1:] + "."]
        rows = [[f"`{name}`", NAMES[column.dtype], column.meaning] for name, column in table.columns.items()]
        parts.append(markdown_table(("column", "type", "meaning"), rows))
        if table.statuses:
            statuses = [[f"`{status}`", meaning] for status, meaning in table.statuses.items()]
            parts.append(markdown_table(("status", "meaning"), statuses))
    return "\n\n".join(parts)
