"""`relaionet evaluate`, `report` and `compare`: a recipe shown, planned or run; evaluations and sets side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from relaionet.flows.cli.options import FOLDER, LocalPath, on_option, start
from relaionet.flows.runs.console import echo
from relaionet.manifests.words import say_count


@click.command()
@click.option("--recipe", required=True, help="TOML file, or `paper`: the benchmark's eight systems and settings.")
@click.option("--out", type=FOLDER, help="Folder of the evaluation; run again to continue.")
@click.option("--split", type=FOLDER, help="Folder of a rebuilt split, in place of the recipe's.")
@click.option("--core", is_flag=True, help="Score on the rows of the release's core alone.")
@click.option(
    "--plan", is_flag=True, help="Say what would run and what is missing, by the run's own checks; nothing is fetched."
)
@click.option("--show", is_flag=True, help="Print the recipe, to start one of your own from.")
@click.option(
    "--requests",
    type=LocalPath(dir_okay=False),
    help="Write what every generator is asked for to this file, a line each.",
)
@on_option("Where images are sampled: threads (this machine)")
@click.pass_context
def evaluate(
    ctx: click.Context, recipe: str, out: Path | None, split: Path | None, core: bool, plan: bool,
    show: bool, requests: Path | None, on: str,
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
    if core:
        settings = replace(settings, core=True)
    if plan:
        from relaionet.flows.terminal.evaluation_plan import plan_lines

        for line in plan_lines(settings, on):
            echo(line)
        return
    if requests is not None:
        from relaionet.flows.evaluation.plan import write_requests

        count = write_requests(settings, requests)
        echo(f"{requests}: {say_count(count, 'request')}. Name each image <sample_id>.png (docs/guides/generators.md).")
        return
    if out is None:
        raise BadInput("name the folder to write to: --out DIR; --plan says what would run without one.")
    from relaionet.flows.terminal.finished import show_finished_evaluate

    if show_finished_evaluate(settings, out, on=on) is None:
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
    from relaionet.flows.evaluation.report import print_leaderboards, say_unscored, write_evaluation_report

    if form:
        echo(print_leaderboards(folders, form, metrics.split(",") if metrics else ()), nl=False)
        for line in say_unscored(folders):
            echo(line, err=True)
        return
    if metrics:
        raise click.UsageError("--metrics chooses columns of what --print prints; the page has all of them.")
    if out is None and len(folders) > 1:
        raise click.UsageError("several evaluations need --out DIR for their page.")
    path = write_evaluation_report(folders, (out or folders[0]) / "report.html", **({"title": title} if title else {}))
    echo(f"Report: {path}\nTables: {path.parent / 'tables'}")


PLACE = LocalPath(exists=True)
CSV = LocalPath(exists=True, dir_okay=False)


class _Measures(click.Command):
    """A command whose help lists what is measured, read when it is asked for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What is measured, a line each."""
        from relaionet.evaluators.comparison.measures import MEASURES

        with formatter.section("Measures"):
            formatter.write_dl([(one.name, one.meaning) for one in MEASURES])


@click.command(cls=_Measures)
@click.argument("one", type=PLACE, metavar="A")
@click.argument("other", type=PLACE, metavar="B")
@click.option("--out", type=FOLDER, required=True, help="Folder of the comparison; run again to continue.")
@click.option(
    "--features", multiple=True, metavar="NAME",
    help="Representation to compare in, as often as wanted: inception, dinov2, encoder:NAME, package.module:factory.  "
    "[default: inception, dinov2 and encoder:ViT-L-14/openai; of the miniature, its own]",
)  # fmt: skip
@click.option(
    "--weights",
    multiple=True,
    metavar="NAME=PATH",
    help="Local file or folder in place of a representation's download.",
)
@click.option("--protocol", help="How pictures are read for them: a name, or a TOML file.  [default: ours]")
@click.option("--device", default="auto", show_default=True, help="Torch device.")
@click.option(
    "--mix", type=click.Choice(["both", "equal", "any"]), default="both", show_default=True,
    help="Equally many pictures of each class, classes as they are, or both of these as far as the sets allow.",
)  # fmt: skip
@click.option("--draws", type=click.IntRange(1), default=5, show_default=True, help="How often pictures are drawn.")
@click.option("--count", type=click.IntRange(4), default=5000, show_default=True, help="Pictures of each set at most.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another one draws other pictures.")
@click.option("--labels-a", type=CSV, help="CSV of file and wnid or class_index, where A does not say its classes.")
@click.option("--labels-b", type=CSV, help="The same for B.")
@click.option("--name-a", default="", help="What A is called.  [default: the release, folder or file]")
@click.option("--name-b", default="", help="What B is called.")
@click.option(
    "--card", type=FOLDER, metavar="RELEASE",
    help="Release that A was rebuilt from: its next version holds the same rows, with these numbers on its card.",
)  # fmt: skip
@click.pass_context
def compare(
    ctx: click.Context, one: Path, other: Path, out: Path, features: tuple[str, ...], weights: tuple[str, ...],
    protocol: str | None, device: str, mix: Any, draws: int, count: int, seed: int, labels_a: Path | None,
    labels_b: Path | None, name_a: str, name_b: str, card: Path | None,
) -> None:  # fmt: skip
    """Say how far the pictures of A are from those of B: distances, classes, shapes, sizes, what both hold.

    A and B are rebuilt splits, exports, or folders of pictures by class; one of them may be an npz of reference
    statistics. Both are drawn from at equal number, and at equal number of each class, several times; every number has
    its 95 % interval over new draws of the pictures and says how many it is made from.

    \b
    relaionet compare split imagenet-val --out runs/apart
    relaionet compare split imagenet-val --out runs/apart --features inception --weights inception=FILE
    relaionet compare split VIRTUAL_imagenet256_labeled.npz --out runs/apart --features inception
    relaionet compare split imagenet-val --out runs/apart --card releases/mine-v1
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    from relaionet.evaluators.comparison.compare import CompareConfig
    from relaionet.evaluators.comparison.draws import DrawConfig
    from relaionet.flows.compare import run_compare
    from relaionet.flows.comparison.order import CompareOrder

    pairs = [part.partition("=") for part in weights]
    if wrong := next((part[0] for part in pairs if not part[2]), None):
        raise click.UsageError(f"--weights '{wrong}': expected NAME=PATH.")
    config = CompareConfig(draw=DrawConfig(draws=draws, count=count, seed=seed), mix=mix)
    order = CompareOrder(
        one=one, other=other, representations=features, weights={name: path for name, _, path in pairs},
        protocol=protocol or "", device=device, labels=(labels_a, labels_b), names=(name_a, name_b), config=config,
        card=card,
    )  # fmt: skip
    run_compare(order, out)
