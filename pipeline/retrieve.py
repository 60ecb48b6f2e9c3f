"""Nearest neighbours by inner product of unit rows, on FAISS; exact, with ties in a stable order.

FAISS chooses the neighbours, a few more than asked for; their cosines are then computed again in float64 and sorted,
so the result does not depend on the order of the rows, the number of threads or the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.labels import Label
from relaionet.manifests.tables import HITS, shape_table

if TYPE_CHECKING:
    import numpy as np

VERSION = "1"
SPARE_COUNT = 8  # neighbours fetched beyond those asked for, so that rounding in FAISS decides nothing
MAX_FETCH = 2048  # limit of FAISS on a GPU; more pictures than this at one cosine may be cut in any order
ROUNDING = 1e-6  # of a float32 inner product in FAISS
HASH_BLOCK_ROWS = 4096
BLOCK_BYTES = 64 << 20
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class RetrieveConfig:
    """How labels are searched among pictures.

    Attributes:
        neighbours_per_label_count: pictures kept per label.
        device: `auto` (a GPU where FAISS has one), `cpu` or `cuda`.
        add_rows_count: rows handed to the index at a time; bounds the float32 copy.
        query_rows_count: queries searched at a time.
    """

    neighbours_per_label_count: int = 200
    device: str = "auto"
    add_rows_count: int = 65_536
    query_rows_count: int = 4096


def build_index(vectors: np.ndarray, config: RetrieveConfig) -> Any:
    """An exact inner-product FAISS index over unit rows, on the GPUs where FAISS sees some.

    Args:
        vectors: [N, D] float16 or float32 unit rows, N at least 1.
        config: see there.

    Returns:
        `faiss.Index` holding float32 rows; on the CPU 4·N·D bytes.

    Raises:
        BadInput: the rows are no matrix, or a GPU is asked for and FAISS has none.
    """
    import faiss
    import numpy as np

    if vectors.ndim != 2 or not len(vectors):
        raise BadInput(f"an index needs rows of shape [N, D]; got {vectors.shape}.")
    index: Any = faiss.IndexFlatIP(vectors.shape[1])
    if _on_gpu(config):
        index = faiss.index_cpu_to_all_gpus(index)
    for start in range(0, len(vectors), config.add_rows_count):
        index.add(np.ascontiguousarray(vectors[start : start + config.add_rows_count], dtype=np.float32))
    return index


def _on_gpu(config: RetrieveConfig) -> bool:
    import faiss

    if config.device not in DEVICES:
        raise BadInput(f"retrieve: device '{config.device}' is not known.{nearest_name(config.device, DEVICES)}")
    # the CPU build of FAISS has no such function
    count = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    if config.device == "cuda" and not count:
        raise BadInput("retrieve: device 'cuda' is asked for and FAISS sees no GPU; use 'auto' or install faiss-gpu.")
    return config.device != "cpu" and count > 0


def search_index(
    label_vectors: np.ndarray, image_vectors: np.ndarray, candidate_ids: Sequence[str], labels: Sequence[Label],
    config: RetrieveConfig,
) -> pl.DataFrame:  # fmt: skip
    """The nearest pictures of every label.

    Args:
        label_vectors: [C, D] unit rows.
        image_vectors: [N, D] unit rows.
        candidate_ids: of the N pictures.
        labels: of the C rows.
        config: see there.

    Returns:
        HITS, labels in order and rank 0 nearest; equal cosines stand in order of candidate_id.

    Raises:
        BadInput: the numbers or widths of the rows do not fit each other.
    """
    import numpy as np

    _check_fit(label_vectors, image_vectors)
    if len(labels) != len(label_vectors) or len(candidate_ids) != len(image_vectors):
        raise BadInput(
            f"search: {len(labels)} labels for {len(label_vectors)} label rows, {len(candidate_ids)} ids for "
            f"{len(image_vectors)} pictures; the numbers must be the same."
        )
    k = min(config.neighbours_per_label_count, len(image_vectors))
    if not k or not labels:
        return HITS.empty()
    if k + SPARE_COUNT > MAX_FETCH:
        config = replace(config, device="cpu")
    index = build_index(image_vectors, config)
    cosines, rows = _nearest(index, image_vectors, label_vectors, k, _rank(candidate_ids), config)
    table = pl.DataFrame(
        {
            "class_index": np.repeat([label.class_index for label in labels], k),
            "wnid": np.repeat([label.wnid for label in labels], k),
            "candidate_id": pl.Series(candidate_ids, dtype=pl.String).gather(rows.ravel()),
            "cosine": cosines.ravel().clip(-1, 1),  # float16 rows are unit rows to 1e-3
            "rank": np.tile(np.arange(k), len(labels)),
        }
    )
    return shape_table(table, HITS)


def top_labels(
    image_vectors: np.ndarray, label_vectors: np.ndarray, k: int, config: RetrieveConfig
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest labels of every picture: `nearest_rows` with pictures as queries, [N, D] and [C, D] unit rows."""
    return nearest_rows(image_vectors, label_vectors, k, config)


def nearest_rows(
    queries: np.ndarray, base: np.ndarray, k: int, config: RetrieveConfig
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows of every query.

    Args:
        queries: [Q, D] unit rows.
        base: [N, D] unit rows.
        k: rows per query; N where there are fewer.
        config: see there.

    Returns:
        [Q, k] float32 cosines, best first, and [Q, k] int64 rows of `base`; ties by smaller row.
    """
    import numpy as np

    _check_fit(queries, base)
    k = min(k, len(base))
    if k + SPARE_COUNT > MAX_FETCH:
        config = replace(config, device="cpu")
    return _nearest(build_index(base, config), base, queries, k, np.arange(len(base)), config)


def nearest_images(
    vectors: np.ndarray, candidate_ids: Sequence[str], config: RetrieveConfig
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other picture of every picture.

    Args:
        vectors: [N, D] unit rows.
        candidate_ids: of the N pictures; decide ties.
        config: see there.

    Returns:
        [N] float32 cosines and [N] int64 rows; NaN and -1 where there is no other picture.
    """
    import numpy as np

    count = len(vectors)
    if count < 2:
        return np.full(count, np.nan, dtype=np.float32), np.full(count, -1, dtype=np.int64)
    index = build_index(vectors, config)
    cosines, rows = _nearest(index, vectors, vectors, 2, _rank(candidate_ids), config)
    # among ties a picture need not be its own first neighbour, nor be among the two at all
    other = np.where(rows[:, 0] == np.arange(count), 1, 0)
    return cosines[np.arange(count), other], rows[np.arange(count), other]


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
    """
    import faiss
    import numpy as np

    if not len(hashes) or not len(base):
        return (np.zeros(0, dtype=np.int64),) * 3
    index = faiss.IndexBinaryFlat(64)
    index.add(_hash_bytes(base))
    queries = _hash_bytes(hashes)
    found = []
    for start in range(0, len(queries), HASH_BLOCK_ROWS):
        # FAISS keeps distances below the radius
        limits, distances, rows = index.range_search(queries[start : start + HASH_BLOCK_ROWS], max_distance + 1)
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


def exact_cosines(queries: np.ndarray, base: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Cosines of chosen pairs of unit rows, a function of the two rows alone.

    Args:
        queries: [n, D] unit rows.
        base: [N, D] unit rows.
        rows: [n, k] rows of `base`.

    Returns:
        [n, k] float32, summed in float64.
    """
    import numpy as np

    result = np.empty(rows.shape, dtype=np.float32)
    step = max(1, BLOCK_BYTES // max(1, rows.shape[1] * base.shape[1] * 8))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        chosen = base[rows[part]].astype(np.float64)  # [step, k, D]
        result[part] = np.einsum("nkd,nd->nk", chosen, queries[part].astype(np.float64))
    return result


def _check_fit(left: np.ndarray, right: np.ndarray) -> None:
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise BadInput(f"search: rows {left.shape} and {right.shape} must have one width; embed both with one encoder.")


def _rank(names: Sequence[str]) -> np.ndarray:
    """Place of every name in sorted order, [N] int64."""
    import numpy as np

    rank = np.empty(len(names), dtype=np.int64)
    rank[pl.Series(names, dtype=pl.String).arg_sort().to_numpy()] = np.arange(len(names))
    return rank


def _nearest(
    index: Any, base: np.ndarray, queries: np.ndarray, k: int, order: np.ndarray, config: RetrieveConfig
) -> tuple[np.ndarray, np.ndarray]:
    """[Q, k] cosines and rows, sorted by cosine (largest first), then by `order` of the row."""
    import numpy as np

    cosines = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    for start in range(0, len(queries), config.query_rows_count):
        part = np.arange(start, min(start + config.query_rows_count, len(queries)))
        fetch = min(len(base), k + SPARE_COUNT)
        while len(part):
            is_open = _fill(index, base, queries, part, fetch, order, cosines, rows)
            # with every row fetched, or as many as a GPU can give, nothing further is to be found
            if fetch >= min(len(base), MAX_FETCH):
                break
            part, fetch = part[is_open], min(len(base), MAX_FETCH, fetch * 4)
    return cosines, rows


def _fill(
    index: Any, base: np.ndarray, queries: np.ndarray, part: np.ndarray, fetch: int, order: np.ndarray,
    cosines: np.ndarray, rows: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Search some queries, write their best into the results; True where ties may go on behind the last one fetched."""
    import numpy as np

    block = np.ascontiguousarray(queries[part], dtype=np.float32)
    found = index.search(block, fetch)[1]  # [n, fetch]
    values = exact_cosines(block, base, found)
    best = np.lexsort((order[found], -values), axis=1)[:, : rows.shape[1]]
    rows[part] = np.take_along_axis(found, best, axis=1)
    cosines[part] = np.take_along_axis(values, best, axis=1)
    return values.min(axis=1) >= cosines[part, -1] - ROUNDING
