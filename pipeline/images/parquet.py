"""Images inside parquet files, as `datasets` and the Hub write them: a column of structs with `bytes`, and a label.

A picture in one has the path `<file>/<row>`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from relaionet.manifests.containers.limits import PICTURES, Refused
from relaionet.manifests.containers.parquet import GuardedParquet, open_parquet
from relaionet.manifests.containers.texts import parse_json
from relaionet.manifests.errors import BadInput

PARQUET = ".parquet"
BATCH_ROWS, LABEL_ROWS = 32, 65_536
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


@contextmanager
def open_pictures(file: Path) -> Iterator[GuardedParquet]:
    """A parquet file with pictures.

    Raises:
        BadInput: it is none, is damaged, or unpacks to far more than pictures do.
    """
    try:
        with open_parquet(file, PICTURES, dictionaries=True) as parquet:
            yield parquet
    except Refused as error:
        raise BadInput(f"{file} cannot be read as parquet: {error}.") from None


def _find_images(parquet: GuardedParquet) -> str | None:
    """The first column of images, structs with `bytes`; None where there is none."""
    from pyarrow import types

    for column in parquet.schema:
        if types.is_struct(column.type) and "bytes" in {part.name for part in column.type}:
            return str(column.name)
    return None


def _image_column(parquet: GuardedParquet, file: Path) -> str:
    column = _find_images(parquet)
    if column is None:
        names = ", ".join(parquet.schema.names)
        raise BadInput(f"{file}: expected a column of images (a struct with `bytes`); found {names}.")
    return column


def count_parquet_rows(file: Path) -> int | None:
    """Rows of a parquet file with images; None where it holds other things (a list of labels, a split's table).

    Raises:
        BadInput: it is no parquet file.
    """
    with open_pictures(file) as parquet:
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
    with open_pictures(file) as parquet:
        column, first = _image_column(parquet, file), 0
        for group in range(parquet.metadata.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            here = {row for row in rows if first <= row < first + count}
            at = first
            first += count
            if not here:
                continue
            for batch in parquet.batches(BATCH_ROWS, [f"{column}.bytes"], [group]):
                images = batch.column(0).field("bytes")
                yield from _values(images, [row - at for row in here if at <= row < at + len(images)], at)
                at += len(images)


def _values(images: Any, places: Sequence[int], first: int) -> Iterator[tuple[int, bytes | None]]:
    """Bytes of some rows of a batch; rows that are the same picture share them."""
    import pyarrow as pa

    if not pa.types.is_dictionary(images.type):
        yield from ((first + place, images[place].as_py()) for place in places)
        return
    known: dict[int | None, bytes | None] = {None: None}
    for place in places:
        index = images.indices[place].as_py()
        if index not in known:
            known[index] = images.dictionary[index].as_py()
        yield first + place, known[index]


def read_parquet_labels(file: Path, column: str = "label") -> tuple[list[int | None], list[str] | None]:
    """The label of each row, and what `datasets` noted the label numbers are called; None where it noted nothing.

    Raises:
        BadInput: there is no such column of whole numbers.
    """
    from pyarrow import types

    with open_pictures(file) as parquet:
        schema = parquet.schema
        if column not in schema.names or not types.is_integer(schema.field(column).type):
            names = ", ".join(schema.names)
            raise BadInput(f"{file}: expected a column `{column}` of class numbers; found {names}.")
        labels = [label for batch in parquet.batches(LABEL_ROWS, [column]) for label in batch.column(0).to_pylist()]
        return labels, _label_names(dict(schema.metadata or {}), column)


def _label_names(about: dict[bytes, bytes], column: str) -> list[str] | None:
    try:
        told: Any = parse_json(about.get(b"huggingface", b"{}"))
        names = told["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    if isinstance(names, dict):  # older versions: {"0": "tench", …}
        names = [names.get(str(number)) for number in range(len(names))]
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
