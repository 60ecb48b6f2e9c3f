"""Hashes of ImageNet's size: 200,000 candidates, straight and mirrored, against a reference set of 1.3 million.

Made hashes with half of their bits set, as perceptual hashes have, a thousand of them in both sets a few bits apart;
12 of 64 bits, blocks of 65,536 as a reference set is read. A tenth of the candidates is searched, and counted ten
times, against a stated ten minutes; and against FAISS's multi-index hashing, which finds the same pairs, on a
hundredth of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import faiss
import numpy as np

from relaionet.pipeline.retrieval.hashes import HashIndex
from relaionet.pipeline.screens.references import BLOCK_ROWS
from tests.bench.row import Row

BASE_COUNT, CANDIDATES_COUNT, SEARCHED_COUNT = 1_300_000, 200_000, 20_000
PLANTED_COUNT, BITS = 1000, 12
STATED_S = 600
MULTI_COUNT = 200
TABLES, TABLE_BITS, FLIPS = 3, 21, 4  # 12 bits over 3 tables: one of them differs in 4 at most


def make_hashes(count: int, rng: np.random.Generator) -> np.ndarray:
    parts = [rng.random((min(100_000, count - start), 64)).argsort(axis=1) < 32 for start in range(0, count, 100_000)]
    return np.packbits(np.concatenate(parts), axis=1)


def hexes(hashes: np.ndarray) -> list[str]:
    text = hashes.tobytes().hex()
    return [text[start : start + 16] for start in range(0, len(text), 16)]


def measure() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    base, straight, mirrored = (make_hashes(count, rng) for count in (BASE_COUNT, SEARCHED_COUNT, SEARCHED_COUNT))
    places = rng.choice(BASE_COUNT, PLANTED_COUNT, replace=False)
    flips = np.packbits(rng.random((PLANTED_COUNT, 64)).argsort(axis=1) < rng.integers(0, BITS + 1, (PLANTED_COUNT, 1)),
                        axis=1)  # fmt: skip
    straight[:PLANTED_COUNT] = base[places] ^ flips
    blocks = [hexes(base[start : start + BLOCK_ROWS]) for start in range(0, BASE_COUNT, BLOCK_ROWS)]
    started = time.perf_counter()
    found = set()
    pairs_count = 0
    for number, block in enumerate(blocks):
        index = HashIndex(block)
        for hashes in (straight, mirrored):
            left, right, _ = index.near(hashes, BITS)
            pairs_count += len(left)
            if hashes is straight:
                found |= set(zip(left.tolist(), (right + number * BLOCK_ROWS).tolist(), strict=True))
    seconds = (time.perf_counter() - started) * CANDIDATES_COUNT / SEARCHED_COUNT
    assert set(enumerate(places.tolist())) <= found
    unit = f"s, {pairs_count * CANDIDATES_COUNT // SEARCHED_COUNT:,} pairs to lay over each other (stated)"
    yield Row(name="near_hashes", ours=seconds, peer=STATED_S, goal="<=1", unit=unit)
    multi = faiss.IndexBinaryMultiHash(64, TABLES, TABLE_BITS)
    multi.nflip = FLIPS
    multi.add(base)
    started = time.perf_counter()
    limits, _, rows = multi.range_search(straight[:MULTI_COUNT], BITS + 1)
    peer = (time.perf_counter() - started) * 2 * CANDIDATES_COUNT / MULTI_COUNT
    theirs = set(
        zip(np.repeat(np.arange(MULTI_COUNT), np.diff(limits.astype(np.int64))).tolist(), rows.tolist(), strict=True)
    )
    assert theirs == {pair for pair in found if pair[0] < MULTI_COUNT}
    yield Row(name="near_hashes_multi", ours=seconds, peer=peer, goal="<=1", unit="s (FAISS's IndexBinaryMultiHash)")
