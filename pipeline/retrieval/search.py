"""Nearest neighbours by inner product of unit rows: the same table whatever the shards, the threads or the device.

`exact` says how it is exact, `shards` what is searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.labels import Label
from relaionet.manifests.tables import HITS, shape_table
from relaionet.pipeline.machine import memory_budget
from relaionet.pipeline.retrieval.exact import Nearest, Order, Progress, fit_memory, search_exact
from relaionet.pipeline.retrieval.shards import VectorShards

if TYPE_CHECKING:
    import numpy as np

VERSION = "2"
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class RetrieveConfig:
    """How labels are searched among pictures.

    Attributes:
        neighbours_per_label_count: pictures kept per label.
        device: `auto` (a GPU where FAISS has one), `cpu` or `cuda`.
        memory_bytes: most a search may hold beside its queries and results; 0 takes half of what is free.
    """

    neighbours_per_label_count: int = 200
    device: str = "auto"
    memory_bytes: int = 0


def search_index(
    label_vectors: np.ndarray, image_vectors: np.ndarray | VectorShards, candidate_ids: Sequence[str],
    labels: Sequence[Label], config: RetrieveConfig, progress: Progress | None = None,
) -> pl.DataFrame:  # fmt: skip
    """The nearest pictures of every label.

    Args:
        label_vectors: [C, D] unit rows.
        image_vectors: [N, D] unit rows, an array or shards.
        candidate_ids: of the N pictures.
        labels: of the C rows.
        config: the device, the budget and the neighbours per label of the search.
        progress: called with the number of pictures just compared; N in all for each pass the budget asks for.

    Returns:
        HITS, labels in order and rank 0 nearest; equal cosines stand in order of candidate_id.

    Raises:
        BadInput: the numbers or widths of the rows do not fit each other, or the budget holds no block.
    """
    import numpy as np

    if len(labels) != len(label_vectors) or len(candidate_ids) != len(image_vectors):
        raise BadInput(
            f"search: {len(labels)} labels for {len(label_vectors)} label rows, {len(candidate_ids)} ids for "
            f"{len(image_vectors)} pictures; the numbers must be the same."
        )
    k = min(config.neighbours_per_label_count, len(image_vectors))
    order = _rank(candidate_ids)
    cosines, rows = search_rows(label_vectors, image_vectors, k, order.__getitem__, config, progress)
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


def search_rows(
    queries: np.ndarray, base: np.ndarray | VectorShards, k: int, order: Order, config: RetrieveConfig,
    progress: Progress | None = None,
) -> Nearest:  # fmt: skip
    """The nearest rows of every query, exactly.

    Args:
        queries: [Q, D] unit rows.
        base: [N, D] unit rows, an array or shards.
        k: rows per query; N where there are fewer.
        order: for numbers of rows, keys that decide between equal cosines, smaller first.
        config: the device, the budget and the neighbours per label of the search.
        progress: called with the number of rows just compared.

    Returns:
        [Q, k] cosines, best first, and rows of `base`.

    Raises:
        BadInput: the widths differ, the device is not there, or the budget holds no block.
    """
    import numpy as np

    _check_fit(queries, base)
    on_gpu = _on_gpu(config.device)
    if k < 0:
        raise BadInput(f"search: {k} neighbours are asked for; expected 0 or more.")
    k = min(k, len(base))
    if not k or not len(queries):
        return Nearest(np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64))
    sizes = fit_memory(len(queries), queries.shape[1], k, memory_budget(config.memory_bytes))
    return search_exact(queries, base, k, order, sizes, on_gpu=on_gpu, progress=progress)


def top_labels(image_vectors: np.ndarray, label_vectors: np.ndarray, k: int, config: RetrieveConfig) -> Nearest:
    """The nearest labels of every picture: `nearest_rows` with pictures as queries, [N, D] and [C, D] unit rows."""
    return nearest_rows(image_vectors, label_vectors, k, config)


def nearest_rows(queries: np.ndarray, base: np.ndarray | VectorShards, k: int, config: RetrieveConfig) -> Nearest:
    """The nearest rows of every query: `search_rows` with ties by smaller row."""
    return search_rows(queries, base, k, lambda rows: rows, config)


class NearestOther(NamedTuple):
    """The nearest other picture of each of N pictures.

    Attributes:
        cosines: [N] float32; NaN where there is no other picture.
        rows: [N] int64; -1 where there is none.
    """

    cosines: np.ndarray
    rows: np.ndarray


def nearest_images(vectors: np.ndarray, candidate_ids: Sequence[str], config: RetrieveConfig) -> NearestOther:
    """The nearest other picture of every picture.

    Args:
        vectors: [N, D] unit rows.
        candidate_ids: of the N pictures; decide ties.
        config: the device, the budget and the neighbours per label of the search.

    Returns:
        The nearest other picture of each.
    """
    import numpy as np

    count = len(vectors)
    if count < 2:
        return NearestOther(np.full(count, np.nan, dtype=np.float32), np.full(count, -1, dtype=np.int64))
    cosines, rows = search_rows(vectors, vectors, 2, _rank(candidate_ids).__getitem__, config)
    # among ties a picture need not be its own first neighbour, nor be among the two at all
    other = np.where(rows[:, 0] == np.arange(count), 1, 0)
    return NearestOther(cosines[np.arange(count), other], rows[np.arange(count), other])


def _check_fit(queries: np.ndarray, base: np.ndarray | VectorShards) -> None:
    if len(queries.shape) != 2 or len(base.shape) != 2 or queries.shape[1] != base.shape[1]:
        raise BadInput(
            f"search: rows {queries.shape} and {base.shape} must have one width; embed both with one encoder."
        )


def _on_gpu(device: str) -> bool:
    if device not in DEVICES:
        raise BadInput(f"retrieve: device '{device}' is not known.{nearest_name(device, DEVICES)}")
    import faiss

    # the CPU build of FAISS sees none, and older ones have no such function
    count = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    if device == "cuda" and not count:
        raise BadInput("retrieve: device 'cuda' is asked for and FAISS sees no GPU; use 'auto' or install faiss-gpu.")
    return device != "cpu" and count > 0


def _rank(names: Sequence[str]) -> np.ndarray:
    """Place of every name in sorted order, [N] int64."""
    import numpy as np

    rank = np.empty(len(names), dtype=np.int64)
    rank[pl.Series(names, dtype=pl.String).arg_sort().to_numpy()] = np.arange(len(names))
    return rank
