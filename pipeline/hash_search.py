"""All pairs of perceptual hashes that differ in few bits, on FAISS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from relaionet.manifests.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

BLOCK_ROWS = 4096


def near_hashes(
    hashes: Sequence[str], base: Sequence[str], max_distance: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of perceptual hashes that differ in few bits, exactly.

    Args:
        hashes: N hashes of 16 hex digits.
        base: M hashes of 16 hex digits.
        max_distance: bits, 0 to 64.

    Returns:
        Rows of `hashes`, rows of `base` and distances, each [P] int64, ordered by both rows.

    Raises:
        BadInput: a hash is no 16 hex digits.
    """
    import faiss
    import numpy as np

    if not len(hashes) or not len(base):
        return (np.zeros(0, dtype=np.int64),) * 3
    index = faiss.IndexBinaryFlat(64)
    index.add(_hash_bytes(base))
    queries = _hash_bytes(hashes)
    found = []
    for start in range(0, len(queries), BLOCK_ROWS):
        # FAISS keeps distances below the radius
        limits, distances, rows = index.range_search(queries[start : start + BLOCK_ROWS], max_distance + 1)
        counts = (limits[1:] - limits[:-1]).astype(np.int64)
        found.append((np.repeat(np.arange(start, start + len(counts)), counts), rows, distances.astype(np.int64)))
    left, right, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((right, left))
    return left[order], right[order], distance[order]


def _hash_bytes(hashes: Sequence[str]) -> np.ndarray:
    import numpy as np

    try:
        return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(len(hashes), 8)
    except ValueError:
        raise BadInput("perceptual hashes must be 16 hex digits each; make the embeddings again.") from None
