"""`relaionet evaluate` and `relaionet report`: a recipe shown, planned or run; evaluations side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from relaionet.flows.cli.options import FOLDER, LocalPath, start
from relaionet.flows.runs.console import echo


@click.command()
@click.option("--recipe", required=True, help="TOML file, or `paper`: the benchmark's eight systems and settings.")
@click.option("--out", type=FOLDER, help="Folder of the evaluation; run again to continue.")
@click.option("--split", type=FOLDER, help="Folder of a rebuilt split, in place of the recipe's.")
@click.option("--plan", is_flag=True, help="Say what would run, and what is missing; nothing is loaded or fetched.")
@click.option("--show", is_flag=True, help="Print the recipe, to start one of your own from.")
@click.option(
    "--requests",
    type=LocalPath(dir_okay=False),
    help="Write what every generator is asked for to this file, a line each.",
)
@click.option(
    "--on", default="threads", show_default=True, metavar="WHERE",
    help="Where images are sampled: threads (this machine), ray (a cluster of this machine alone) or ray://host:port.",
)  # fmt: skip
@click.pass_context
def evaluate(
    ctx: click.Context, recipe: str, out: Path | None, split: Path | None, plan: bool, show: bool,
    requests: Path | None, on: str,
) -> None:  # fmt: skip
    """Run registered generators on a split over steps x guidance, score them, and write a report."""
    start(ctx)
    from relaionet.flows.evaluation.recipe import read_evaluate_recipe
    from relaionet.flows.runs.recipes import find_recipe
    from relaionet.manifests.errors import BadInput

    if show:
        echo(find_recipe(recipe).read_text(encoding="utf-8").rstrip())
        return
    settings = read_evaluate_recipe(recipe)
    if split is not None:
        settings = replace(settings, split=split)
    if plan:
        from relaionet.flows.terminal.evaluation_plan import plan_lines

        for line in plan_lines(settings):
            echo(line)
        return
    if requests is not None:
        from relaionet.flows.evaluation.plan import write_requests

        count = write_requests(settings, requests)
        echo(f"{requests}: {count:,} requests. Name each image <sample_id>.png (docs/guides/generators.md).")
        return
    if out is None:
        raise BadInput("name the folder to write to: --out DIR; --plan says what would run without one.")
    from relaionet.flows.evaluate import run_evaluate

    run_evaluate(settings, out, on=on)


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
    from relaionet.flows.evaluation.report import print_leaderboards, write_evaluation_report

    if form:
        echo(print_leaderboards(folders, form, metrics.split(",") if metrics else ()), nl=False)
        return
    if metrics:
        raise click.UsageError("--metrics chooses columns of what --print prints; the page has all of them.")
    if out is None and len(folders) > 1:
        raise click.UsageError("several evaluations need --out DIR for their page.")
    path = write_evaluation_report(folders, (out or folders[0]) / "report.html", **({"title": title} if title else {}))
    echo(f"Report: {path}\nTables: {path.parent / 'tables'}")
