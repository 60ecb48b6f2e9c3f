"""Nearest neighbours in embeddings on disk, such as those published for LAION: exact, one pass, bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.labels import Label
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.embeddings.metadata import count_rows, read_metadata
from relaionet.pipeline.embeddings.store import embedding_shards, metadata_path, read_embeddings
from relaionet.pipeline.neighbours.queries import (
    SEARCHES,
    NeighboursConfig,
    Query,
    check_neighbours,
    embed_queries,
    make_queries,
)
from relaionet.pipeline.neighbours.rows import CAPTION, META_COLUMNS, URL, read_result, settle_rows
from relaionet.pipeline.retrieval import search as retrieve
from relaionet.pipeline.retrieval.exact import Nearest

if TYPE_CHECKING:
    import numpy as np

BLOCK_ROWS = 131_072
UNIT_TOLERANCE = 1e-2


def search_folder(
    labels: Sequence[Label], config: NeighboursConfig, encoder: Encoder,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Search embeddings in clip-retrieval's layout for some labels.

    All labels are searched in one pass over the files; in memory are one block of rows and the best rows so far.

    Args:
        labels: classes searched for.
        config: what is asked for and how many; `folder` must be set. What only a service does (duplicates, safety,
            looks) is left to the stages that follow.
        encoder: the one the embeddings were made with.
        progress: called with the number of queries just done; the first after the whole pass.

    Returns:
        NEIGHBOURS, as `search_service` returns it; `source` is the folder's name and `source_row` the row in its files
        in order of their numbers.

    Raises:
        BadInput: the config is wrong, or the rows are of another width or not of unit length.
        Corrupt: a file is not what its note says.
    """
    check_neighbours(config)
    folder = config.folder
    if folder is None:
        raise BadInput("neighbours: folder is not set.")
    queries = make_queries(labels, config)
    if not queries:
        return settle_rows([])
    vectors = embed_queries(queries, config, encoder)
    cosines, rows = _nearest_rows(folder, vectors, config.per_query_count)
    about = _read_metadata(folder, rows)
    parts, start = [], 0
    for _, group in groupby(queries, key=lambda query: query.label.wnid):
        some = list(group)
        end = start + len(some)
        parts.append(settle_rows(list(_shape(some, cosines[start:end], rows[start:end], about, folder.name))))
        start = end
        if progress:
            progress(len(some))
    return pl.concat(parts)


def folder_digest(folder: Path) -> str:
    """Digest of the names, sizes and times of a folder's files; their bytes may be terabytes."""
    files = [path for shard in embedding_shards(folder).values() for path in (shard, metadata_path(shard))]
    return digest_of([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()])


def _nearest_rows(folder: Path, queries: np.ndarray, k: int) -> Nearest:
    """[Q, k] cosines and rows of the whole folder, best first, ties by smaller row; -1 where there are fewer."""
    import numpy as np

    best = np.zeros((len(queries), 0), dtype=np.float32)
    rows = np.zeros((len(queries), 0), dtype=np.int64)
    for start, block in _blocks(folder, queries.shape[1]):
        near, place = retrieve.nearest_rows(queries, block, k, retrieve.RetrieveConfig())
        best, rows = np.concatenate([best, near], axis=1), np.concatenate([rows, place + start], axis=1)
        order = np.lexsort((rows, -best), axis=1)[:, :k]
        best, rows = np.take_along_axis(best, order, axis=1), np.take_along_axis(rows, order, axis=1)
    return Nearest(best, rows)


def _blocks(folder: Path, width: int) -> Iterator[tuple[int, np.ndarray]]:
    """Rows of all files in order of their numbers, with the number of the first."""
    start = 0
    for number, path in embedding_shards(folder).items():
        _, vectors = read_embeddings(folder, [number])
        if vectors.shape[1] != width:
            raise BadInput(
                f"neighbours: {path} holds rows of width {vectors.shape[1]}, the run's encoder makes {width}; "
                "name the encoder the embeddings were made with."
            )
        for first in range(0, len(vectors), BLOCK_ROWS):
            block = vectors[first : first + BLOCK_ROWS]
            _check_unit(block, path)
            yield start + first, block
        start += len(vectors)


def _check_unit(block: np.ndarray, path: Path) -> None:
    import numpy as np

    lengths = np.linalg.norm(block[:: max(1, len(block) // 256)].astype(np.float32), axis=1)
    if not (abs(lengths - 1) <= UNIT_TOLERANCE).all():
        raise BadInput(f"neighbours: {path} holds rows of length {lengths.max():.3f}; they must have length 1.")


def _read_metadata(folder: Path, rows: np.ndarray) -> dict[int, dict[str, Any]]:
    """What the metadata says of the rows found, and only of these, by row."""
    import numpy as np

    wanted, start, about = np.unique(rows), 0, {}
    for path in embedding_shards(folder).values():
        file = metadata_path(path)
        count = count_rows(file)
        here = wanted[(wanted >= start) & (wanted < start + count)] - start
        if len(here):
            for item in read_metadata(file, (*URL, *CAPTION), sorted(META_COLUMNS), here).iter_rows(named=True):
                about[start + item.pop("row")] = item
        start += count
    return about


def _shape(
    queries: Sequence[Query], cosines: np.ndarray, rows: np.ndarray, about: Mapping[int, Mapping[str, Any]], source: str
) -> Iterator[dict[str, Any]]:
    for query, near, places in zip(queries, cosines.tolist(), rows.tolist(), strict=True):
        search = {"wnid": query.label.wnid, "query": SEARCHES[query.kind], "asked": query.asked, "source": source}
        for rank, (cosine, row) in enumerate(zip(near, places, strict=True)):
            yield read_result({**about[row], "id": row, "similarity": cosine}, rank, search)
