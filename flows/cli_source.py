"""`relaionet source`: look at metadata before a run is begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from relaionet.flows.cli_start import start

if TYPE_CHECKING:
    from relaionet.pipeline.candidates.judge import RULE


@click.command()
@click.argument("places", nargs=-1, required=True)
@click.option("--schema", help="Name of the tables' schema, such as LAION-2B.  [default: found from their columns]")
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
    from relaionet.flows.source_preview import preview_source
    from relaionet.manifests.errors import BadInput
    from relaionet.pipeline.candidates.judge import CandidatesConfig

    start(ctx)
    wrong = next((text for text in columns if not all(text.partition("="))), None)
    if wrong is not None:
        raise BadInput(f"--column {wrong}: expected OURS=THEIRS, such as url=link.")
    named = dict(text.split("=", 1) for text in columns)
    for line in preview_source(places, CandidatesConfig(schema=schema, columns=named, rule=rule), rows).describe():
        click.echo(line)
