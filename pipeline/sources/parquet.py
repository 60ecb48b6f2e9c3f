"""Parquet tables, read in parts of bounded size, whatever their texts hold.

pyarrow reads the bytes: it can start at a row group, takes any file that can be sought, and hands out texts unchecked,
so that one that is not UTF-8 costs its own row and not the run.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.containers.limits import STREAM
from relaionet.manifests.containers.parquet import open_parquet
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.sources.arrow_values import is_number_like, is_text_like, read_numbers, read_texts
from relaionet.pipeline.sources.columns import find_schema, nested_numbers, nested_text
from relaionet.pipeline.sources.files import SourceFile, explain_errors
from relaionet.pipeline.sources.schemas import REQUIRED, SourceSchema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import FileMetaData

LOCAL_BUFFER_BYTES, REMOTE_BUFFER_BYTES = 1 << 20, 8 << 20
LIMITS = replace(STREAM, max_batch_bytes=64 << 20)
FOOTER_TAIL_BYTES = 8
# indices into a dictionary take no more than this per row; texts written out take more
INDEX_BYTES = 5


@dataclass(frozen=True, kw_only=True)
class ParquetTable:
    """What the footer of a parquet file says.

    Attributes:
        schema: of its columns.
        columns: our name -> the table's.
        group_rows: rows of each row group.
        repeating: columns whose texts repeat so often that they are stored as indices into a dictionary.
        footer_sha256: of the footer, which holds sizes, places and smallest and largest values of all parts.
        notes: what is there and is not read, in words.
    """

    schema: SourceSchema
    columns: Mapping[str, str]
    group_rows: tuple[int, ...]
    repeating: tuple[str, ...]
    footer_sha256: str
    notes: tuple[str, ...] = ()

    @property
    def rows_count(self) -> int:
        """Rows of the file."""
        return sum(self.group_rows)


def look_at_parquet(file: SourceFile, schema: str | None, columns: Mapping[str, str] | None) -> ParquetTable:
    """Read the footer of a parquet file.

    Args:
        file: the table.
        schema: name or TOML file of the schema the user says it has; None finds it.
        columns: our name -> the table's, for columns the user names.

    Raises:
        BadInput: it is no parquet file, is cut short, or fits no schema.
        Unavailable: its server does not answer.
    """
    raw = file.open()
    with explain_errors(file.shown, file.kind), open_parquet(raw, LIMITS) as parquet:
        found, resolved = find_schema(parquet.schema.names, schema, columns)
        used, notes = _leave_nested(resolved, parquet.schema)
        footer = parquet.metadata
        raw.seek(-FOOTER_TAIL_BYTES, 2)
        length = int.from_bytes(raw.read(FOOTER_TAIL_BYTES)[:4], "little")
        raw.seek(-FOOTER_TAIL_BYTES - length, 2)
        sha256 = hashlib.sha256(raw.read(length)).hexdigest()
        repeating = _find_repeating(footer, set(used.values()))
    return ParquetTable(
        schema=found, columns=used, repeating=repeating, footer_sha256=sha256, notes=notes,
        group_rows=tuple(footer.row_group(number).num_rows for number in range(footer.num_row_groups)),
    )  # fmt: skip


def _leave_nested(resolved: Mapping[str, str], schema: pa.Schema) -> tuple[dict[str, str], tuple[str, ...]]:
    """The columns without those of numbers that hold none, and what is said of these.

    Raises:
        BadInput: a column of texts holds none.
    """
    used, notes = {}, []
    for ours, theirs in resolved.items():
        dtype = schema.field(schema.names.index(theirs)).type
        if ours in REQUIRED and not is_text_like(dtype):
            raise BadInput(nested_text(ours, theirs, str(dtype)))
        if ours in REQUIRED or is_number_like(dtype):
            used[ours] = theirs
        else:
            notes.append(nested_numbers(theirs, str(dtype)))
    return used, tuple(notes)


def _find_repeating(footer: FileMetaData, wanted: set[str]) -> tuple[str, ...]:
    """The columns of texts that are stored as indices."""
    repeating = set()
    for number, place in itertools.product(range(footer.num_row_groups), range(footer.num_columns)):
        group = footer.row_group(number)
        part = group.column(place)
        if part.path_in_schema in wanted and part.has_dictionary_page and part.physical_type == "BYTE_ARRAY":
            index_bytes = part.total_compressed_size - (part.data_page_offset - part.dictionary_page_offset)
            if index_bytes <= INDEX_BYTES * group.num_rows:
                repeating.add(part.path_in_schema)
    return tuple(sorted(repeating))


def read_parquet(
    file: SourceFile, table: ParquetTable, *, start_row: int = 0, batch_rows: int, max_chars: int
) -> Iterator[pl.DataFrame]:
    """Rows of a parquet file, in order.

    Args:
        file: the table.
        table: what `look_at_parquet` found.
        start_row: rows passed over; row groups before them are not read.
        batch_rows: rows per frame, at most; fewer where they are long.
        max_chars: longest text kept of a field; longer ones are cut there.

    Yields:
        A column for each of our names the table has: url and caption as String, the others as they are; and `fault`:
        `url` or `caption` where that is not UTF-8.

    Raises:
        BadInput: it is damaged.
        Unavailable: its server does not answer.
    """
    ends = list(itertools.accumulate(table.group_rows))
    first = next((number for number, end in enumerate(ends) if end > start_row), len(ends))
    skip = start_row - (ends[first] - table.group_rows[first]) if first < len(ends) else 0
    wanted = list(dict.fromkeys(table.columns.values()))
    buffer_bytes = LOCAL_BUFFER_BYTES if file.scheme == "file" else REMOTE_BUFFER_BYTES
    # a local file is read without Python in between, whose buffers would stay with each reading thread
    place = Path(file.path) if file.scheme == "file" else file.open()
    with (
        explain_errors(file.shown, file.kind),
        open_parquet(place, LIMITS, dictionaries=table.repeating, buffer_bytes=buffer_bytes) as parquet,
    ):
        left = (ends[-1] if ends else 0) - start_row
        for batch in parquet.batches(batch_rows, wanted, range(first, len(ends))):
            part, skip = batch.slice(min(skip, batch.num_rows)), max(0, skip - batch.num_rows)
            left -= part.num_rows
            if part.num_rows:
                yield _frame(part, table.columns, max_chars)
        if left > 0:
            raise BadInput(f"{file.shown}: {left:,} rows fewer than its footer says; it is damaged.")


def _frame(batch: pa.RecordBatch, columns: Mapping[str, str], max_chars: int) -> pl.DataFrame:
    series, faults = {}, {}
    for ours, theirs in columns.items():
        values = batch.column(theirs)
        if ours in REQUIRED:
            series[ours], faults[ours] = read_texts(values, max_chars)
        else:
            series[ours] = read_numbers(values, max_chars)
    is_bad = [pl.when(pl.lit(faults[ours])).then(pl.lit(ours)) for ours in REQUIRED if faults[ours] is not None]
    frame = pl.DataFrame(series)
    return frame.with_columns(pl.coalesce(*is_bad, pl.lit(None, dtype=pl.String)).alias("fault"))
