"""The flow `embed`: a folder of pictures, or WebDataset shards, into a store that clip-retrieval's tools read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.flows.curation.vectors import RunModels
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.handed import handed, handing
from relaionet.flows.runs.reporter import Advance, Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.run_record import write_run_record
from relaionet.flows.runs.runners import THREADS, check_runner
from relaionet.flows.runs.served import served_flow
from relaionet.flows.runs.stages import run_shards, working_on
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, read_json_object, write_json
from relaionet.manifests.places import check_place
from relaionet.manifests.tables.embeddings import EMBEDDED
from relaionet.manifests.words import say_count
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


@dataclass(frozen=True, kw_only=True)
class EmbedWork:
    """What the flow works with.

    Attributes:
        run: the store's folder, held by whoever made this.
        recipe: what to do, checked.
        shards: of the source.
    """

    run: Run
    recipe: EmbedRecipe
    shards: list[Shard]


@served_flow("embed")
def embed(
    source: str,
    encoder: str,
    out: Path,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    workers: int = 1,
    whole: bool = False,
    on: str = THREADS,
) -> Path:
    """Embed a folder of pictures, or WebDataset shards, into a store that clip-retrieval's tools read.

    What is done is not done again: call it once more with the same folder and it goes on where it was stopped.

    Args:
        source: a folder of pictures, a tar file, a folder of tar files or a glob.
        encoder: as in a recipe of `curate`, such as `ViT-B-32/laion2b_s34b_b79k`.
        out: folder of the store.
        device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
        precision: `auto`, `fp32`, `bf16` or `fp16`.
        batch_size: pictures per forward pass; 16, or 256 on a GPU, where this is not said.
        threads: threads that decode; one per core where this is not said.
        workers: shards at work at once.
        whole: decode every JPEG at its full size, however large; slower.
        on: where shards are worked on: `threads` of this process, `ray` (a cluster of this machine alone) or
            `ray://host:port`.

    Returns:
        Folder of the store.

    Raises:
        BadInput: there is nothing to embed, or the folder holds rows of another encoder.
        Corrupt: an archive is damaged; the others are done nevertheless.
    """
    work = handed(EmbedWork)
    if work is None:
        recipe = make_recipe(
            source, encoder, device=device, precision=precision, batch_size=batch_size, threads=threads,
            workers=workers, whole=whole,
        )  # fmt: skip
        with open_work(recipe, Run(root=out)) as opened:
            embed_shards(opened, on)
    else:
        embed_shards(work, on)
    return out


def make_recipe(
    source: str, encoder: str, *, device: str, precision: str, batch_size: int | None, threads: int | None,
    workers: int, whole: bool,
) -> EmbedRecipe:  # fmt: skip
    """The recipe that the flow's parameters, and the command's options, stand for; see `embed`."""
    check_place(source, "folder", "SOURCE")
    options = {"device": device} | ({"precision": precision} if precision != "auto" else {})
    dataset = DatasetConfig(batch_size=batch_size, threads=threads)
    if whole:
        dataset = replace(dataset, reduced_ratio=0)
    return EmbedRecipe(source=source, encoder=encoder, encoder_options=options, workers=workers, dataset=dataset)


@contextmanager
def open_work(recipe: EmbedRecipe, run: Run) -> Iterator[EmbedWork]:
    """The source looked at, the store's folder held.

    Raises:
        BadInput: there is nothing to embed.
    """
    if recipe.workers < 1:
        raise BadInput(f"workers is {recipe.workers}; it must be at least 1.")
    shards = find_shards(recipe.source, recipe.dataset.per_shard_count)
    with hold_folder(run.root):
        yield EmbedWork(run=run, recipe=recipe, shards=shards)


def run_embed(recipe: EmbedRecipe, out: Path, *, on: str = THREADS, reporter: Reporter | None = None) -> Run:
    """Embed as a recipe says; what is wrong with it is said before a flow is started.

    Args:
        recipe: what to do.
        out: folder of the store: img_emb/, metadata/, encoder.json, and the table `embedded` with its receipts.
        on: where shards are worked on: `threads`, `ray` or `ray://host:port`.
        reporter: where progress is shown.

    Raises:
        BadInput: there is nothing to embed, or the folder holds rows of another encoder.
        Corrupt: an archive is damaged; the others are done nevertheless.
    """
    run = Run(root=out, reporter=reporter or Reporter())
    check_runner(on)
    with open_work(recipe, run) as work, handing(work):
        embed(
            recipe.source, recipe.encoder, out, device=str(recipe.encoder_options.get("device", "auto")),
            precision=str(recipe.encoder_options.get("precision", "auto")), batch_size=recipe.dataset.batch_size,
            threads=recipe.dataset.threads, workers=recipe.workers, whole=recipe.dataset.reduced_ratio == 0, on=on,
        )  # fmt: skip
    return run


def embed_shards(work: EmbedWork, on: str) -> None:
    """All shards, each where its receipt is missing or out of date."""
    run, recipe, shards = work.run, work.recipe, work.shards
    models = RunModels(encoder_name=recipe.encoder, encoder_options=recipe.encoder_options)
    claim_store(run.root, models.encoder)
    write_run_record(run.root, recipe, encoder=models.encoder.fingerprint)
    names = [shard.name for shard in shards]
    run.reporter.say(f"  {say_count(len(shards), 'shard')} of {recipe.source} with {models.encoder.name}")
    by_name = {shard.name: shard for shard in shards}
    arguments = (models, recipe.dataset, recipe.workers, by_name)
    with working_on(run, on, recipe.workers):
        run_shards(run, EMBEDDED, embed_shard, names, count_samples(shards), *arguments, gpu=models.wants_gpu)
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
        theirs = read_json_object(path)
        if theirs.get("fingerprint") != encoder.fingerprint:
            raise BadInput(
                f"{folder} holds rows of '{theirs.get('name')}' ({theirs.get('fingerprint')!s:.12}); "
                f"'{encoder.name}' ({encoder.fingerprint:.12}) needs a folder of its own."
            )
        return
    write_json(path, mine)


def embed_shard(
    run: Run, shard: str, models: RunModels, config: DatasetConfig, workers: int, shards: dict[str, Shard],
    advance: Advance,
) -> bool:  # fmt: skip
    """One shard of the store.

    Args:
        run: the store.
        shard: its name.
        models: with the encoder.
        config: how pictures are embedded.
        workers: shards at work at once, which share the cores.
        shards: name -> shard of the source.
        advance: called with the number of pictures done since the last call.
    """
    encoder, one = models.encoder, shards[shard]
    digest = digest_of(
        one.stamp, one.paths, encoder.fingerprint, config.max_pixels, config.reduced_ratio, embed_dataset.VERSION
    )
    if not has_embeddings(run.root, int(shard)):
        run.store.forget(EMBEDDED.name, shard)
    threads = config.threads or max(1, usable_cores() // workers)

    def make() -> pl.DataFrame:
        return embed_dataset.embed_samples(one, encoder, replace(config, threads=threads), run.root, advance)

    return run.make(EMBEDDED, digest, make, shard=shard)
