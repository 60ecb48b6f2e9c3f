"""Images inside parquet files, as `datasets` and the Hub write them: a column of structs with `bytes`, and a label.

A picture in one has the path `<file>/<row>`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from relaionet.manifests.errors import BadInput

if TYPE_CHECKING:
    import pyarrow.parquet as pq

PARQUET = ".parquet"
BATCH_ROWS = 32
T = TypeVar("T")


def in_parquet(path: str) -> bool:
    """True for the path of a picture inside a parquet file."""
    file, _, row = path.rpartition("/")
    return file.lower().endswith(PARQUET) and row.isdecimal()


def batched(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def open_parquet(file: Path) -> pq.ParquetFile:
    """A parquet file.

    Raises:
        BadInput: it is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadInput(f"{file} cannot be read as parquet: {str(error).splitlines()[0][:200]}.") from None


def _find_images(parquet: pq.ParquetFile) -> str | None:
    """The first column of images, structs with `bytes`; None where there is none."""
    from pyarrow import types

    for column in parquet.schema_arrow:
        if types.is_struct(column.type) and "bytes" in {part.name for part in column.type}:
            return str(column.name)
    return None


def _image_column(parquet: pq.ParquetFile, file: Path) -> str:
    column = _find_images(parquet)
    if column is None:
        names = ", ".join(parquet.schema_arrow.names)
        raise BadInput(f"{file}: expected a column of images (a struct with `bytes`); found {names}.")
    return column


def count_parquet_rows(file: Path) -> int | None:
    """Rows of a parquet file with images; None where it holds other things (a list of labels, a split's table).

    Raises:
        BadInput: it is no parquet file.
    """
    with open_parquet(file) as parquet:
        return int(parquet.metadata.num_rows) if _find_images(parquet) is not None else None


def read_parquet_bytes(folder: Path, paths: Sequence[str]) -> dict[str, bytes | None]:
    """The bytes of pictures in parquet files; only the row groups that hold them are read, in small batches.

    Args:
        folder: of the files.
        paths: `<file>/<row>`.

    Returns:
        path -> bytes; None where a row holds none.

    Raises:
        BadInput: a file is no parquet with images, or a page of it is damaged.
    """
    wanted: dict[str, set[int]] = {}
    for path in paths:
        file, _, row = path.rpartition("/")
        wanted.setdefault(file, set()).add(int(row))
    return {
        f"{file}/{row}": data for file, rows in wanted.items() for row, data in _read_rows(folder / file, rows)
    }  # fmt: skip


def _read_rows(file: Path, rows: set[int]) -> Iterator[tuple[int, bytes | None]]:
    import pyarrow as pa

    with open_parquet(file) as parquet:
        column, first = _image_column(parquet, file), 0
        for group in range(parquet.metadata.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            here = [row for row in rows if first <= row < first + count]
            at = first
            first += count
            if not here:
                continue
            try:
                for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[group], columns=[f"{column}.bytes"]):
                    images = batch.column(0).field("bytes")
                    yield from ((row, images[row - at].as_py()) for row in here if at <= row < at + len(images))
                    at += len(images)
            except (pa.ArrowException, OSError) as error:
                raise BadInput(f"{file} is damaged: {str(error).splitlines()[0][:200]}.") from None


def read_parquet_labels(file: Path, column: str = "label") -> tuple[list[int | None], list[str] | None]:
    """The label of each row, and what `datasets` noted the label numbers are called; None where it noted nothing.

    Raises:
        BadInput: there is no such column of whole numbers.
    """
    from pyarrow import types

    with open_parquet(file) as parquet:
        schema = parquet.schema_arrow
        if column not in schema.names or not types.is_integer(schema.field(column).type):
            names = ", ".join(schema.names)
            raise BadInput(f"{file}: expected a column `{column}` of class numbers; found {names}.")
        labels = parquet.read(columns=[column]).column(0).to_pylist()
        return labels, _label_names(dict(schema.metadata or {}), column)


def _label_names(about: dict[bytes, bytes], column: str) -> list[str] | None:
    try:
        told: Any = json.loads(about.get(b"huggingface", b"{}"))
        names = told["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if isinstance(names, dict):  # older versions: {"0": "tench", …}
        names = [names.get(str(number)) for number in range(len(names))]
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
