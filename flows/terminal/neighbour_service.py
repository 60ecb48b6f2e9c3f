"""What a clip-retrieval service has, tried out with one search."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import polars as pl

from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import alive
from relaionet.manifests.words import say_count
from relaionet.pipeline.embeddings.encoders import load_encoder
from relaionet.pipeline.neighbours.queries import NeighboursConfig, Query
from relaionet.pipeline.neighbours.rows import read_result, settle_rows
from relaionet.pipeline.neighbours.service import NoAnswer, RetrievalService
from relaionet.pipeline.neighbours.service_search import knn_request

RESULTS_COUNT = 20
SAME_FRAC = 0.8
# column -> what its absence means
LACKING = {
    "caption": "no captions: the image alone decides the class",
    "cosine": "no similarities: rows are ranked, not scored",
    "width_px": "no sizes: small pictures are found out after the download",
    "punsafe": "no unsafe probabilities: only the service's own safety model, where it was started with one, holds",
}


def check_service(url: str, *, index: str = "", text: str, encoder: str | None = None) -> Iterator[str]:
    """Lines that say what the service has and lacks.

    Args:
        url: address of the service.
        index: name of its index; empty for its only one.
        text: what is searched for.
        encoder: name of an encoder the index may have been made with.

    Raises:
        BadInput: there is no such service or index, or no such encoder.
        Unavailable: it cannot be reached.
    """
    config = NeighboursConfig(service=url, per_query_count=RESULTS_COUNT, deduplicate=False)
    with RetrievalService(url=url, timeout_s=config.timeout_s, retries=1) as service:
        yield f"service     {service.url}"
        yield f"indices     {', '.join(service.list_indices())}"
        name = service.pick_index(index)
        query = Query(label=read_labels()[0], kind="text", asked=text)
        by_text = yield from _try(service, "text", knn_request(query, None, name, config), name)
        if by_text is not None:
            fewer = alive(_rows(service.search({**knn_request(query, None, name, config), "deduplicate": True}), name))
            yield f"duplicates  {fewer.height} of {by_text.height} are left when the service leaves its duplicates out"
            yield from _lacking(by_text)
        if encoder is not None:
            vector = load_encoder(encoder).encode_texts([text])[0]
            by_vector = yield from _try(service, "vector", knn_request(query, vector, name, config), name)
            if by_text is not None and by_vector is not None:
                yield _compare(by_text, by_vector, encoder)


def _rows(results: list[Any], index: str) -> pl.DataFrame:
    about = {"wnid": read_labels()[0].wnid, "query": "text_search", "asked": "", "source": index}
    return settle_rows([read_result(item, rank, about) for rank, item in enumerate(results)])


def _try(
    service: RetrievalService, kind: str, request: Mapping[str, Any], index: str
) -> Generator[str, None, pl.DataFrame | None]:
    started = time.perf_counter()
    try:
        rows = _rows(service.search(request), index)
    except NoAnswer as error:
        hint = " Rows of another width than the index's give this." if kind == "vector" else ""
        yield f"{kind:<12}no answer: {error}{hint}"
        return None
    good = alive(rows)
    yield (
        f"{kind:<12}{say_count(good.height, 'picture')} of {RESULTS_COUNT} asked for, "
        f"{time.perf_counter() - started:.2f} s"
    )
    for reason, count in rows.filter(status="malformed")["reason"].value_counts(sort=True).iter_rows():
        yield f"            {count} results are not used: {reason}"
    return good if good.height else None


def _lacking(rows: pl.DataFrame) -> Iterator[str]:
    lines = [meaning for column, meaning in LACKING.items() if rows[column].is_null().all()]
    yield from (f"lacking     {line}" for line in lines)


def _compare(by_text: pl.DataFrame, by_vector: pl.DataFrame, encoder: str) -> str:
    """Whether the service finds by its own vector of a text what it finds by the encoder's."""
    count = min(by_text.height, by_vector.height, RESULTS_COUNT // 2)
    both = set(by_text["candidate_id"][:count]) & set(by_vector["candidate_id"][:count])
    fits = "the index was made with it" if len(both) >= SAME_FRAC * count else "the index was made with another encoder"
    return f"encoder     {len(both)} of the {count} nearest are the same by {encoder}: {fits}"
