"""`relaionet report`: the page and the tables of evaluations that are done, without any generator."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli_start import FOLDER, start


@click.command()
@click.argument("folders", type=FOLDER, nargs=-1, required=True, metavar="DIR...")
@click.option("--out", type=FOLDER, help="Folder for report.html and tables/.  [default: DIR, where it is one]")
@click.option("--title", help="Of the page.  [default: the recipes' names]")
@click.option(
    "--print", "form", type=click.Choice(["markdown", "csv", "latex", "json"]), help="Print the leaderboard instead."
)
@click.option("--metrics", metavar="A,B,...", help="Columns of what is printed, in this order.  [default: all]")
@click.pass_context
def report(
    ctx: click.Context, folders: tuple[Path, ...], out: Path | None, title: str | None, form: str | None,
    metrics: str | None,
) -> None:  # fmt: skip
    """Write the page and the tables of evaluations that are done; nothing is sampled or scored anew.

    \b
    Several folders go onto one page: each split under each protocol gets a leaderboard of its own, and sets
    scored on the same rows are compared with each other, so a colleague's evaluation can stand beside yours.

    \b
    relaionet report runs/a runs/b --out runs/both
    relaionet report runs/a --print latex --metrics "FID,csFID,CLIP Score"
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    from relaionet.flows.reporting import print_leaderboards, write_evaluation_report

    if form:
        click.echo(print_leaderboards(folders, form, metrics.split(",") if metrics else ()), nl=False)
        return
    if metrics:
        raise click.UsageError("--metrics chooses columns of what --print prints; the page has all of them.")
    if out is None and len(folders) > 1:
        raise click.UsageError("several evaluations need --out DIR for their page.")
    path = write_evaluation_report(folders, (out or folders[0]) / "report.html", **({"title": title} if title else {}))
    click.echo(f"Report: {path}\nTables: {path.parent / 'tables'}")
