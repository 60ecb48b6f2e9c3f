"""The stages of `curate` before anything is fetched: read the source, compare the texts, choose within budgets."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from relaionet.flows.curation.source import read_source
from relaionet.flows.curation.texts import match_rows, match_settings
from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run, input_digest, input_digests
from relaionet.manifests.files import digest_of
from relaionet.manifests.tables import (
    ALIVE,
    CANDIDATES,
    CHOSEN,
    DOWNLOADS,
    EMBEDDINGS,
    MEASURED,
    PROPOSALS,
    TEXT_MATCHES,
    alive,
)  # fmt: skip
from relaionet.pipeline.candidates import choice as choose
from relaionet.pipeline.embeddings.store import keep_embeddings

if TYPE_CHECKING:
    from relaionet.flows.curation.vectors import RunModels
    from relaionet.pipeline.candidates.judge import CandidatesConfig
    from relaionet.pipeline.captions.text_match import TextMatchConfig


def read_all_candidates(run: Run, places: Sequence[str], config: CandidatesConfig) -> tuple[list[str], int]:
    """Stage 1: the rows of the source with the class their captions name, and those that only a search found.

    Args:
        run: the run.
        places: files, folders, globs or addresses of metadata tables.
        config: which rows become candidates.

    Returns:
        Names of the shards, and how many rows in them are alive.
    """
    shards = read_source(run, places, config)
    for table in (CANDIDATES, TEXT_MATCHES, CHOSEN, DOWNLOADS, EMBEDDINGS, PROPOSALS, MEASURED):
        run.store.keep_only(table, shards)
    keep_embeddings(run.embeddings, [int(shard) for shard in shards])
    count = run.count(CANDIDATES)
    return shards, count.statuses.get(ALIVE, 0)


def match_shard(run: Run, shard: str, models: RunModels, config: TextMatchConfig, advance: Advance) -> bool:
    """Stage 2: what the captions of one shard are about."""
    digest = digest_of(input_digest(run, CANDIDATES, shard), match_settings(run, models, config))

    def make() -> pl.DataFrame:
        return match_rows(run, models, config, alive(run.store.read(CANDIDATES, shard)), advance)

    return run.make(TEXT_MATCHES, digest, make, shard=shard)


def choose_all(run: Run, config: choose.ChooseConfig) -> int:
    """Stage 3: which candidates are fetched, over all shards at once; returns how many."""
    shards = run.store.shards(TEXT_MATCHES)
    digest = digest_of(input_digests(run, CANDIDATES, TEXT_MATCHES), config, choose.VERSION)
    if not all(run.store.has_table(CHOSEN, digest, shard) for shard in shards):
        started = time.perf_counter()
        parts = [choice_keys(run, shard, config) for shard in shards]
        table = choose.choose_candidates(pl.concat(parts), config)
        seconds, start = time.perf_counter() - started, 0
        for shard, part in zip(shards, parts, strict=True):
            rows = table.slice(start, part.height)
            run.store.write(rows, CHOSEN, digest, shard=shard, seconds=seconds * part.height / max(table.height, 1))
            start += part.height
        run.made.add(CHOSEN.name)
    return run.count(CHOSEN).statuses.get(ALIVE, 0)


def choice_keys(run: Run, shard: str, config: choose.ChooseConfig) -> pl.DataFrame:
    """What the choice looks at, of one shard; a row that only a search found counts for the class that was sought."""
    rows = alive(run.store.read(TEXT_MATCHES, shard)).select("candidate_id", "wnid", "cosine")
    about = alive(run.store.read(CANDIDATES, shard)).select("candidate_id", "url", "caption", "sought_wnids")
    rows = rows.join(about, on="candidate_id", how="left", maintain_order="left")
    sought = pl.col("sought_wnids").list.first()
    return choose.make_keys(rows.with_columns(pl.coalesce("wnid", sought).alias("wnid")), config)
