"""Peak memory of a search of files on disk against the budget it was given, in a process of its own.

200,000 float16 rows of 512 in eight files (200 MB) are searched for 1,000 texts and for 5,000 pictures. Ours is what
the process's peak grew by over what it held before, without the queries and the results, which are the caller's.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path

import numpy as np

from tests.bench.row import Row

ROWS_COUNT, DIM, SHARDS, K = 200_000, 512, 8, 50
BUDGETS_MB = (96, 256)
QUERIES = (1000, 5000)


def status_bytes(field: str) -> int:
    """VmRSS or VmHWM (its peak) of this process; Linux alone, as getrusage's peak outlives the start of a process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))


def write_rows(folder: Path) -> list[Path]:
    paths = [folder / f"img_emb_{place}.npy" for place in range(SHARDS)]
    for seed, path in enumerate(paths):
        rows = np.random.default_rng(seed).standard_normal((ROWS_COUNT // SHARDS, DIM), dtype=np.float32)
        np.save(path, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16))
    return paths


def search(paths: list[Path], queries_count: int, budget: int) -> int:
    from relaionet.pipeline.retrieval.search import RetrieveConfig, nearest_rows
    from relaionet.pipeline.retrieval.shards import map_files

    queries = np.random.default_rng(99).standard_normal((queries_count, DIM), dtype=np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    nearest_rows(queries[:1], queries[:100], 1, RetrieveConfig(device="cpu"))  # FAISS is loaded
    results_bytes = queries_count * K * (4 + 8)
    before = status_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak so far
    nearest_rows(queries, map_files(paths), K, RetrieveConfig(device="cpu", memory_bytes=budget))
    return status_bytes("VmHWM") - before - results_bytes


def measure() -> list[Row]:
    rows, context = [], multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_rows(Path(folder))
        for megabytes in BUDGETS_MB:
            for count in QUERIES:
                with context.Pool(1) as pool:  # a fresh process each
                    grown = pool.apply(search, (paths, count, megabytes << 20))
                name = f"search_memory {megabytes} MiB {count:,}"
                rows.append(Row(name=name, ours=grown / 2**20, peer=megabytes, goal="<=1", unit="MiB (stated budget)"))
    return rows
