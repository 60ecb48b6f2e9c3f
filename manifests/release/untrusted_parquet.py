"""Reading a stranger's parquet: what it claims to hold is looked at before any of it is unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_ROWS = 262_144
MAX_THRIFT_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class ParquetLimits:
    """How much one file may hold; ImageNet's whole train part is 1.3 million rows and about 3 GB.

    Attributes:
        max_rows: rows.
        max_columns: columns, nested ones counted apart.
        max_row_groups: row groups.
        max_bytes: bytes in memory, by the file's own word and again as it is read.
        max_values_per_row: values in all columns together, per row on average (lists have many).
    """

    max_rows: int = 5_000_000
    max_columns: int = 200
    max_row_groups: int = 20_000
    max_bytes: int = 4 << 30
    max_values_per_row: int = 2_000


def read_guarded(file: Path, limits: ParquetLimits | None = None) -> tuple[pl.DataFrame, list[str]]:
    """Read a parquet file within limits; text that is no UTF-8 and values that are no values are refused.

    Args:
        file: from anywhere.
        limits: how much it may hold.

    Returns:
        Its rows, and the names of columns whose kind is none of ours (they are not read).

    Raises:
        BadInput: it is no parquet, claims or holds more than the limits, or cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    limits = limits or ParquetLimits()
    # what Arrow's reader raises on hostile bytes
    faults = (pa.ArrowException, OSError, ValueError, MemoryError, RuntimeError, OverflowError, LookupError, TypeError)
    try:
        with pq.ParquetFile(
            file, memory_map=False, thrift_string_size_limit=MAX_THRIFT_BYTES,
            thrift_container_size_limit=limits.max_row_groups * limits.max_columns,
        ) as parquet:  # fmt: skip
            about, schema = parquet.metadata, parquet.schema_arrow
            fault = _fault(about, limits)
            if fault is not None:
                raise BadInput(f"{file} holds {fault}; nothing of it was read.")
            if len(set(schema.names)) != len(schema.names):
                raise BadInput(f"{file}: two columns have the same name.")
        kept = pa.schema([field for field in schema if _is_known(field.type)]).remove_metadata()
        # as dictionaries: a long text that stands once in the file and a million times in the rows is not unpacked
        texts = [column.path for column in map(about.schema.column, range(about.num_columns)) if _is_text(column)]
        with pq.ParquetFile(file, metadata=about, memory_map=False, read_dictionary=texts) as parquet:
            table = pa.Table.from_batches(list(_read_batches(parquet, kept, limits, file)), schema=kept)
        rows = pl.from_arrow(table)
    except faults as error:
        raise BadInput(f"{file} cannot be read as parquet: {_one_line(error)}.") from None
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{file} cannot be read as parquet: {_one_line(error)}.") from None
    frame = rows if isinstance(rows, pl.DataFrame) else rows.to_frame()
    return frame, [name for name in schema.names if name not in kept.names]


def _fault(about: Any, limits: ParquetLimits) -> str | None:
    """What a file claims beyond the limits; None where nothing."""
    if about.num_columns > limits.max_columns:
        return f"{about.num_columns:,} columns; expected at most {limits.max_columns:,}"
    if about.num_row_groups > limits.max_row_groups:
        return f"{about.num_row_groups:,} row groups; expected at most {limits.max_row_groups:,}"
    if not 0 <= about.num_rows <= limits.max_rows:
        return f"{about.num_rows:,} rows; expected at most {limits.max_rows:,}"
    rows_count = bytes_count = values_count = 0
    for number in range(about.num_row_groups):
        group = about.row_group(number)
        rows_count += group.num_rows
        for place in range(group.num_columns):
            chunk = group.column(place)
            if chunk.total_uncompressed_size < 0 or chunk.num_values < 0:
                return "sizes below 0"
            bytes_count += chunk.total_uncompressed_size
            values_count += chunk.num_values
    if rows_count != about.num_rows:
        return f"{about.num_rows:,} rows by one word and {rows_count:,} by another"
    if bytes_count > limits.max_bytes:
        return f"{bytes_count:,} bytes when unpacked; expected at most {limits.max_bytes:,}"
    if values_count > min(limits.max_values_per_row * max(1, about.num_rows), limits.max_bytes):
        return f"{values_count:,} values in {about.num_rows:,} rows"
    return None


def _is_known(kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind):
        kind = kind.value_type
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_timestamp(kind)
        or types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind)
    )  # fmt: skip


def _is_text(column: Any) -> bool:
    return bool(column.physical_type == "BYTE_ARRAY")


def _read_batches(
    parquet: pq.ParquetFile, kept: pa.Schema, limits: ParquetLimits, file: Path
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    seen_bytes = seen_rows = 0
    for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=kept.names, use_threads=False):
        seen_bytes += sum(map(_unpacked_bytes, batch.columns))
        seen_rows += batch.num_rows
        if seen_bytes > limits.max_bytes or seen_rows > limits.max_rows:
            raise BadInput(f"{file} unpacks to more than it says; expected at most {limits.max_bytes:,} bytes.")
        batch.validate(full=True)
        columns = [column.cast(field.type) for column, field in zip(batch.columns, kept, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, schema=kept)


def _unpacked_bytes(column: pa.Array) -> int:
    """Bytes of a column once its texts stand in every row; itself and its lists' items."""
    from pyarrow import compute, types

    items = column.values if types.is_list(column.type) or types.is_large_list(column.type) else column
    own = int(column.nbytes)
    if not types.is_dictionary(items.type):
        return own
    lengths = compute.binary_length(items.dictionary).cast("int64")
    return own + int(compute.sum(lengths.take(items.indices)).as_py() or 0)


def _one_line(error: BaseException) -> str:
    return (" ".join(str(error).split())[:200] or type(error).__name__).rstrip(".")
