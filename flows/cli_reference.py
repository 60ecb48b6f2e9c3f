"""`relaionet reference`: sets of pictures that must not be in a curated set, kept on this machine for every run."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli_start import FOLDER, start

STORE = click.option(
    "--store", type=FOLDER, help="Folder of the store.  [default: references/ in RELAIONET_HOME or the user's cache]"
)


@click.group()
def reference() -> None:
    """Reference sets, such as ImageNet's train, val and V2: what is in them must not leak into the set.

    \b
    relaionet reference add ~/imagenet/train --name imagenet-train --encoder ViT-B-32/laion2b_s34b_b79k
    and in the recipe:  references = ["imagenet-train"]
    """  # noqa: D301  (\b keeps click from wrapping the lines)


@reference.command("add")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", required=True, help="What recipes call it.")
@click.option("--encoder", default="ViT-B-32/laion2b_s34b_b79k", show_default=True, help="As in the recipe.")
@click.option("--batch-size", type=click.IntRange(1), help="Pictures per forward pass.  [default: 16, on a GPU 256]")
@click.option("--threads", type=click.IntRange(1), help="Threads that decode.  [default: the cores there are]")
@STORE
@click.pass_context
def reference_add(
    ctx: click.Context,
    folder: Path,
    name: str,
    encoder: str,
    batch_size: int | None,
    threads: int | None,
    store: Path | None,
) -> None:
    """Embed and hash all pictures of FOLDER, any depth, once for all runs.

    May be stopped at any time: run again, it goes on where it stopped, and takes in only what changed. Each picture
    takes 1 kB and two bytes per number of the encoder's rows on disk; files that are no pictures are counted.
    """
    start(ctx)
    from relaionet.flows.console import Reporter
    from relaionet.flows.references import add_to_store
    from relaionet.pipeline.embeddings.embed import EmbedConfig

    config = EmbedConfig(batch_size=batch_size, threads=threads)
    added = add_to_store(folder, name, encoder, store, config, Reporter())
    click.echo(f'{added.pictures_count:,} pictures in {added.folder}. In a recipe: references = ["{name}"]')


@reference.command("list")
@STORE
def reference_list(store: Path | None) -> None:
    """List the sets of the store: their pictures and the encoders they were embedded with."""
    from relaionet.flows.references import describe_store

    for line in describe_store(store):
        click.echo(line)
