"""Text tables, read in parts of bounded size: tab-separated, comma-separated and JSON lines, packed or not.

Every line that is no row becomes one with a fault, so that rows are never fewer than lines; of a row whose quoted field
runs over several lines, these count as one (see `records`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.sources.columns import find_schema, headless_schema, name_columns
from relaionet.pipeline.sources.files import SourceFile, explain_errors
from relaionet.pipeline.sources.json_lines import ObjectNames, read_values
from relaionet.pipeline.sources.json_look import LOOK_BYTES, LOOK_ROWS, look_at_objects
from relaionet.pipeline.sources.lines import read_lines
from relaionet.pipeline.sources.records import FAULT_LINE, RowShape, split_quoted, split_tabs
from relaionet.pipeline.sources.schemas import OURS, SourceSchema

BATCH_CHARS = 32 << 20
FIRST_ROWS = 100
SEPARATORS = (",", ";", "\t", "|")
TAB = "\t"
SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """What the first lines of a text table say.

    Attributes:
        schema: of its columns; None where the file is empty.
        columns: our name -> the table's; of JSON lines those found so far.
        names: of its columns, in order; empty for JSON lines, which name them in every line.
        names_row: record that holds the names, from 0; None where none does.
        separator: between the fields of a row; empty for JSON lines.
        has_quotes: fields may be quoted.
        object_names: what the fields of JSON lines may be called; None for other tables.
        rows_count: its rows; None where the file is too long to count them.
        row_bytes: of a row, on average; 0 where nothing was read.
        notes: what is there and is not read, in words.
    """

    schema: SourceSchema | None
    columns: Mapping[str, str]
    names: tuple[str, ...] = ()
    names_row: int | None = None
    separator: str = ""
    has_quotes: bool = False
    object_names: ObjectNames | None = None
    rows_count: int | None = None
    row_bytes: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def places(self) -> list[int | None]:
        """Of each of our columns its place in the row; None where the table has none."""
        return [self.names.index(self.columns[ours]) if ours in self.columns else None for ours in OURS]

    @property
    def shape(self) -> RowShape:
        """What a row looks like."""
        places = [place for place in self.places if place is not None]
        if not places:
            return RowShape(separator=self.separator)
        return RowShape(separator=self.separator, fields_count=1 + max(places), address_place=self.places[0])


@dataclass(frozen=True, kw_only=True)
class TextRow:
    """One line's fields by our names, cut to what is kept; `fault` where the line is no row."""

    values: tuple[str | None, ...]
    fault: str | None


def look_at_text(file: SourceFile, schema: str | None, columns: Mapping[str, str] | None) -> TextTable:
    """Find the schema of a text table from its first lines.

    Args:
        file: the table.
        schema: name or TOML file of the schema the user says it has; None finds it.
        columns: our name -> the table's, for columns the user names.

    Raises:
        BadInput: it fits no schema, is no table of its kind, or is not packed as its name says.
        Unavailable: its server does not answer.
    """
    with closing(file.open(in_order=True)) as raw, explain_errors(file.shown, file.kind):
        lines = read_lines(raw, file)
        if file.kind == "jsonl":
            look = look_at_objects(lines, schema, columns)
            return TextTable(
                schema=look.schema, columns=look.columns, object_names=look.names, rows_count=look.rows_count,
                row_bytes=look.row_bytes, notes=look.notes,
            )  # fmt: skip
        first = list(_take(lines))
        is_whole = next(lines, b"") == b""
    if not first:
        return TextTable(schema=None, columns={}, rows_count=0)
    table = _find_table(first, file.kind, schema, columns)
    rows_count = sum(1 for _ in _records(iter(first), table)) - (table.names_row is not None)
    row_bytes = sum(map(_length, first)) / max(rows_count, 1)
    return replace(table, rows_count=rows_count if is_whole else None, row_bytes=row_bytes)


def _take(lines: Iterator[bytes | None]) -> Iterator[bytes | None]:
    """As many lines as are looked at."""
    bytes_count = 0
    for line in itertools.islice(lines, LOOK_ROWS):
        yield line
        bytes_count += _length(line)
        if bytes_count >= LOOK_BYTES:
            return


def _length(line: bytes | None) -> int:
    return LOOK_BYTES if line is None else len(line)


def _find_table(
    first: Sequence[bytes | None], kind: str, schema: str | None, columns: Mapping[str, str] | None
) -> TextTable:
    """The table that the first lines make up, by the separator that fits best."""
    fitting: list[tuple[float, TextTable]] = []
    failures: list[tuple[int, BadInput]] = []
    for separator in (TAB,) if kind == "tsv" else SEPARATORS:
        plain = TextTable(schema=None, columns={}, separator=separator, has_quotes=kind != "tsv")
        records = list(itertools.islice(_records(iter(first), plain), FIRST_ROWS))
        rows = [record for record in records if isinstance(record, list) and record != [""]]
        try:
            table = _name_table(rows, plain, schema, columns)
        except BadInput as error:
            failures.append((max(map(len, rows), default=0), error))
            continue
        fitting.append(
            (_share_whole(rows), replace(table, names_row=records.index(rows[0]) if table.names_row == 0 else None))
        )
    if fitting:
        return max(fitting, key=lambda one: one[0])[1]
    raise max(failures, key=lambda one: one[0])[1]


def _share_whole(rows: Sequence[Sequence[str]]) -> float:
    """Share of rows with as many fields as most have."""
    lengths = [len(row) for row in rows]
    return max(map(lengths.count, lengths)) / len(lengths)


def _name_table(
    rows: Sequence[list[str]], plain: TextTable, schema: str | None, columns: Mapping[str, str] | None
) -> TextTable:
    """The table with its names and schema; `names_row` is its place among these rows."""
    if not rows:
        raise BadInput("none of its first lines is a row; expected lines of fields, the first with their names.")
    names, has_names = name_columns(rows, schema)
    if not has_names and not columns:
        schema = schema or headless_schema(names)
    found, resolved = find_schema(names, schema, columns)
    return replace(plain, schema=found, columns=resolved, names=tuple(names), names_row=0 if has_names else None)


def read_text(
    file: SourceFile, table: TextTable, *, start_row: int = 0, batch_rows: int, max_chars: int
) -> Iterator[pl.DataFrame]:
    """Rows of a text table, in order.

    Args:
        file: the table.
        table: what `look_at_text` found.
        start_row: rows passed over.
        batch_rows: rows per frame, at most; fewer where they are long.
        max_chars: longest text kept of a field; longer ones are cut there.

    Yields:
        One String column for each of our names, and `fault`, as `read_batches` tells.

    Raises:
        BadInput: it is damaged.
        Unavailable: its server does not answer.
    """
    if table.schema is None:
        return
    with closing(file.open(in_order=True)) as raw, explain_errors(file.shown, file.kind):
        batch: list[TextRow] = []
        chars = 0
        for row in itertools.islice(_rows(read_lines(raw, file), table, max_chars), start_row, None):
            batch.append(row)
            chars += sum(len(value) for value in row.values if value)
            if len(batch) == batch_rows or chars > BATCH_CHARS:
                yield _frame(batch)
                batch, chars = [], 0
        if batch:
            yield _frame(batch)


def _frame(batch: Sequence[TextRow]) -> pl.DataFrame:
    schema = dict.fromkeys(OURS, pl.String) | {"fault": pl.String}
    return pl.DataFrame([(*row.values, row.fault) for row in batch], schema=schema, orient="row")


def _records(lines: Iterator[bytes | None], table: TextTable) -> Iterator[list[str] | str]:
    return split_quoted(lines, table.shape) if table.has_quotes else split_tabs(lines, table.shape)


def _rows(lines: Iterator[bytes | None], table: TextTable, max_chars: int) -> Iterator[TextRow]:
    if table.object_names is not None:
        for line in lines:
            yield _row(*read_values(line, table.object_names), max_chars)
        return
    needed, places = table.shape.fields_count, table.places
    for number, fields in enumerate(_records(lines, table)):
        if number == table.names_row:
            continue
        fault = fields if isinstance(fields, str) else None if needed <= len(fields) <= len(table.names) else FAULT_LINE
        yield _row([None if fault or place is None else fields[place] for place in places], fault, max_chars)


def _row(values: Sequence[str | None], fault: str | None, max_chars: int) -> TextRow:
    """Cut long fields, empty ones to null, and lone surrogates to marks that say which field was no text."""
    kept: list[str | None] = []
    for ours, value in zip(OURS, values, strict=True):
        text = value[:max_chars] if value else None
        if text is not None and not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                text = SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
                fault = fault or (ours if ours in ("url", "caption") else None)
        kept.append(text)
    return TextRow(values=tuple(kept), fault=fault)
