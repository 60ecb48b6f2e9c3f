"""Rows of stored arrays and tables that are read when they are asked for, so that a large set never lies in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import polars as pl

CHUNK_ROWS = 4096


class _RowView:
    """Some rows of an array; stands where an array is sliced, indexed by rows, or turned into one."""

    def __init__(self, array: Any, rows: np.ndarray) -> None:
        self._array, self._rows = array, rows
        self.shape = (len(rows), *array.shape[1:])
        self.ndim, self.dtype = len(self.shape), array.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> np.ndarray:
        found: np.ndarray = self._array[self._rows[rows]]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)


def view_rows(array: Any, rows: Sequence[int] | np.ndarray) -> np.ndarray:
    """Some rows of an array that may lie on disk, read only when they are asked for.

    Args:
        array: [N, ...] array, memory map, or anything that gives rows the same way.
        rows: [n] int, any order.

    Returns:
        What is used like an array [n, ...] in slices `view[2:5]` and rows `view[[4, 1]]`, which give real arrays;
        `np.asarray` reads it whole. It has `shape`, `ndim` and `dtype`, and no arithmetic.
    """
    view: Any = _RowView(array, np.asarray(rows, dtype=np.int64))
    found: np.ndarray = view  # so that the metrics take either
    return found


class Names(Sequence[str]):
    """Strings of a table's column that stay in the table's own memory.

    A Python string of 64 characters takes 113 bytes and its place in a tuple 8; 50,000 of them in every set are most of
    what a large set would hold.

    Args:
        column: of strings, without nulls.
    """

    def __init__(self, column: pl.Series) -> None:
        self._column = column

    def __len__(self) -> int:
        """How many."""
        return len(self._column)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Names: ...
    def __getitem__(self, place: int | slice) -> str | Names:
        """One of them, or some as another such sequence."""
        return Names(self._column[place]) if isinstance(place, slice) else str(self._column[int(place)])

    def __iter__(self) -> Iterator[str]:
        """Each in turn; a piece of the column at a time becomes Python strings."""
        for start in range(0, len(self), CHUNK_ROWS):
            yield from self._column.slice(start, CHUNK_ROWS).to_list()

    def __eq__(self, other: object) -> bool:
        """Equal to any sequence of the same strings in the same order."""
        if not isinstance(other, Sequence) or isinstance(other, str) or len(other) != len(self):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        """Of the strings, as equal sequences are."""
        return hash(tuple(self))
