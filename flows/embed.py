"""The flow `embed`: a folder of pictures, or WebDataset shards, into a store that clip-retrieval's tools read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.flows.curation.vectors import get_encoder, wants_gpu
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Advance, Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.run_record import write_run_record
from relaionet.flows.runs.runners import THREADS, connected, make_runner
from relaionet.flows.runs.stages import as_flow, run_shards
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, read_json, write_json
from relaionet.manifests.tables.embeddings import EMBEDDED
from relaionet.pipeline.embeddings import dataset as embed_dataset
from relaionet.pipeline.embeddings.batches import usable_cores
from relaionet.pipeline.embeddings.dataset import DatasetConfig
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.embeddings.store import has_embeddings, keep_embeddings
from relaionet.pipeline.images.webdataset import Shard, count_samples, find_shards

ENCODER_FILE = "encoder.json"


@dataclass(frozen=True, kw_only=True)
class EmbedRecipe:
    """All that steers the flow `embed`.

    Attributes:
        source: see `find_shards`.
        encoder: as a recipe of `curate` names it.
        encoder_options: passed to the encoder's factory.
        workers: shards at work at once.
        dataset: how pictures are embedded.
    """

    source: str
    encoder: str
    encoder_options: dict[str, Any] = field(default_factory=dict)
    workers: int = 1
    dataset: DatasetConfig = field(default_factory=DatasetConfig)


def run_embed(recipe: EmbedRecipe, out: Path, *, on: str = THREADS, reporter: Reporter | None = None) -> Run:
    """Embed; running again continues.

    Args:
        recipe: what to do.
        out: folder of the store: img_emb/, metadata/, encoder.json, and the table `embedded` with its receipts.
        on: where shards are worked on: `threads`, `ray` or `ray://host:port`.
        reporter: where progress is shown.

    Raises:
        BadInput: there is nothing to embed, or the folder holds rows of another encoder.
        Corrupt: an archive is damaged; the others are done nevertheless.
    """
    run = Run(root=out, reporter=reporter or Reporter(), local=on == THREADS)
    if recipe.workers < 1:
        raise BadInput(f"workers is {recipe.workers}; it must be at least 1.")
    shards = find_shards(recipe.source, recipe.dataset.per_shard_count)
    runner = make_runner(on, recipe.workers)
    with hold_folder(out), connected(on):
        as_flow(
            "embed", lambda: embed_shards(run, recipe, shards), task_runner=runner, source=recipe.source, out=str(out)
        )
    return run


def embed_shards(run: Run, recipe: EmbedRecipe, shards: list[Shard]) -> None:
    """All shards, each where its receipt is missing or out of date."""
    encoder = get_encoder(recipe)
    claim_store(run.root, encoder)
    write_run_record(run.root, recipe, encoder=encoder.fingerprint)
    names = [shard.name for shard in shards]
    run.reporter.say(f"  {len(shards):,} shards of {recipe.source} with {encoder.name}")
    by_name = {shard.name: shard for shard in shards}
    arguments = (recipe, by_name)
    run_shards(run, EMBEDDED, embed_shard, names, count_samples(shards), *arguments, gpu=wants_gpu(recipe))
    run.store.keep_only(EMBEDDED, names)
    keep_embeddings(run.root, [int(name) for name in names])


def claim_store(folder: Path, encoder: Encoder) -> None:
    """Say whose rows a store holds.

    Raises:
        BadInput: those of another encoder.
    """
    path = folder / ENCODER_FILE
    mine = {"name": encoder.name, "fingerprint": encoder.fingerprint, "dim": encoder.dim}
    if path.is_file():
        theirs = read_json(path)
        if theirs.get("fingerprint") != encoder.fingerprint:
            raise BadInput(
                f"{folder} holds rows of '{theirs.get('name')}' ({theirs.get('fingerprint')!s:.12}); "
                f"'{encoder.name}' ({encoder.fingerprint:.12}) needs a folder of its own."
            )
        return
    write_json(path, mine)


def embed_shard(run: Run, shard: str, recipe: EmbedRecipe, shards: dict[str, Shard], advance: Advance) -> bool:
    """One shard of the store."""
    encoder, one, config = get_encoder(recipe), shards[shard], recipe.dataset
    digest = digest_of(
        one.stamp, one.paths, encoder.fingerprint, config.max_pixels, config.reduced_ratio, embed_dataset.VERSION
    )
    if not has_embeddings(run.root, int(shard)):
        run.store.forget(EMBEDDED.name, shard)
    threads = config.threads or max(1, usable_cores() // recipe.workers)

    def make() -> pl.DataFrame:
        return embed_dataset.embed_samples(one, encoder, replace(config, threads=threads), run.root, advance)

    return run.make(EMBEDDED, digest, make, shard=shard)
