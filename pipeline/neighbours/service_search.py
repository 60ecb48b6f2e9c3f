"""Candidates by nearest neighbours: every label searched in an index of pictures, by text and by example picture.

search_neighbours   whichever of the two the config names                           -> NEIGHBOURS
search_service      a clip-retrieval service over HTTP                              -> NEIGHBOURS
search_folder       embeddings on disk (`folder_search`), without any service    -> NEIGHBOURS

Each returns one row per result of every query. What a service says is a stranger's word: a row that is not what it
promises becomes a `malformed` row with the reason, never an error and never a gap.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.labels import Label
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.neighbours.folder_search import search_folder
from relaionet.pipeline.neighbours.queries import (
    SEARCHES,
    NeighboursConfig,
    Query,
    check_neighbours,
    embed_queries,
    make_queries,
)
from relaionet.pipeline.neighbours.rows import failed_row, read_result, settle_rows
from relaionet.pipeline.neighbours.service import NoAnswer, RetrievalService

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

VERSION = "1"
GIVE_UP_COUNT = 4  # first queries without an answer after which the service, not the query, is at fault


def search_neighbours(
    labels: Sequence[Label], config: NeighboursConfig, encoder: Encoder | None = None,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Search the service or the folder the config names; see `search_service` and `search_folder`."""
    if config.folder is None:
        return search_service(labels, config, encoder, progress)
    if encoder is None:
        raise BadInput("neighbours: a folder of embeddings is searched with the run's encoder.")
    return search_folder(labels, config, encoder, progress)


def search_service(
    labels: Sequence[Label], config: NeighboursConfig, encoder: Encoder | None = None,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Search a clip-retrieval service for some labels.

    Args:
        labels: classes searched for.
        config: what is asked for and how many; `service` must be set.
        encoder: the run's; needed where `config.encoder` is "run".
        progress: called with the number of queries just done.

    Returns:
        NEIGHBOURS: one row per result, in order of labels, queries and ranks. Of the rows of a class and a kind of
        search that have one URL the nearest is `ok`. A query without an answer is one `failed` row.

    Raises:
        BadInput: the config, a picture or the service's address or index is wrong.
        Unavailable: the service cannot be reached, or answers no query.
    """
    check_neighbours(config)
    queries = make_queries(labels, config)
    vectors = None
    if config.takes_encoder:
        if encoder is None:
            raise BadInput('neighbours: encoder = "run" needs the run\'s encoder.')
        vectors = embed_queries(queries, config, encoder)
    return ask_service(queries, vectors, config, progress)


def ask_service(
    queries: Sequence[Query], vectors: np.ndarray | None, config: NeighboursConfig,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Ask a clip-retrieval service some queries.

    Args:
        queries: what is asked.
        vectors: [Q, D] unit rows of them; None lets the service embed.
        config: what is asked for and how many; `service` must be set.
        progress: called with the number of queries just done.

    Returns:
        NEIGHBOURS, as `search_service` returns it.

    Raises:
        BadInput: the service's address or index, or a picture, is wrong.
        Unavailable: the service cannot be reached, or answers no query.
    """
    stopping = threading.Event()
    with RetrievalService(
        url=config.service, timeout_s=config.timeout_s, retries=config.retries, backoff_s=config.backoff_s,
        max_answer_bytes=config.max_answer_bytes, wait=stopping.wait,
    ) as service:  # fmt: skip
        index = service.pick_index(config.index)
        rows: list[dict[str, Any]] = []
        told: Sequence[np.ndarray | None] = [None] * len(queries) if vectors is None else list(vectors)
        for part in _ask_all(service, index, queries, told, config, stopping):
            rows += part
            if progress:
                progress(1)
    return settle_rows(rows)


def _ask_all(
    service: RetrievalService, index: str, queries: Sequence[Query], vectors: Sequence[np.ndarray | None],
    config: NeighboursConfig, stopping: threading.Event,
) -> Iterator[list[dict[str, Any]]]:  # fmt: skip
    """Rows of every query in order, several being asked at once; `stopping` is set at the end, however it comes."""

    def ask(query: Query, vector: np.ndarray | None) -> list[dict[str, Any]] | NoAnswer | None:
        if stopping.is_set():
            return None
        try:
            results = service.search(knn_request(query, vector, index, config))
        except NoAnswer as error:
            return error
        about = {"wnid": query.label.wnid, "query": SEARCHES[query.kind], "asked": query.asked, "source": index}
        return [read_result(item, rank, about) for rank, item in enumerate(results[: config.per_query_count])]

    answered, failed = 0, 0
    with ThreadPoolExecutor(max_workers=config.requests_in_flight) as pool:
        try:
            for query, answer in zip(queries, pool.map(ask, queries, vectors), strict=True):
                if isinstance(answer, NoAnswer):
                    failed += 1
                    if not answered and failed >= min(GIVE_UP_COUNT, len(queries)):
                        raise Unavailable(f"the service has no answer to any of {failed} queries: {answer}") from None
                    about = {"wnid": query.label.wnid, "query": SEARCHES[query.kind], "asked": query.asked}
                    yield [failed_row({**about, "source": index}, str(answer))]
                elif answer is not None:
                    answered += 1
                    yield answer
        finally:
            stopping.set()
            pool.shutdown(cancel_futures=True)


def knn_request(query: Query, vector: np.ndarray | None, index: str, config: NeighboursConfig) -> Mapping[str, Any]:
    """The fields of `/knn-service`, as clip-retrieval's `ClipClient` sends them.

    Raises:
        BadInput: an example picture is too large or is gone.
    """
    text, picture = (query.asked, None) if query.path is None else (None, query.path)
    is_weighted = config.aesthetic_weight > 0
    return {
        "text": text if vector is None else None,
        "image": _picture_base64(picture, config) if picture is not None and vector is None else None,
        "image_url": None,
        "embedding_input": None if vector is None else [float(value) for value in vector],
        "deduplicate": config.deduplicate,
        "use_safety_model": config.safety,
        "use_violence_detector": config.violence,
        "indice_name": index,
        "use_mclip": False,
        # an empty string is the service's "none"; it reads null as a number and fails
        "aesthetic_score": config.aesthetic_score if is_weighted else "",
        "aesthetic_weight": config.aesthetic_weight if is_weighted else "",
        "modality": "image",
        "num_images": config.per_query_count,
        # results beyond num_images would come without URL
        "num_result_ids": config.per_query_count,
    }


def _picture_base64(path: Path, config: NeighboursConfig) -> str:
    try:
        size = path.stat().st_size
        if size > config.max_picture_bytes:
            raise BadInput(f"neighbours: example picture {path} has {size:,} bytes; {config.max_picture_bytes:,} go.")
        return base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise BadInput(f"neighbours: example picture {path} cannot be read: {error.strerror}.") from None
