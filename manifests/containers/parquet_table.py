"""A stranger's parquet as a table in memory: only columns of kinds that are known, every value looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.containers.limits import TABLE, ParquetLimits, Refused
from relaionet.manifests.containers.parquet import GuardedParquet, open_parquet
from relaionet.manifests.containers.parquet_footer import one_line, parquet_faults
from relaionet.manifests.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 262_144


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

    try:
        # as dictionaries: a long text that stands once in the file and a million times in the rows is not unpacked
        with open_parquet(file, limits or TABLE, dictionaries=True) as parquet:
            schema = parquet.schema
            if len(set(schema.names)) != len(schema.names):
                raise BadInput(f"{file}: two columns have the same name.")
            kept = pa.schema([field for field in schema if _is_known(field.type)]).remove_metadata()
            table = pa.Table.from_batches(list(_read_batches(parquet, kept, file)), schema=kept)
        rows = pl.from_arrow(table)
    except Refused as error:
        raise BadInput(f"{file} cannot be read as parquet: {error}.") from None
    except BadInput:
        raise
    except (*parquet_faults(), pl.exceptions.PolarsError) as error:  # type: ignore[misc]
        raise BadInput(f"{file} cannot be read as parquet: {one_line(error)}.") from None
    frame = rows if isinstance(rows, pl.DataFrame) else rows.to_frame()
    return frame, [name for name in schema.names if name not in kept.names]


def _is_known(kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind):
        kind = kind.value_type
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_timestamp(kind)
        or types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind)
    )  # fmt: skip


def _read_batches(parquet: GuardedParquet, kept: pa.Schema, file: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    seen_bytes = seen_rows = 0
    limits, most = parquet.limits, parquet.limits.most(parquet.size)
    for batch in parquet.batches(BATCH_ROWS, kept.names):
        seen_bytes += sum(map(_unpacked_bytes, batch.columns))
        seen_rows += batch.num_rows
        if seen_bytes > most or seen_rows > limits.most_rows(parquet.size):
            raise BadInput(f"{file} unpacks to more than it says; expected at most {most:,} bytes.")
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
