"""The metadata of an embedding store: parquet files that other programs wrote, each with the types it happened to get.

A file whose captions are all missing has a column of no type, another has numbers, a third bytes: what is asked for as
text comes as text from each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.containers.limits import STREAM, Refused
from relaionet.manifests.containers.parquet import GuardedParquet, open_parquet
from relaionet.manifests.containers.parquet_footer import one_line, parquet_faults
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.pipeline.sources.arrow_values import is_number_like, is_text_like, read_numbers, read_texts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

BATCH_ROWS = 65_536
MAX_CHARS = 100_000


@contextmanager
def _opened(path: Path) -> Iterator[GuardedParquet]:
    try:
        with open_parquet(path, STREAM) as parquet:
            yield parquet
    except Refused as error:
        raise Corrupt(f"{path} cannot be read: {error}.") from None
    except parquet_faults() as error:
        raise Corrupt(f"{path} cannot be read: {one_line(error)}.") from None


def count_rows(path: Path) -> int:
    """Rows of a metadata file, by its footer.

    Raises:
        Corrupt: it cannot be read.
    """
    with _opened(path) as parquet:
        return int(parquet.metadata.num_rows)


def column_names(path: Path) -> list[str]:
    """Names of the columns of a metadata file.

    Raises:
        Corrupt: it cannot be read.
    """
    with _opened(path) as parquet:
        return list(parquet.schema.names)


def read_metadata(
    path: Path, texts: Sequence[str], numbers: Sequence[str] = (), rows: np.ndarray | None = None
) -> pl.DataFrame:
    """Some columns of a metadata file.

    Args:
        path: of the file.
        texts: columns wanted as texts; those that are not there are left out.
        numbers: columns wanted as numbers or texts that may be some; those that hold neither are left out too.
        rows: [n] int64, ascending, the rows wanted; None for all.

    Returns:
        row (Int64, from 0) and the columns, in order of the rows.

    Raises:
        BadInput: two columns have one of these names, or one that is wanted as text holds lists or objects.
        Corrupt: it cannot be read.
    """
    with _opened(path) as parquet:
        schema = parquet.schema
        wanted = [name for name in dict.fromkeys((*texts, *numbers)) if name in schema.names]
        kinds = {name: _type_of(path, schema, name, is_text=name in texts) for name in wanted}
        kept = {name: dtype for name, dtype in kinds.items() if name in texts or is_number_like(dtype)}
        parts = [_shape(batch, set(texts)) for batch in _batches(parquet, kept, rows)]
        return pl.concat(parts).select("row", *kept)


def _type_of(path: Path, schema: pa.Schema, name: str, *, is_text: bool) -> pa.DataType:
    if schema.names.count(name) > 1:
        raise BadInput(f"{path}: {schema.names.count(name)} columns are called '{name}'; expected one.")
    dtype = schema.field(name).type
    if is_text and not is_text_like(dtype):
        raise BadInput(f"{path}: column '{name}' holds {dtype}; expected text.")
    return dtype


def _batches(
    parquet: GuardedParquet, kept: Mapping[str, pa.DataType], rows: np.ndarray | None
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """The rows wanted of every part of the file, with their numbers; the first has none, but every column."""
    import numpy as np
    import pyarrow as pa

    yield np.zeros(0, np.int64), pa.RecordBatch.from_pylist([], schema=pa.schema(list(kept.items())))
    start = 0
    for batch in parquet.batches(BATCH_ROWS, list(kept)):
        end = start + batch.num_rows
        if rows is None:
            yield np.arange(start, end), batch
        else:
            here = rows[(rows >= start) & (rows < end)]
            yield here, batch.take(pa.array(here - start)) if len(here) else batch.slice(0, 0)
        start = end


def _shape(part: tuple[np.ndarray, pa.RecordBatch], texts: set[str]) -> pl.DataFrame:
    rows, batch = part
    values = {
        name: read_texts(column, MAX_CHARS)[0] if name in texts else read_numbers(column, MAX_CHARS)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    return pl.DataFrame({"row": pl.Series(rows, dtype=pl.Int64), **values})


def make_ids(names: pl.Series) -> pl.Series:
    """Ids where the metadata has none: the sha256 of what names a row instead, of nothing where that is missing."""
    digests = [sha256((name or "").encode()).hexdigest() for name in names]
    return pl.Series("candidate_id", digests, dtype=pl.String)
