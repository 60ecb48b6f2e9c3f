"""Exact search of 1,000 class texts over 200,000 images of 512 dimensions, against bare FAISS on the same vectors.

Three rows: the search alone, over float32 rows in memory in eight shards, against `IndexFlatIP.search`; a whole table
of hits against an index that is filled and searched; and float16 files searched block by block against the same files
read, widened, added and searched. Repeats are interleaved and the medians compared.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from relaionet.manifests.labels import read_labels
from relaionet.pipeline.retrieval.search import RetrieveConfig, nearest_rows, search_index
from relaionet.pipeline.retrieval.shards import as_shards, map_files
from tests.bench.row import Row

IMAGES_COUNT, DIM, NEIGHBOURS, SHARDS = 200_000, 512, 50, 8
REPEATS = 3
CONFIG = RetrieveConfig(neighbours_per_label_count=NEIGHBOURS, device="cpu")


def unit_rows(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, DIM), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def alternate(*works: Callable[[], Any]) -> list[float]:
    """Median seconds of each, run in turns so that what else the machine does falls on all alike."""
    seconds: list[list[float]] = [[] for _ in works]
    for turn in range(REPEATS + 1):
        for work, spent in zip(works, seconds, strict=True):
            started = time.perf_counter()
            work()
            if turn:  # the first warms up
                spent.append(time.perf_counter() - started)
    return [statistics.median(spent) for spent in seconds]


def measure() -> list[Row]:
    import faiss

    images, texts = unit_rows(IMAGES_COUNT, 0), unit_rows(1000, 1)
    ids = [f"{i:064x}" for i in range(IMAGES_COUNT)]
    shards = as_shards(*np.array_split(images, SHARDS))
    index = faiss.IndexFlatIP(DIM)
    index.add(images)

    def fill_and_search(rows: np.ndarray) -> None:
        fresh = faiss.IndexFlatIP(DIM)
        fresh.add(rows)
        fresh.search(texts, NEIGHBOURS)

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"img_emb_{place}.npy") for place in range(SHARDS)]
        for path, part in zip(paths, np.array_split(images, SHARDS), strict=True):
            np.save(path, part.astype(np.float16))
        alone, bare, table, filled, stored, loaded = alternate(
            lambda: nearest_rows(texts, shards, NEIGHBOURS, CONFIG),
            lambda: index.search(texts, NEIGHBOURS),
            lambda: search_index(texts, shards, ids, read_labels(), CONFIG),
            lambda: fill_and_search(images),
            lambda: nearest_rows(texts, map_files(paths), NEIGHBOURS, CONFIG),
            lambda: fill_and_search(np.concatenate([np.load(path) for path in paths]).astype(np.float32)),
        )
    return [
        Row(name="exact_search", ours=alone, peer=bare, goal="<=1.1", unit="s (bare FAISS search)"),
        Row(name="exact_search table", ours=table, peer=filled, goal="<=1.1", unit="s (FAISS add + search)"),
        Row(name="exact_search files", ours=stored, peer=loaded, goal="<=1.1", unit="s (load, FAISS add + search)"),
    ]
