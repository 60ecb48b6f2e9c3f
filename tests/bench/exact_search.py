"""Exact search of 1,000 class texts over 200,000 images of 512 dimensions, against bare FAISS on the same vectors."""

from __future__ import annotations

import time

import numpy as np

from relaionet.manifests.labels import read_labels
from relaionet.pipeline.retrieve import RetrieveConfig, search_index
from tests.bench.row import Row

IMAGES_COUNT, DIM, NEIGHBOURS = 200_000, 512, 50
REPEATS = 3


def unit_rows(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, DIM), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def measure() -> list[Row]:
    import faiss

    images, texts = unit_rows(IMAGES_COUNT, 0), unit_rows(1000, 1)
    ids = [f"{i:064x}" for i in range(IMAGES_COUNT)]
    config = RetrieveConfig(neighbours_per_label_count=NEIGHBOURS)
    ours, bare = [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        index = faiss.IndexFlatIP(DIM)
        index.add(images)
        index.search(texts, NEIGHBOURS)
        bare.append(time.perf_counter() - started)
        started = time.perf_counter()
        search_index(texts, images, ids, read_labels(), config)
        ours.append(time.perf_counter() - started)
    return [Row(name="exact_search", ours=min(ours), peer=min(bare), goal="<=1.1", unit="s (bare FAISS, add + search)")]
