"""The rows whose address is sought, their pictures gathered from a folder, and the embeddings of these."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl

from relaionet.flows.curation.embeddings import share_threads
from relaionet.flows.curation.vectors import RunModels
from relaionet.flows.lookups.order import LookupWork
from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run, input_digest
from relaionet.flows.runs.stages import run_shards
from relaionet.manifests.files import digest_of
from relaionet.manifests.tables import DOWNLOADS, EMBEDDINGS, MANIFEST, alive
from relaionet.manifests.tables.schema import shape_table
from relaionet.pipeline.embeddings import embed
from relaionet.pipeline.embeddings.embed import EmbedConfig
from relaionet.pipeline.embeddings.store import has_embeddings, write_embeddings
from relaionet.pipeline.images.files import list_pictures
from relaionet.pipeline.splits import local_images
from relaionet.pipeline.splits.local_images import collect_images


def write_sought(work: LookupWork) -> list[str]:
    """MANIFEST of the rows without an address, in shards; returns their names."""
    rows = work.release.manifest.filter(pl.col("url").is_null())
    size, sought, names = work.order.config.rows_per_shard, work.sought, list[str]()
    for number, start in enumerate(range(0, rows.height, size)):
        names.append(f"{number:05d}")
        digest = digest_of(work.release.info.digest, start, size)
        sought.make(MANIFEST, digest, partial(rows.slice, start, size), shard=names[-1])
    for table in (MANIFEST, DOWNLOADS, EMBEDDINGS):
        sought.store.keep_only(table, names)
    return names


def embed_all_sought(work: LookupWork, shards: list[str]) -> None:
    """Gather and embed the pictures of all shards; nothing where no embeddings are searched."""
    images, sought = work.order.images, work.sought
    if not work.places.take_vectors or images is None:
        return
    places, _ = list_pictures(images)
    held = digest_of(str(images.resolve()), [(place.path, place.stamp) for place in places])
    rows_count = work.release.manifest["url"].null_count()
    arguments = (work.models, images.resolve(), held, work.order.download.max_pixels, work.order.workers)
    sought.runner = work.run.runner
    run_shards(
        sought, EMBEDDINGS, embed_sought, shards, rows_count, *arguments,
        gpu=work.models is not None and work.models.wants_gpu,
    )  # fmt: skip


def embed_sought(
    run: Run, shard: str, models: RunModels | None, images: Path, held: str, max_pixels: int, workers: int,
    advance: Advance,
) -> bool:  # fmt: skip
    """One shard: its pictures copied from the folder that holds them, hashed and, with an encoder, embedded.

    Args:
        run: the rows sought.
        shard: its name.
        models: with the encoder; None where the service that is asked embeds.
        images: folder that holds the pictures, under any names.
        held: digest of what lies in it.
        max_pixels: largest picture decoded, width × height.
        workers: shards at work at once.
        advance: called with the number of rows done since the last call.
    """
    rows = run.store.read(MANIFEST, shard)
    gathered = digest_of(input_digest(run, MANIFEST, shard), held, local_images.VERSION, max_pixels)
    run.make(DOWNLOADS, gathered, lambda: collect_images(rows, images, run.images, max_pixels), shard=shard)
    taken = run.store.read(DOWNLOADS, shard)
    if not all((run.images / path).is_file() for path in taken["path"].drop_nulls()):
        run.store.forget(DOWNLOADS.name, shard)
        return embed_sought(run, shard, models, images, held, max_pixels, workers, advance)
    encoder = None if models is None else models.encoder
    digest = digest_of(
        input_digest(run, DOWNLOADS, shard), None if encoder is None else encoder.fingerprint, embed.VERSION
    )
    if encoder is not None and not has_embeddings(run.embeddings, int(shard)):
        run.store.forget(EMBEDDINGS.name, shard)

    def make() -> pl.DataFrame:
        there = alive(taken).select("candidate_id", "path")
        config = share_threads(EmbedConfig(max_pixels=max_pixels), workers)
        if encoder is None:
            table = embed.hash_images(there, run.images, config)
        else:
            table, vectors = embed.embed_images(there, encoder, run.images, config)
            known = alive(table).select("candidate_id").join(rows, on="candidate_id", maintain_order="left")
            write_embeddings(run.embeddings, int(shard), vectors, known)
        advance(rows.height)
        return _with_missing(table, taken)

    return run.make(EMBEDDINGS, digest, make, shard=shard)


def _with_missing(table: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
    """EMBEDDINGS of all rows, in order: those without a picture are broken, with the reason."""
    missing = taken.filter(pl.col("path").is_null()).select(
        "candidate_id", status=pl.lit("broken"), reason=pl.format("no picture: {}", pl.col("reason"))
    )
    whole = pl.concat([table, missing], how="diagonal")
    return shape_table(taken.select("candidate_id").join(whole, on="candidate_id", maintain_order="left"), EMBEDDINGS)


def read_missing(work: LookupWork, shards: list[str]) -> pl.DataFrame:
    """candidate_id and reason of the rows whose picture could not be looked at."""
    if not work.places.take_vectors:
        return pl.DataFrame(schema={"candidate_id": pl.String, "reason": pl.String})
    tables = [work.sought.store.read(EMBEDDINGS, shard) for shard in shards]
    return pl.concat(tables).filter(pl.col("status") == "broken").select("candidate_id", "reason")
