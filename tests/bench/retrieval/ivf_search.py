"""An index of the default recall (0.99) against exact search of the same 300,000 rows of 256 around 2,000 centres."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import numpy as np

from relaionet.pipeline.retrieval.cosines import exact_cosines
from relaionet.pipeline.retrieval.index_plan import IndexConfig, plan_index
from relaionet.pipeline.retrieval.ivf import make_index
from relaionet.pipeline.retrieval.search import RetrieveConfig, nearest_rows
from tests.bench.row import Row

ROWS_COUNT, DIM, CENTRES, QUERIES, K = 300_000, 256, 2000, 2000, 10
SPREADS = (0.5, 1.0)  # length of the noise against that of the centre
REPEATS = 3


def rows_around(centres: np.ndarray, count: int, spread: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal((count, DIM), dtype=np.float32) * np.float32(spread / np.sqrt(DIM))
    rows = centres[rng.integers(0, len(centres), count)] + noise
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def measure() -> Iterator[Row]:
    for spread in SPREADS:
        rng = np.random.default_rng(0)
        centres = rng.standard_normal((CENTRES, DIM), dtype=np.float32)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        base, queries = rows_around(centres, ROWS_COUNT, spread, rng), rows_around(centres, QUERIES, spread, rng)
        config = IndexConfig()
        index = make_index(base, plan_index(ROWS_COUNT, DIM, config), config)
        print(f"{index.plan.text()}\n{index.recall.text() if index.recall else ''}")
        exact, fast = [], []
        for _ in range(REPEATS):
            started = time.perf_counter()
            true = nearest_rows(queries, base, K, RetrieveConfig(device="cpu"))
            exact.append(QUERIES / (time.perf_counter() - started))
            started = time.perf_counter()
            found = index.search(queries, K, lambda row: row)
            fast.append(QUERIES / (time.perf_counter() - started))
        recall = np.mean([len(set(one) & set(other)) / K for one, other in zip(found[1], true[1], strict=True)])
        np.testing.assert_array_equal(found[0], exact_cosines(queries, base, found[1]))
        about = f"spread {spread:g}"
        yield Row(
            name=f"ivf_search {about}", ours=statistics.median(fast), peer=statistics.median(exact), goal=">=10",
            unit="queries per second (exact search)",
        )  # fmt: skip
        yield Row(
            name=f"ivf_search {about} recall", ours=float(recall), peer=1.0, goal=">=0.97",
            unit=f"recall@{K} on {QUERIES:,} queries it was not tuned on (exact search)",
        )  # fmt: skip
