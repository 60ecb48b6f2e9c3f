"""Rows of unit vectors in shards, in memory or in files, read in blocks of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.pipeline.arrays import map_npy

if TYPE_CHECKING:
    import numpy as np


WHOLE_ROWS = 16_384  # a block of fewer rows is put together with the next: FAISS is slower on small ones


@dataclass(frozen=True, kw_only=True)
class VectorShard:
    """One shard.

    Attributes:
        name: for messages.
        rows_count: rows in it.
        open: gives its [rows_count, D] float16 or float32 rows. A shard in a file is mapped anew at every call, so that
            what was read of it can leave memory again.
    """

    name: str
    rows_count: int
    open: Callable[[], np.ndarray]


class Block(NamedTuple):
    """Some rows that follow each other.

    Attributes:
        first: number of the first.
        rows: [n, D] float32, C-contiguous.
        is_lasting: False where they are overwritten when the next block is asked for.
    """

    first: int
    rows: np.ndarray
    is_lasting: bool


class VectorShards:
    """Rows numbered through several shards, in their order.

    Args:
        shards: any number, empty ones among them.
        dim: width D of every row.
    """

    def __init__(self, shards: Sequence[VectorShard], dim: int) -> None:
        import numpy as np

        self.shards, self.dim = tuple(shards), dim
        self.starts = np.cumsum([0, *(shard.rows_count for shard in self.shards)])

    def __len__(self) -> int:
        """Rows of all shards."""
        return int(self.starts[-1])

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D), as of an array."""
        return len(self), self.dim

    def blocks(self, rows_count: int) -> Iterator[Block]:
        """All rows in blocks of up to `rows_count`; small shards and those in files are put together."""
        import numpy as np

        buffer: np.ndarray | None = None
        start = 0
        while start < len(self):
            count = min(rows_count, len(self) - start)
            view = self._view(start, count)
            if len(view) >= min(count, WHOLE_ROWS):
                yield Block(start, view, is_lasting=True)
                start += len(view)
                continue
            if buffer is None:
                buffer = np.empty((count, self.dim), dtype=np.float32)
            self._fill(start, buffer[:count])
            yield Block(start, buffer[:count], is_lasting=False)
            start += count

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Chosen rows, [n, D] in their own dtype; each shard is opened once.

        Args:
            rows: [n] numbers of rows, in any order.
        """
        import numpy as np

        if len(self.shards) == 1:
            return np.asarray(self.shards[0].open()[rows])
        result: np.ndarray | None = None
        places = np.searchsorted(self.starts, rows, side="right") - 1
        for place in np.unique(places).tolist():
            here = places == place
            part = self.shards[place].open()[rows[here] - self.starts[place]]
            if result is None:
                result = np.empty((len(rows), self.dim), dtype=part.dtype)
            elif part.dtype.itemsize > result.dtype.itemsize:
                result = result.astype(part.dtype)
            result[here] = part
        return np.empty((0, self.dim), dtype=np.float32) if result is None else result

    def _view(self, start: int, count: int) -> np.ndarray:
        """Up to `count` rows as they lie in the memory of one shard; none where they must be read or converted."""
        import numpy as np

        place = int(np.searchsorted(self.starts, start, side="right")) - 1
        rows, first = self.shards[place].open(), start - int(self.starts[place])
        is_ready = not isinstance(rows, np.memmap) and rows.dtype == np.float32 and rows.flags.c_contiguous
        return rows[first : first + count] if is_ready else rows[:0]

    def _fill(self, start: int, target: np.ndarray) -> None:
        import numpy as np

        done, place = 0, int(np.searchsorted(self.starts, start, side="right")) - 1
        while done < len(target):
            first = start + done - int(self.starts[place])
            part = self.shards[place].open()[first : first + len(target) - done]
            target[done : done + len(part)] = part
            done, place = done + len(part), place + 1


def as_shards(vectors: np.ndarray | VectorShards, *more: np.ndarray) -> VectorShards:
    """Arrays in memory (or mapped by the caller) as shards; shards as they are.

    Raises:
        BadInput: an array is no matrix, or their widths differ.
    """
    if isinstance(vectors, VectorShards):
        return vectors
    arrays = (vectors, *more)
    if any(array.ndim != 2 for array in arrays) or len({array.shape[1] for array in arrays}) > 1:
        raise BadInput(f"search needs rows of shape [N, D] of one width; got {[array.shape for array in arrays]}.")
    shards = [
        VectorShard(name=str(place), rows_count=len(array), open=lambda array=array: array)  # type: ignore[misc]
        for place, array in enumerate(arrays)
    ]
    return VectorShards(shards, arrays[0].shape[1])


def map_files(paths: Sequence[Path]) -> VectorShards:
    """Rows of `.npy` files, mapped block by block and never read whole.

    Args:
        paths: files of [n, D] float16 or float32 rows, in order.

    Raises:
        BadInput: there is no file, or their widths differ.
        Corrupt: a file is no such array.
    """
    shapes = [_map(path).shape for path in paths]
    if len({width for _, width in shapes}) != 1:
        found = sorted({width for _, width in shapes})
        raise BadInput(f"search: files of different width {found}; they come from different encoders.")
    shards = [
        VectorShard(name=path.name, rows_count=count, open=lambda path=path: _map(path))  # type: ignore[misc]
        for path, (count, _) in zip(paths, shapes, strict=True)
    ]
    return VectorShards(shards, shapes[0][1])


def _map(path: Path) -> np.ndarray:
    import numpy as np

    try:
        rows = map_npy(path)
    except (ValueError, OSError) as error:
        raise Corrupt(f"{path} cannot be read: {error}.") from error
    if rows.ndim != 2 or rows.dtype not in (np.float16, np.float32):
        raise Corrupt(f"{path} holds {rows.dtype} of shape {rows.shape}; expected [N, D] float16 or float32 rows.")
    return rows
