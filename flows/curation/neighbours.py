"""The stage of `curate` before the source is read: every label searched in an index of pictures, where one is named."""

from __future__ import annotations

import time
from dataclasses import replace

import polars as pl

from relaionet.flows.curation.vectors import RunModels
from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.stages import run_shards
from relaionet.manifests.errors import Unavailable
from relaionet.manifests.files import digest_of
from relaionet.manifests.labels import Label, find_label, read_labels
from relaionet.manifests.tables import NEIGHBOURS
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.neighbours import service_search as neighbours
from relaionet.pipeline.neighbours.folder_search import folder_digest
from relaionet.pipeline.neighbours.queries import NeighboursConfig, make_queries, picture_digests


def search_all_neighbours(run: Run, models: RunModels, config: NeighboursConfig, workers: int) -> None:
    """Stage 0: what an index of pictures holds near every label; a receipt for every few labels.

    Args:
        run: the run.
        models: of the run.
        config: what is asked, and where.
        workers: shards at work at once, which share the requests in flight.
    """
    if not config.is_on:
        run.store.keep_only(NEIGHBOURS, [])
        return
    shards = label_shards(config)
    run.store.keep_only(NEIGHBOURS, list(shards))
    if config.takes_encoder:
        models.encoder  # noqa: B018  once, before several shards ask for it
    queries_count = sum(len(make_queries(labels, config)) for labels in shards.values())
    run_shards(run, NEIGHBOURS, search_shard, list(shards), queries_count, models, config, workers)


def label_shards(config: NeighboursConfig) -> dict[str, list[Label]]:
    """Name -> labels of every shard; a folder has one, so that its files are read once."""
    wanted = {find_label(wnid).wnid for wnid in config.wnids}
    labels = [label for label in read_labels() if not wanted or label.wnid in wanted]
    size = len(labels) if config.folder is not None else config.classes_per_shard
    return {f"{number:05d}": labels[start : start + size] for number, start in enumerate(range(0, len(labels), size))}


def search_shard(
    run: Run, shard: str, models: RunModels, config: NeighboursConfig, workers: int, advance: Advance
) -> bool:
    """Search some labels, unless they are done and every query had an answer."""
    labels = label_shards(config)[shard]
    encoder = models.encoder if config.takes_encoder else None
    digest = neighbours_digest(labels, config, encoder)
    is_done = run.store.has_table(NEIGHBOURS, digest, shard)
    lacking = failed_count(run.store.read(NEIGHBOURS, shard)) if is_done else 0
    if is_done and not lacking:
        return False
    shared = replace(config, requests_in_flight=max(1, config.requests_in_flight // workers))
    started = time.perf_counter()
    try:
        rows = neighbours.search_neighbours(labels, shared, encoder, advance)
    except Unavailable:
        if is_done:  # what was found before is still true
            return False
        raise
    if is_done and failed_count(rows) >= lacking:
        return False
    run.store.write(rows, NEIGHBOURS, digest, shard=shard, seconds=time.perf_counter() - started)
    return True


def failed_count(rows: pl.DataFrame) -> int:
    """Queries without an answer."""
    return rows.filter(status="failed").height


def neighbours_digest(labels: list[Label], config: NeighboursConfig, encoder: Encoder | None) -> str:
    """What a shard's rows depend on; how the service is reached and how patiently is no part of it."""
    plain = NeighboursConfig()
    asked = replace(
        config, folder=None, pictures=None, wnids=(), requests_in_flight=1, timeout_s=plain.timeout_s,
        retries=plain.retries, backoff_s=plain.backoff_s, max_answer_bytes=plain.max_answer_bytes,
        max_picture_bytes=plain.max_picture_bytes, classes_per_shard=plain.classes_per_shard,
    )  # fmt: skip
    return digest_of(
        labels, asked, picture_digests(labels, config), config.folder and folder_digest(config.folder),
        encoder and encoder.fingerprint, neighbours.VERSION,
    )  # fmt: skip
