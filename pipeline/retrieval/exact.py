"""Exact nearest rows by inner product: FAISS chooses in float32, block by block; the choice is settled in float64.

FAISS is asked for a few rows more than wanted per block. All that may be among the best by the error bound of a float32
inner product get their cosine again in float64, and these are sorted, ties by a given order. Where a block may have
held back rows that tie with the last one wanted, those queries are looked at again, every row of every block. So the
result is a function of the rows alone: not of their order, the shards, the blocks, the threads or the device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.retrieval.cosines import error_bound, pair_cosines
from relaionet.pipeline.retrieval.shards import Block, VectorShards, as_shards

if TYPE_CHECKING:
    import numpy as np

Order = Callable[["np.ndarray"], "np.ndarray"]  # numbers of rows -> sortable keys, smaller first among ties
Progress = Callable[[int], None]

SPARE_COUNT = 8
GPU_MAX_FETCH = 2048  # limit of FAISS on a GPU
MAX_BLOCK_ROWS, MIN_BLOCK_ROWS = 65_536, 256
MAX_QUERY_ROWS = 4096
MAX_WAITING = 8
TIE_QUERIES, TIE_ROWS = 512, 4096
FAISS_BYTES = 48 << 20  # its tile of products and its lists of 4096 queries


@dataclass(frozen=True, kw_only=True)
class SearchSizes:
    """Sizes of a search that keeps to a budget.

    Attributes:
        block_rows_count: rows compared at a time.
        query_rows_count: queries that are at work in one pass over the rows.
    """

    block_rows_count: int
    query_rows_count: int


def fit_memory(queries_count: int, dim: int, k: int, memory_bytes: int) -> SearchSizes:
    """Sizes with which a search of [N, D] rows for k neighbours holds at most `memory_bytes`, whatever N is.

    Counted are one block as float32 and as mapped, the queries at work, the candidates kept for them, and FAISS's own
    tile; not the queries and results as a whole, which are the caller's.

    Raises:
        BadInput: the budget holds no block at all.
    """
    # per query: float32 row, FAISS's answers (value, place) waiting and in the merge, up to 4 candidates per place
    per_query = dim * 4 + (k + SPARE_COUNT) * 12 * (MAX_WAITING + 2) + 4 * k * (24 + 24)
    per_row = dim * (4 + 4)
    least = FAISS_BYTES + MIN_BLOCK_ROWS * per_row + per_query
    if memory_bytes < least:
        raise BadInput(
            f"search: {memory_bytes:,} bytes hold no block of rows of {dim} numbers and {k} neighbours; "
            f"set memory_bytes to at least {least:,}."
        )
    free = memory_bytes - FAISS_BYTES
    queries = max(1, min(queries_count, free // 2 // per_query, 8 * MAX_QUERY_ROWS))
    block = (free - queries * per_query) // per_row
    return SearchSizes(block_rows_count=min(max(block, MIN_BLOCK_ROWS), MAX_BLOCK_ROWS), query_rows_count=queries)


class Nearest(NamedTuple):
    """Rows nearest to some queries, best first.

    Attributes:
        cosines: [Q, k] float32.
        rows: [Q, k] int64, of what was searched.
    """

    cosines: np.ndarray
    rows: np.ndarray


def search_exact(
    queries: np.ndarray, base: np.ndarray | VectorShards, k: int, order: Order, sizes: SearchSizes, *,
    on_gpu: bool = False, progress: Progress | None = None,
) -> Nearest:  # fmt: skip
    """The k nearest rows of every query.

    Args:
        queries: [Q, D] unit rows, float16 or float32.
        base: [N, D] unit rows, N at least k.
        k: rows per query.
        order: gives the keys that decide between equal cosines.
        sizes: from `fit_memory`.
        on_gpu: let FAISS choose on all GPUs it sees.
        progress: called with the number of rows just compared with some queries; in all N for each pass of
            `sizes.query_rows_count` queries.

    Returns:
        The nearest rows, best first.
    """
    import numpy as np

    base = as_shards(base)
    cosines, rows = np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
    nearest = _nearest_on_gpus if on_gpu and k + SPARE_COUNT <= GPU_MAX_FETCH else _nearest_on_cpu
    for start in range(0, len(queries), sizes.query_rows_count):
        part = slice(start, min(start + sizes.query_rows_count, len(queries)))
        some = np.ascontiguousarray(queries[part], dtype=np.float32)
        best = _Best(some, k, order)
        for block in base.blocks(sizes.block_rows_count):
            _add_nearest(best, block, nearest)
            if progress:
                progress(len(block.rows))
        best.settle()
        _add_ties(best, base, sizes)
        cosines[part], rows[part] = best.table()
    return Nearest(cosines, rows)


class _Best:
    """Candidates of some queries: pairs of query and row with their cosine in float64, rounded to float32."""

    def __init__(self, queries: np.ndarray, k: int, order: Order) -> None:
        import numpy as np

        self.queries, self.k, self.order = queries, k, order
        self.bound = error_bound(queries.shape[1])
        self.query = np.zeros(0, dtype=np.int64)  # [P]
        self.row = np.zeros(0, dtype=np.int64)  # [P]
        self.cosine = np.zeros(0, dtype=np.float32)  # [P]
        self.near = np.full((len(queries), k), -np.inf, dtype=np.float32)  # FAISS's own best values, in no order
        self.hidden = np.full(len(queries), -np.inf, dtype=np.float32)  # best value a row that was held back may have
        self.waiting: list[tuple[Block, np.ndarray, np.ndarray]] = []  # with FAISS's values and places, [Q, fetch]

    def look_closer(self) -> None:
        """Compute the cosines of what FAISS found and may still be among the best; the later, the fewer they are."""
        import numpy as np

        for block, values, places in self.waiting:
            query, column = np.nonzero(values >= self.near[:, :1] - 2 * self.bound)
            place = places[query, column]
            self.add(query, place + block.first, pair_cosines(self.queries, query, block.rows, place))
        self.waiting = []

    def add(self, query: np.ndarray, row: np.ndarray, cosine: np.ndarray) -> None:
        """Take pairs among the candidates."""
        import numpy as np

        self.query = np.concatenate([self.query, query])
        self.row = np.concatenate([self.row, row])
        self.cosine = np.concatenate([self.cosine, cosine])
        if len(self.query) > 3 * len(self.queries) * self.k:
            self._keep_best()

    def settle(self) -> None:
        """Keep the k best of every query, sorted."""
        self.look_closer()
        self._keep_best()

    def _keep_best(self) -> None:
        import numpy as np

        keys = self.order(self.row)
        by = np.lexsort((keys, -self.cosine, self.query))
        query = self.query[by]
        starts = np.searchsorted(query, np.arange(len(self.queries)))
        kept = by[np.arange(len(query)) - starts[query] < self.k]
        self.query, self.row, self.cosine = self.query[kept], self.row[kept], self.cosine[kept]

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """[Q, k] cosines and rows, once settled."""
        shape = len(self.queries), self.k
        return self.cosine.reshape(shape), self.row.reshape(shape)


def _add_nearest(
    best: _Best, block: Block,
    nearest: Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]],
) -> None:  # fmt: skip
    """Take what FAISS finds in a block among the candidates."""
    import numpy as np

    fetch = min(best.k + SPARE_COUNT, len(block.rows))
    values, places = nearest(best.queries, block.rows, fetch)  # [Q, fetch] best first
    if len(block.rows) > fetch:
        best.hidden = np.maximum(best.hidden, values[:, -1])
    together = np.concatenate([best.near, values], axis=1)
    best.near = np.partition(together, -best.k, axis=1)[:, -best.k :]
    best.waiting.append((block, values, places))
    if not block.is_lasting or len(best.waiting) >= MAX_WAITING:
        best.look_closer()


def _add_ties(best: _Best, base: VectorShards, sizes: SearchSizes) -> None:
    """Look at every row again for the queries whose last place a row that was held back may tie with or take."""
    import numpy as np

    last = best.cosine[best.k - 1 :: best.k]
    opened = np.flatnonzero(best.hidden >= last - best.bound)
    for some in (opened[start : start + TIE_QUERIES] for start in range(0, len(opened), TIE_QUERIES)):
        again = _Best(best.queries[some], best.k, best.order)
        for first, block, _ in base.blocks(min(sizes.block_rows_count, TIE_ROWS)):
            products = again.queries @ block.T  # [q, n]
            near = products >= (last[some] - best.bound)[:, None]
            columns = _thin(np.flatnonzero(near.any(axis=0)), first, block, best)
            query, column = np.nonzero(near[:, columns])
            place = columns[column]
            again.add(query, place + first, pair_cosines(again.queries, query, block, place))
        again.settle()
        place = (some[:, None] * best.k + np.arange(best.k)).ravel()
        best.cosine[place], best.row[place] = again.cosine, again.row


def _thin(columns: np.ndarray, first: int, block: np.ndarray, best: _Best) -> np.ndarray:
    """Of rows that are equal number by number only the first k can be wanted; thousands of one picture are common."""
    import numpy as np

    if len(columns) <= best.k:
        return columns
    width = block.shape[1] * block.dtype.itemsize
    content = np.ascontiguousarray(block[columns]).view(np.dtype((np.void, width))).ravel()
    group = np.unique(content, return_inverse=True)[1]
    by = np.lexsort((best.order(columns + first), group))
    starts = np.searchsorted(group[by], np.arange(group.max() + 1))
    return np.sort(columns[by[np.arange(len(by)) - starts[group[by]] < best.k]])


def _nearest_on_cpu(queries: np.ndarray, block: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    import faiss

    return faiss.knn(queries, block, k, metric=faiss.METRIC_INNER_PRODUCT)


@cache
def _gpu_resources(_device: int) -> Any:
    import faiss

    return faiss.StandardGpuResources()


def _nearest_on_gpus(queries: np.ndarray, block: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The queries are shared out among the GPUs; each compares them with the whole block."""
    from concurrent.futures import ThreadPoolExecutor

    import faiss
    import numpy as np

    count = faiss.get_num_gpus()
    parts = [part for part in np.array_split(queries, count) if len(part)]

    def search(device: int) -> tuple[np.ndarray, np.ndarray]:
        resources = _gpu_resources(device)
        return faiss.knn_gpu(resources, parts[device], block, k, metric=faiss.METRIC_INNER_PRODUCT, device=device)

    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(search, range(len(parts))))
    return np.concatenate([values for values, _ in found]), np.concatenate([places for _, places in found])
