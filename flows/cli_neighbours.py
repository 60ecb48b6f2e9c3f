"""`relaionet neighbours`: a look at a clip-retrieval service before a run is pointed at it."""

from __future__ import annotations

import click

from relaionet.flows.cli_start import start


@click.group()
def neighbours() -> None:
    """Candidates by nearest neighbours from a clip-retrieval service; `curate` asks it, see docs/candidates.md."""


@neighbours.command("check")
@click.argument("url")
@click.option("--index", default="", help="Name of an index.  [default: the service's only one]")
@click.option("--text", default="a photo of a banana", show_default=True, help="What is searched for.")
@click.option("--encoder", help="Search by this encoder's vectors too, and say whether the index was made with it.")
@click.pass_context
def neighbours_check(ctx: click.Context, url: str, index: str, text: str, encoder: str | None) -> None:
    """Ask the service at URL for its indices and one search, and say what works and what is lacking."""
    start(ctx)
    from relaionet.flows.neighbour_check import check_service

    for line in check_service(url, index=index, text=text, encoder=encoder):
        click.echo(line)
