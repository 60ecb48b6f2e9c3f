"""`relaionet source`: look at metadata before a run is begun."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from relaionet.flows.cli.options import FOLDER, DeclaredOption, LocalPath, on_option, run_option, start
from relaionet.flows.runs.console import echo
from relaionet.manifests.words import say_count

if TYPE_CHECKING:
    from relaionet.pipeline.candidates.judge import RULE


def known_schemas() -> str:
    """Names of all schemas."""
    from relaionet.pipeline.sources.schemas import schemas_help

    return schemas_help()


@click.command()
@click.argument("places", nargs=-1, required=True)
@click.option(
    "--schema", cls=DeclaredOption, told=known_schemas,
    help="The tables' schema: {declared}.  [default: found from their columns]",
)  # fmt: skip
@click.option(
    "--column", "columns", multiple=True, metavar="OURS=THEIRS",
    help="A column with a name of its own, such as url=link; may be given several times.",
)  # fmt: skip
@click.option(
    "--rule", type=click.Choice(["relaionet", "laionet"]), default="relaionet", show_default=True,
    help="How captions name classes.",
)  # fmt: skip
@click.option("--rows", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Rows judged.")
@click.pass_context
def source(
    ctx: click.Context, places: tuple[str, ...], schema: str | None, columns: tuple[str, ...], rule: RULE, rows: int
) -> None:
    """Look at metadata tables: files, schema, rows, and what the first rows would become.

    PLACES are what a recipe's `source` may name: files, folders, globs, https://…, s3://bucket/…,
    hf://datasets/owner/name. Nothing is written.

    \b
    relaionet source laion/*.parquet
    relaionet source hf://datasets/owner/name --column url=link --column caption="alt text"
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    from relaionet.flows.terminal.source import preview_source
    from relaionet.manifests.errors import BadInput
    from relaionet.pipeline.candidates.judge import CandidatesConfig

    start(ctx)
    wrong = next((text for text in columns if not all(text.partition("="))), None)
    if wrong is not None:
        raise BadInput(f"--column {wrong}: expected OURS=THEIRS, such as url=link.")
    named = dict(text.split("=", 1) for text in columns)
    for line in preview_source(places, CandidatesConfig(schema=schema, columns=named, rule=rule), rows).describe():
        echo(line)


@click.command()
@click.option("--recipe", required=True, help="TOML file; docs/ shows whole ones.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the run; run again to continue.")
@click.option(
    "--push/--no-push", default=None, help="Push the tasks to Label Studio at the end.  [default: if one is set up]"
)
@click.option("--retry", is_flag=True, help="Ask again for images that failed for a reason that may pass.")
@on_option()
@click.pass_context
def curate(ctx: click.Context, recipe: str, out: Path, push: bool | None, retry: bool, on: str) -> None:
    """Turn LAION rows into review tasks: candidates, images, embeddings, proposals, screens."""
    start(ctx)
    from relaionet.flows.curation.recipe import read_curate_recipe
    from relaionet.flows.terminal.finished import show_finished_curate

    settings = read_curate_recipe(recipe)
    if show_finished_curate(settings, out, push=push, retry=retry, on=on) is None:
        from relaionet.flows.curate import run_curate

        run_curate(settings, out, push=push, retry=retry, on=on)


@click.command()
@run_option
@click.option(
    "--published", type=LocalPath(exists=True, dir_okay=False),
    help="Published counts to compare with, one `name<TAB>count` per line.  [default: the recipe's]",
)  # fmt: skip
@click.pass_context
def candidates(ctx: click.Context, run: Path, published: Path | None) -> None:
    """Report what became of a source's rows: by status and reason, and class by class.

    Writes candidates.html (one page that loads nothing) and candidates_by_class.csv and .parquet into the run's folder:
    how many captions name each class, how many were lost to what, what was chosen, which classes have none and why.
    `relaionet curate` writes them too; this writes them again, to compare with other published counts.
    """
    start(ctx)
    from relaionet.flows.pages.candidates import report_run
    from relaionet.flows.runs.run import Run

    report_run(Run(root=run), published)


@click.command()
@run_option
@click.pass_context
def proposals(ctx: click.Context, run: Path) -> None:
    """Report a run's proposals: reliability, tiers, what is unclear and why, who looks at what.

    Writes proposals.html (one page that loads nothing) into the run's folder. `relaionet curate` writes it too; written
    again after a review it also shows how often proposals of each kind proved right, and what the control sample says
    of the rows that nobody looked at.
    """
    start(ctx)
    from relaionet.flows.pages.proposals import report_proposals

    report_proposals(run)


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
@click.argument("folder", type=LocalPath(exists=True, file_okay=False))
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
    from relaionet.flows.curation.references import add_to_store
    from relaionet.flows.runs.reporter import Reporter
    from relaionet.pipeline.embeddings.embed import EmbedConfig

    config = EmbedConfig(batch_size=batch_size, threads=threads)
    added = add_to_store(folder, name, encoder, store, config, Reporter())
    count = say_count(added.pictures_count, "picture")
    echo(f'{count} in {added.folder}. In a recipe: references = ["{name}"]')


@reference.command("list")
@STORE
def reference_list(store: Path | None) -> None:
    """List the sets of the store: their pictures and the encoders they were embedded with."""
    from relaionet.flows.curation.references import describe_store

    for line in describe_store(store):
        echo(line)
