"""What a table is: columns, types, the statuses its rows can have, and the checks every stored table passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt

ALIVE = "ok"
STATUS_COLUMNS = ("status", "reason")
STATUS = """
    status              str   one of the table's statuses; `ok` goes on to the next stage
    reason              str   why the status is what it is, in words; null where it is `ok`
"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its polars type and one line of meaning, with unit and range where it has them."""

    dtype: pl.DataType
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of the row path.

    Attributes:
        name: folder and file name.
        columns: in the order they are written.
        statuses: status -> meaning; empty for tables whose rows have no status.
        key: columns that together name a row once; none where rows may repeat.
        later: columns that tables written by earlier versions lack; they are read as null.
        evidence: columns that a release tells of each of its rows, in the order they are told.
    """

    name: str
    columns: Mapping[str, Column]
    statuses: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ("candidate_id",)
    later: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()

    @property
    def schema(self) -> pl.Schema:
        """Polars schema of the table."""
        return pl.Schema({name: column.dtype for name, column in self.columns.items()})

    def empty(self) -> pl.DataFrame:
        """A frame with the table's columns and no rows."""
        return pl.DataFrame(schema=self.schema)

    def with_columns(self, more: Mapping[str, Column], statuses: Mapping[str, str] | None = None) -> Table:
        """The same table with columns that another package adds, and the statuses it adds.

        Args:
            more: name -> column; they stand before `status`, and last where the table has none.
            statuses: status -> meaning.

        Raises:
            BadInput: the table has a column or a status of that name already.
        """
        for kind, known, added in (("column", self.columns, more), ("status", self.statuses, statuses or {})):
            if taken := sorted(set(known) & set(added)):
                raise BadInput(f"table {self.name}: it has a {kind} {taken[0]} already; give the new one another name.")
        last = {name: column for name, column in self.columns.items() if name in STATUS_COLUMNS}
        first = {name: column for name, column in self.columns.items() if name not in last}
        return replace(self, columns={**first, **more, **last}, statuses={**self.statuses, **(statuses or {})})


def columns(text: str) -> dict[str, Column]:
    """Columns from lines of `name kind meaning`; kinds are str, i32, i64, f32, f64, bool, time, strs and f32s."""
    kinds: dict[str, pl.DataType] = {
        "str": pl.String(), "i32": pl.Int32(), "i64": pl.Int64(), "f32": pl.Float32(), "f64": pl.Float64(),
        "bool": pl.Boolean(), "time": pl.Datetime("us", "UTC"), "strs": pl.List(pl.String()),
        "f32s": pl.List(pl.Float32()),
    }  # fmt: skip
    rows = (line.strip().split(None, 2) for line in text.splitlines() if line.strip())
    return {name: Column(dtype=kinds[kind], meaning=meaning.strip()) for name, kind, meaning in rows}


def alive(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that go on to the next stage."""
    return rows.filter(pl.col("status") == ALIVE)


def count_statuses(rows: pl.DataFrame) -> dict[str, int]:
    """Rows per status, `ok` first, the others by name; the values sum to the number of rows."""
    counts = {str(status): int(count) for status, count in rows["status"].value_counts().iter_rows()}
    return dict(sorted(counts.items(), key=lambda item: (item[0] != ALIVE, item[0])))


def shape_table(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Select the table's columns in order and cast them; of missing ones only those added `later` become null.

    Raises:
        BadInput: a column is missing; the message names it and the columns there are.
    """
    rows = fill_later(rows, table)
    missing = [name for name in table.columns if name not in rows.columns]
    if missing:
        raise BadInput(f"table {table.name}: missing column {', '.join(missing)}; found {', '.join(rows.columns)}.")
    return rows.select(table.columns.keys()).cast(dict(table.schema))  # type: ignore[arg-type]


def fill_later(rows: pl.DataFrame, table: Table, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Rows of a table an earlier version wrote, with null in the columns it did not know.

    Args:
        rows: some or all of the table's columns.
        table: whose they are.
        columns: the columns wanted, in order; all of the table's where None.
    """
    wanted = list(columns) if columns is not None else list(table.columns)
    absent = [name for name in wanted if name in table.later and name not in rows.columns]
    if not absent:
        return rows
    filled = rows.with_columns([pl.lit(None, table.columns[name].dtype).alias(name) for name in absent])
    known = [name for name in wanted if name in filled.columns]
    return filled.select(known + [name for name in filled.columns if name not in known])


def check_table(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return the rows if they obey the table's schema, statuses and key.

    Raises:
        Corrupt: a column, a type, a status or the key is not as declared.
    """
    if rows.schema != table.schema:
        raise Corrupt(f"table {table.name}: columns {dict(rows.schema)} are not the declared {dict(table.schema)}.")
    if table.statuses:
        unknown = set(rows["status"].unique()) - set(table.statuses)
        if unknown:
            raise Corrupt(f"table {table.name}: unknown status {sorted(map(str, unknown))}.")
    if table.key and rows.select(table.key).is_duplicated().any():
        raise Corrupt(f"table {table.name}: a row stands twice; the key is {', '.join(table.key)}.")
    return rows
