"""The nearest pictures of a release's pictures: in embeddings on disk, exactly or by their index, and at services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import find_label
from relaionet.manifests.release.manifest_check import MAX_URL_CHARS, WEB, url_id
from relaionet.manifests.tables.lookups import NEAR
from relaionet.manifests.tables.schema import shape_table
from relaionet.pipeline.lookup.places import LookupConfig, name_of
from relaionet.pipeline.neighbours.queries import NeighboursConfig, Query
from relaionet.pipeline.neighbours.service_search import ask_service
from relaionet.pipeline.retrieval.index import RECEIPT_FILE, load_index
from relaionet.pipeline.retrieval.search import RetrieveConfig, search_rows
from relaionet.pipeline.retrieval.searchable_store import open_store

if TYPE_CHECKING:
    import numpy as np

INDEX = "index"
SHOWN_CHARS = 1000  # of a caption that is kept


def search_stores(
    stores: Sequence[Path], ids: Sequence[str], vectors: np.ndarray, config: LookupConfig,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Search folders of embeddings; where a folder has an index (`relaionet index build`), it is used.

    Args:
        stores: folders, from `sort_places`.
        ids: candidate_id of Q rows of the release.
        vectors: [Q, D] unit rows of their pictures, of the encoder the stores were made with.
        config: how many are wanted, and how near.
        progress: called with Q for every store that is done.

    Returns:
        NEAR.

    Raises:
        BadInput: a store is of another width, or cannot be searched.
        Corrupt: a file of a store is not what it should be.
    """
    parts = [NEAR.empty()]
    for folder in stores:
        parts.append(_search_store(folder, ids, vectors, config))
        if progress:
            progress(len(ids))
    return shape_table(pl.concat(parts), NEAR)


def _search_store(folder: Path, ids: Sequence[str], vectors: np.ndarray, config: LookupConfig) -> pl.DataFrame:
    import numpy as np

    store = open_store(folder)
    queries = np.ascontiguousarray(vectors, dtype=np.float32)
    if store.vectors.dim != queries.shape[1]:
        raise BadInput(
            f"{folder} holds rows of {store.vectors.dim}, the encoder makes rows of {queries.shape[1]}; name the "
            "encoder the embeddings were made with (--encoder)."
        )
    if (folder / INDEX / RECEIPT_FILE).is_file():
        index = load_index(folder / INDEX, store.vectors, store.digests)
        cosines, rows = index.search(queries, config.per_row_count, store.order)
    else:
        cosines, rows = search_rows(queries, store.vectors, config.per_row_count, store.order, RetrieveConfig())
    count = rows.shape[1]
    found = pl.DataFrame(
        {
            "candidate_id": pl.Series(np.repeat(np.array(ids, dtype=object), count), dtype=pl.String),
            "rank": np.tile(np.arange(count), len(rows)),
            "cosine": cosines.ravel().clip(-1, 1),
            "row": rows.ravel(),
        }
    ).filter(pl.col("cosine") >= config.min_cosine)
    told = found.join(store.about(found["row"].to_numpy()).drop("candidate_id"), on="row", how="left")
    return _shape(told.rename({"row": "source_row"}).with_columns(place=pl.lit(name_of(folder))))


def search_service(
    service: str, rows: pl.DataFrame, vectors: np.ndarray | None, config: LookupConfig,
    progress: Callable[[int], None] | None = None, timeout_s: float = 30.0,
) -> pl.DataFrame:  # fmt: skip
    """Search a clip-retrieval service.

    Args:
        service: its address.
        rows: candidate_id, wnid and file (absolute, as a string) of Q pictures.
        vectors: [Q, D] unit rows of them; None sends the pictures, which the service embeds itself.
        config: how many are wanted, and how near.
        progress: called with 1 for every picture that was asked about.
        timeout_s: longest time one request may take.

    Returns:
        NEAR. A picture the service has no answer for has no row.

    Raises:
        BadInput: the address or a picture is wrong.
        Unavailable: the service cannot be reached, or answers no query.
    """
    asked = NeighboursConfig(
        service=service, per_query_count=config.per_row_count, encoder="service" if vectors is None else "run",
        # copies of one picture are what is looked for, and whether it is fit to be seen was decided long ago
        deduplicate=False, safety=False, violence=False, timeout_s=timeout_s,
    )  # fmt: skip
    queries = [
        Query(label=find_label(wnid), kind="picture", asked=candidate_id, path=Path(file))
        for candidate_id, wnid, file in rows.select("candidate_id", "wnid", "file").iter_rows()
    ]
    if not queries:
        return NEAR.empty()
    found = ask_service(queries, vectors, asked, progress)
    near = found.filter(
        pl.col("status").is_in(["ok", "repeated"])
        & (pl.col("cosine").is_null() | (pl.col("cosine") >= config.min_cosine))
    )
    return _shape(
        near.drop("candidate_id", "source").rename({"asked": "candidate_id"}).with_columns(place=pl.lit(service))
    )


def _shape(found: pl.DataFrame) -> pl.DataFrame:
    """NEAR of what was found: http(s) addresses alone, and of each address in a place the nearest of its rows."""
    url = pl.col("url")
    there = found.filter(url.str.contains(WEB).fill_null(value=False) & (url.str.len_chars() <= MAX_URL_CHARS))
    there = there.with_columns(
        pl.Series("url_id", [url_id(one) for one in there["url"]], dtype=pl.String),
        caption=pl.col("caption").str.head(SHOWN_CHARS),
    )
    nearest = there.sort("candidate_id", "rank").unique(["candidate_id", "url_id"], keep="first", maintain_order=True)
    return shape_table(nearest, NEAR)
