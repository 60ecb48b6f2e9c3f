"""The stage of `curate` that embeds the images of a shard, or takes over what was published of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from relaionet.flows.curation.downloads import chosen_rows
from relaionet.flows.curation.vectors import RunModels
from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run, input_digest
from relaionet.manifests.files import digest_of
from relaionet.manifests.tables import DOWNLOADS, EMBEDDINGS, alive
from relaionet.manifests.tables.embeddings import PUBLISHED
from relaionet.manifests.words import name_counted
from relaionet.pipeline.embeddings import embed
from relaionet.pipeline.embeddings import published as published_embeddings
from relaionet.pipeline.embeddings.batches import usable_cores
from relaionet.pipeline.embeddings.store import has_embeddings, write_embeddings
from relaionet.pipeline.neighbours.folder_search import folder_digest


def share_threads(config: embed.EmbedConfig, workers: int) -> embed.EmbedConfig:
    """Settings with this process's share of the cores for each of `workers` shards at work at once."""
    return replace(config, threads=config.threads or max(1, usable_cores() // workers))


def find_all_published(
    run: Run, models: RunModels, folder: Path | None, shards: list[str], config: embed.EmbedConfig
) -> None:
    """Before stage 5: which images have a published row, checked against a few that are encoded anew.

    Args:
        run: a run with downloads.
        models: of the run.
        folder: of published embeddings; None where there are none.
        shards: names of the run's shards.
        config: how images are embedded.
    """
    if folder is None:
        run.store.keep_only(PUBLISHED, [])
        return
    encoder = models.encoder
    digest = digest_of(
        folder_digest(folder), [input_digest(run, DOWNLOADS, shard) for shard in shards], encoder.fingerprint,
        published_embeddings.VERSION,
    )  # fmt: skip

    def make() -> pl.DataFrame:
        parts = [
            alive(run.store.read(DOWNLOADS, shard)).join(chosen_rows(run, shard, "url"), on="candidate_id", how="left")
            for shard in shards
        ]
        rows = pl.concat(parts).select("candidate_id", "url", "path")
        found = published_embeddings.find_published(folder, rows)
        median = published_embeddings.check_same_encoder(rows, found, folder, encoder, run.images, config)
        if median is not None:
            run.reporter.say(f"  {PUBLISHED.name:<12}encoded anew: median cosine {median:.3f} with the published rows")
        return found

    run.make(PUBLISHED, digest, make)
    receipt = run.store.receipt(PUBLISHED.name)
    count = receipt.rows_count if receipt else 0
    run.reporter.say(
        f"  {PUBLISHED.name:<12}{count:>7,} {name_counted(count, 'image has its', 'images have their')} row in {folder}"
    )


def embed_shard(
    run: Run, shard: str, models: RunModels, folder: Path | None, config: embed.EmbedConfig, workers: int,
    advance: Advance,
) -> bool:  # fmt: skip
    """Stage 5: unit vectors and perceptual hashes of one shard's images.

    Args:
        run: the run.
        shard: its name.
        models: of the run.
        folder: of published embeddings; None where there are none.
        config: how images are embedded.
        workers: shards at work at once, which share the cores.
        advance: called with the number of rows done since the last call.
    """
    encoder = models.encoder
    about = chosen_rows(run, shard, "url", "caption")
    published = None if folder is None else input_digest(run, PUBLISHED, "all")
    digest = digest_of(
        input_digest(run, DOWNLOADS, shard), about.rows(), encoder.fingerprint, config.max_pixels, embed.VERSION,
        *([] if published is None else [published]),
    )  # fmt: skip
    if not has_embeddings(run.embeddings, int(shard)):
        run.store.forget(EMBEDDINGS.name, shard)

    def make() -> pl.DataFrame:
        rows = alive(run.store.read(DOWNLOADS, shard))
        shared = share_threads(config, workers)
        if folder is None:
            table, vectors = embed.embed_images(rows, encoder, run.images, shared, advance)
        else:
            found = run.store.read(PUBLISHED)
            table, vectors = published_embeddings.embed_with_published(rows, found, folder, encoder, run.images, shared)
            advance(rows.height)
        kept = alive(table).select("candidate_id").join(about, on="candidate_id", how="left", maintain_order="left")
        write_embeddings(run.embeddings, int(shard), vectors, kept)
        return table

    return run.make(EMBEDDINGS, digest, make, shard=shard)
