"""Inverted-file indexes on FAISS: made from shards within a budget, tuned to a wanted recall that is measured.

An index only chooses rows; their cosines are computed again from the rows themselves and sorted as in an exact search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.machine import memory_budget
from relaionet.pipeline.retrieval.cosines import pair_cosines
from relaionet.pipeline.retrieval.exact import SPARE_COUNT, Nearest, Order, Progress, fit_memory, search_exact
from relaionet.pipeline.retrieval.index_plan import IndexConfig, IndexPlan
from relaionet.pipeline.retrieval.shards import VectorShards, as_shards

if TYPE_CHECKING:
    import numpy as np

VERSION = "1"
ADD_ROWS = 65_536
QUERY_ROWS = 4096
ROTATION_PASSES = 10  # FAISS's 50 take five times as long; what they would gain, the sorting by the rows makes up for
PQ_FETCH_FACTOR = 10  # rows fetched per row wanted where codes only estimate cosines


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What an index finds of the true nearest rows, measured against an exact search of all rows.

    Attributes:
        measured: share of the true `at` nearest rows found with `probes_count` cells looked into, 0 to 1; a row as near
            as the last true one counts as one.
        at: neighbours.
        wanted: what was asked for.
        queries: what was asked: `rows` of the set itself (each without itself) or what the caller named.
        queries_count: how many.
        by_probes: measured share by number of cells looked into.
    """

    measured: float
    at: int
    wanted: float
    queries: str
    queries_count: int
    by_probes: dict[int, float]

    def text(self) -> str:
        """In one line; says where what was wanted is not reached."""
        lack = "" if self.measured >= self.wanted else f", short of the {self.wanted:.3f} wanted"
        probes = max(self.by_probes)
        return (
            f"recall@{self.at} {self.measured:.4f}{lack}, {probes:,} cells looked into, measured on "
            f"{self.queries_count:,} {self.queries}"
        )


class VectorIndex:
    """An index together with the rows it was made of.

    Args:
        index: FAISS's.
        base: [N, D] unit rows.
        plan: that it was made after.
        probes_count: cells looked into per query.
        recall: as measured; None before.
        memory_bytes: most that a search may hold beside the index; 0 takes half of what is free.
    """

    def __init__(
        self, index: Any, base: VectorShards, plan: IndexPlan, *, probes_count: int = 1, recall: Recall | None = None,
        memory_bytes: int = 0,
    ) -> None:  # fmt: skip
        self.index, self.base, self.plan = index, base, plan
        self.probes_count, self.recall, self.memory_bytes = probes_count, recall, memory_bytes

    def search(self, queries: np.ndarray, k: int, order: Order) -> Nearest:
        """The nearest rows of every query, as far as the index finds them.

        Args:
            queries: [Q, D] unit rows.
            k: rows per query; N where there are fewer.
            order: gives the keys that decide between equal cosines.

        Returns:
            [Q, k] cosines and rows, best first. Queries whose cells hold fewer than k rows are
            searched exactly.

        Raises:
            BadInput: the widths differ.
        """
        import numpy as np

        if queries.ndim != 2 or queries.shape[1] != self.base.dim:
            raise BadInput(f"search: queries {queries.shape} for an index of rows of {self.base.dim}.")
        k = min(k, len(self.base))
        cosines, rows = np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
        for start in range(0, len(queries), QUERY_ROWS):
            part = slice(start, start + QUERY_ROWS)
            some = np.ascontiguousarray(queries[part], dtype=np.float32)
            cosines[part], rows[part] = self._search_some(some, k, order)
        short = np.flatnonzero((rows < 0).any(axis=1))
        if len(short):
            sizes = fit_memory(len(short), self.base.dim, k, memory_budget(self.memory_bytes))
            cosines[short], rows[short] = search_exact(queries[short], self.base, k, order, sizes)
        return Nearest(cosines, rows)

    def _search_some(self, queries: np.ndarray, k: int, order: Order) -> Nearest:
        import numpy as np

        fetch = min(len(self.base), PQ_FETCH_FACTOR * k if self.plan.code_bytes else k + SPARE_COUNT)
        found = self.index.search(queries, fetch, params=_probes(self.index, self.probes_count))[1]  # [q, fetch]
        query, column = np.nonzero(found >= 0)
        row = found[query, column]
        values = np.full(found.shape, -np.inf, dtype=np.float32)
        for part in _parts(len(row), self.base.dim):
            unique, place = np.unique(row[part], return_inverse=True)
            values[query[part], column[part]] = pair_cosines(queries, query[part], self.base.take(unique), place)
        keys = order(np.maximum(found, 0).ravel()).reshape(found.shape)
        best = np.lexsort((keys, -values), axis=1)[:, :k]
        return Nearest(np.take_along_axis(values, best, axis=1), np.take_along_axis(found, best, axis=1))


def make_index(
    vectors: np.ndarray | VectorShards, plan: IndexPlan, config: IndexConfig, queries: np.ndarray | None = None,
    progress: Progress | None = None,
) -> VectorIndex:  # fmt: skip
    """Make an index in memory and tune it.

    Args:
        vectors: [N, D] unit rows.
        plan: from `plan_index`, not exact.
        config: kind and sizes of the index, the wanted recall, and the budget of memory.
        queries: [Q, D] unit rows of the kind that will be asked; rows of the set itself where None. Texts lie apart
            from pictures in CLIP's space, so what is found for the ones says little about the others.
        progress: called with the number of rows just added.

    Returns:
        The index, with its recall.
    """
    base = as_shards(vectors)
    index = train_index(base, plan, config)
    for block in base.blocks(ADD_ROWS):
        index.add(block.rows)
        if progress:
            progress(len(block.rows))
    made = VectorIndex(index, base, plan, memory_bytes=config.memory_bytes)
    tune_index(made, config, queries)
    return made


def train_index(base: VectorShards, plan: IndexPlan, config: IndexConfig) -> Any:
    """An empty FAISS index, its cells (and codes) learned from a sample of the rows; the same seed, the same index.

    Raises:
        BadInput: the plan asks for no index.
    """
    import faiss
    import numpy as np

    if plan.kind == "exact":
        raise BadInput("index: the plan is an exact search; there is no index to make.")
    rng = np.random.default_rng(config.seed)
    rows = np.sort(rng.choice(len(base), plan.training_rows_count, replace=False))
    sample = np.ascontiguousarray(base.take(rows), dtype=np.float32)
    index: Any = faiss.index_factory(plan.dim, f"IVF{plan.cells_count},SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.by_residual = False  # float16 rows are kept as they are
    if plan.code_bytes:
        # np: codes need no order of their own, which would take most of the training and nothing here uses
        codes = f"IVF{plan.cells_count},PQ{plan.code_bytes}x8np"
        index = faiss.index_factory(plan.dim, codes, faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.min_points_per_centroid = 1
    index.cp.seed = config.seed + 1
    index.cp.min_points_per_centroid = 1  # the plan sees to enough of them, and says where memory allowed fewer
    if not plan.code_bytes:
        index.train(sample)
        return index
    rotation = faiss.OPQMatrix(plan.dim, plan.code_bytes)
    rotation.niter, rotation.pq = ROTATION_PASSES, index.pq
    whole = faiss.IndexPreTransform(rotation, index)
    whole.train(sample)
    return whole


def tune_index(
    index: VectorIndex, config: IndexConfig, queries: np.ndarray | None = None, name: str = "rows"
) -> Recall:
    """Look into more cells, doubling, until the wanted recall is reached, and remember what was measured.

    Args:
        index: filled.
        config: `probes_count` set there is kept to, and measured.
        queries: as for `make_index`; at most `sample_count` of them are asked.
        name: what the queries are, for the record.
    """
    import numpy as np

    rng, base = np.random.default_rng(config.seed), index.base
    count = min(config.sample_count, len(base) if queries is None else len(queries))
    chosen = np.sort(rng.choice(len(base) if queries is None else len(queries), count, replace=False))
    asked = np.ascontiguousarray(base.take(chosen) if queries is None else queries[chosen], dtype=np.float32)
    own = chosen if queries is None else np.full(count, -1)
    at = min(config.recall_at, len(base) - (queries is None))
    fetch = at + (queries is None)  # a row of the set finds itself, which proves nothing
    sizes = fit_memory(count, base.dim, fetch, memory_budget(config.memory_bytes))
    true = _others(*search_exact(asked, base, fetch, lambda rows: rows, sizes), own, at)
    last, by_probes = true[:, at - 1 : at], {}
    for probes in _ladder(config.probes_count, index.plan.cells_count):
        index.probes_count = probes
        found = _others(*index.search(asked, fetch, lambda rows: rows), own, at)
        by_probes[probes] = round(float((found >= last).mean()), 5)
        if by_probes[probes] >= config.wanted_recall:
            break
    index.recall = Recall(
        measured=by_probes[probes], at=at, wanted=config.wanted_recall, queries=name, queries_count=count,
        by_probes=by_probes,
    )  # fmt: skip
    return index.recall


def _ladder(stated: int, cells_count: int) -> Sequence[int]:
    if stated:
        return [min(stated, cells_count)]
    return [*(2**power for power in range(cells_count.bit_length()) if 2**power < cells_count), cells_count]


def _others(cosines: np.ndarray, rows: np.ndarray, own: np.ndarray, at: int) -> np.ndarray:
    """[Q, at] cosines of the nearest rows without the query's own."""
    import numpy as np

    is_own = rows == own[:, None]
    # stable: the own row goes last, the others keep their order
    by = np.argsort(is_own, axis=1, kind="stable")
    return np.take_along_axis(cosines, by, axis=1)[:, :at]


def _parts(count: int, dim: int) -> Sequence[slice]:
    step = max(1, (16 << 20) // (dim * 4))
    return [slice(start, start + step) for start in range(0, count, step)]


def _probes(index: Any, probes_count: int) -> Any:
    import faiss

    made: Any = faiss  # its type stubs know no arguments of these two
    inner = made.SearchParametersIVF(nprobe=probes_count)
    if isinstance(index, faiss.IndexPreTransform):
        return made.SearchParametersPreTransform(index_params=inner)
    return inner
