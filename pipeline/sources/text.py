"""Text tables, read in parts of bounded size: tab-separated, comma-separated and JSON lines, packed or not.

Every line that is no row becomes one with a fault, so that rows are never fewer than lines.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.sources.columns import find_schema, headless_schema, name_columns
from relaionet.pipeline.sources.files import SourceFile, explain_errors
from relaionet.pipeline.sources.schemas import OURS, SourceSchema

MAX_LINE_BYTES = 4 << 20
BATCH_CHARS = 32 << 20
BUFFER_BYTES = 1 << 20
FIRST_ROWS = 100
FAULT_LINE = "line"
SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """What the first lines of a text table say.

    Attributes:
        schema: of its columns; None where the file is empty.
        columns: our name -> the table's.
        names: of its columns, in order; empty for JSON lines, which name them in every line.
        has_names: the first line holds the names.
    """

    schema: SourceSchema | None
    columns: Mapping[str, str]
    names: tuple[str, ...] = ()
    has_names: bool = False


@dataclass(frozen=True, kw_only=True)
class TextRow:
    """One line's fields by our names, cut to what is kept; `fault` where the line is no row."""

    values: tuple[str | None, ...]
    fault: str | None


def look_at_text(file: SourceFile, schema: str | None, columns: Mapping[str, str] | None) -> TextTable:
    """Find the schema of a text table from its first rows.

    Args:
        file: the table.
        schema: name or TOML file of the schema the user says it has; None finds it.
        columns: our name -> the table's, for columns the user names.

    Raises:
        BadInput: it fits no schema, or is not packed as its name says.
        Unavailable: its server does not answer.
    """
    with file.open(in_order=True) as raw, explain_errors(file.shown, file.kind):
        start = raw.read(len(b"PAR1"))
        if start == b"PAR1" or (file.packing is None and start.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))):
            raise BadInput(f"its bytes are not those of a {file.kind} file; name it what it is.")
        raw.seek(0)
        if file.kind == "jsonl":
            first = next((row for row in map(_object, _lines(_unpack(raw, file))) if row is not None), None)
            if first is None:
                return TextTable(schema=None, columns={})
            found, resolved = find_schema(list(first), schema, columns)
            return TextTable(schema=found, columns=resolved)
        rows = [row for row in itertools.islice(_split(_unpack(raw, file), file.kind), FIRST_ROWS) if row]
    if not rows:
        return TextTable(schema=None, columns={})
    names, has_names = name_columns(rows, schema)
    if not has_names and not columns:
        schema = schema or headless_schema(names)
    found, resolved = find_schema(names, schema, columns)
    return TextTable(schema=found, columns=resolved, names=tuple(names), has_names=has_names)


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
        One String column for each of our names, and `fault`: `line` where a line is no row.

    Raises:
        BadInput: it is damaged.
        Unavailable: its server does not answer.
    """
    if table.schema is None:
        return
    with file.open(in_order=True) as raw, explain_errors(file.shown, file.kind):
        rows = _rows(_unpack(raw, file), file.kind, table, max_chars)
        batch: list[TextRow] = []
        chars = 0
        for row in itertools.islice(rows, start_row, None):
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


def _unpack(raw: Any, file: SourceFile) -> IO[bytes]:
    """A buffered stream of the unpacked bytes."""
    if file.packing is None:
        return io.BufferedReader(raw, BUFFER_BYTES)
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(raw, "r"), file.packing), BUFFER_BYTES)


def _lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    """Lines without their ends; None for one that is too long to be a row."""
    while line := stream.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield None
        else:
            yield line.rstrip(b"\r\n")


def _split(stream: IO[bytes], kind: str) -> Iterator[list[str]]:
    """Fields of every row; the empty list for a line that is none. Bytes that are not UTF-8 become lone surrogates."""
    lines = _lines(stream)
    if kind == "tsv":
        for line in lines:
            yield [] if line is None else line.decode("utf-8", "surrogateescape").split("\t")
        return
    csv.field_size_limit(MAX_LINE_BYTES)
    rows = csv.reader("" if line is None else line.decode("utf-8", "surrogateescape") + "\n" for line in lines)
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield []


def _rows(stream: IO[bytes], kind: str, table: TextTable, max_chars: int) -> Iterator[TextRow]:
    if kind == "jsonl":
        objects = map(_object, _lines(stream))
        wanted = [table.columns.get(ours) for ours in OURS]
        for item in objects:
            values = [None if item is None or name is None else _text(item.get(name)) for name in wanted]
            yield _row(values, max_chars, fault=FAULT_LINE if item is None else None)
        return
    places = [table.names.index(table.columns[ours]) if ours in table.columns else None for ours in OURS]
    needed = 1 + max(place for place in places[: len(OURS)] if place is not None)
    for fields in itertools.islice(_split(stream, kind), int(table.has_names), None):
        is_row = needed <= len(fields) <= len(table.names)
        values = [fields[place] if is_row and place is not None else None for place in places]
        yield _row(values, max_chars, fault=None if is_row else FAULT_LINE)


def _row(values: Sequence[str | None], max_chars: int, fault: str | None) -> TextRow:
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


def _object(line: bytes | None) -> dict[str, Any] | None:
    try:
        item = json.loads(line) if line is not None else None
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else str(value)
