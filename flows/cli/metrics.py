"""`relaionet metrics` and `relaionet statistics`: what can be scored, and reference statistics as files."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli.options import LocalPath, start
from relaionet.flows.runs.console import echo
from relaionet.manifests.words import say_count

FILE = LocalPath(dir_okay=False)


class _Listed(click.Command):
    """A command whose help reads what is declared, when it is asked for."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What the command does, and how metrics are asked for."""
        from relaionet.evaluators.listing import asking

        super().format_help_text(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(asking())


@click.command(cls=_Listed)
@click.option("--protocols", is_flag=True, help="List the protocols and their choices instead.")
def metrics(protocols: bool) -> None:
    """List every metric: direction, what has to be asked for, and what it says."""
    from relaionet.evaluators.listing import metric_lines, protocol_lines

    echo("\n".join(protocol_lines() if protocols else metric_lines()))


@click.group()
def statistics() -> None:
    """Look at reference statistics (mean and covariance of features), and exchange them with other programs.

    An evaluation keeps those of its split in OUT/statistics, under the name of their content. A file named in a recipe,
    `[references]` with `imagenet = "VIRTUAL_imagenet256_labeled.npz"`, adds the distance "FID to imagenet".
    """


@statistics.command("show")
@click.argument("files", type=FILE, nargs=-1, required=True)
def statistics_show(files: tuple[Path, ...]) -> None:
    """Say what each of the FILES holds, and the Fréchet distance of each to the first.

    Reads ours, ADM's and clean-fid's npz; nothing in them is unpickled.
    """
    from relaionet.evaluators.features.statistics import read_statistics
    from relaionet.evaluators.metrics.frechet import frechet_distance
    from relaionet.evaluators.protocols import check_made_alike

    found = [read_statistics(path) for path in files]
    for path, one in zip(files, found, strict=True):
        about = ", ".join(f"{key} {value}" for key, value in one.about.items() if key != "file")
        count = say_count(one.n, "image") if one.n else "number of images not said"
        echo(f"{path}\n  {len(one.mean):,} dimensions, {count}, {about}\n  content {one.digest[:16]}")
        if one is not found[0] and len(one.mean) == len(found[0].mean):
            if one.made_with and found[0].made_with:
                check_made_alike([one.made_with, found[0].made_with], "statistics")
            echo(f"  distance to the first: {frechet_distance(one.gaussian(), found[0].gaussian()):.6g}")


@statistics.command("export")
@click.argument("source", type=FILE)
@click.argument("target", type=FILE)
@click.option("--spatial", type=FILE, help="Statistics of sFID's features, for ADM's evaluator.")
def statistics_export(source: Path, target: Path, spatial: Path | None) -> None:
    """Write SOURCE, a file of OUT/statistics, as the npz that ADM's evaluator and clean-fid read.

    clean-fid looks in its own `stats` folder for NAME_clean_custom_na.npz; its features are those of protocol `clean`.
    """
    from relaionet.evaluators.features.statistics import export_statistics, read_statistics

    export_statistics(target, read_statistics(source), read_statistics(spatial) if spatial else None)
    echo(f"written: {target}")


@statistics.command("import")
@click.argument("source", type=FILE)
@click.argument("folder", type=LocalPath(file_okay=False))
@click.option("--spatial", is_flag=True, help="Take an ADM file's statistics of sFID's features.")
@click.pass_context
def statistics_import(ctx: click.Context, source: Path, folder: Path, spatial: bool) -> None:
    """Check SOURCE, an npz of ADM or clean-fid, and keep it in FOLDER under the name of its content."""
    start(ctx)
    from relaionet.evaluators.features.statistics import read_statistics, write_statistics

    echo(f"written: {write_statistics(folder, read_statistics(source, 'sFID' if spatial else ''))}")
