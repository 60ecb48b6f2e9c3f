"""`relaionet metrics` and `relaionet statistics`: what can be scored, and reference statistics as files."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli.options import start

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--protocols", is_flag=True, help="List the protocols and their choices instead.")
def metrics(protocols: bool) -> None:
    """List every metric: direction, what has to be asked for, and what it says.

    A metric with a name in the middle column is added by `extras = ["NAME"]` in a recipe; a rater is a command, see
    docs/tutorials/evaluate.md. Besides, "FD:EXTRACTOR" and "CMMD:EXTRACTOR" compare the features of any extractor.
    """
    if protocols:
        _list_protocols()
        return
    from relaionet.evaluators.metrics.catalogue import METRICS

    for metric in METRICS:
        better = "lower" if metric.is_lower_better else "higher"
        click.echo(f"{metric.name:<12} {better:<7} {metric.needs:<11} {metric.meaning}")


def _list_protocols() -> None:
    from relaionet.evaluators.protocols import PROTOCOLS

    for protocol in PROTOCOLS.values():
        real = protocol.real
        how = f"{real.filter}, {real.fit}, {'not rounded' if real.is_float else 'uint8'}"
        score = f"{protocol.is_split_images:,} images" if protocol.is_split_images else f"{protocol.is_splits} splits"
        click.echo(
            f"{protocol.name:<10} v{protocol.version}  {protocol.size_px} px ({how}), {protocol.fd_name} from "
            f"{protocol.fd_extractor}, IS in {score}, alignment {protocol.alignment}"
        )


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
        count = f"{one.n:,} images" if one.n else "number of images not said"
        click.echo(f"{path}\n  {len(one.mean):,} dimensions, {count}, {about}\n  content {one.digest[:16]}")
        if one is not found[0] and len(one.mean) == len(found[0].mean):
            if one.made_with and found[0].made_with:
                check_made_alike([one.made_with, found[0].made_with], "statistics")
            click.echo(f"  distance to the first: {frechet_distance(one.gaussian(), found[0].gaussian()):.6g}")


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
    click.echo(f"written: {target}")


@statistics.command("import")
@click.argument("source", type=FILE)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--spatial", is_flag=True, help="Take an ADM file's statistics of sFID's features.")
@click.pass_context
def statistics_import(ctx: click.Context, source: Path, folder: Path, spatial: bool) -> None:
    """Check SOURCE, an npz of ADM or clean-fid, and keep it in FOLDER under the name of its content."""
    start(ctx)
    from relaionet.evaluators.features.statistics import read_statistics, write_statistics

    click.echo(f"written: {write_statistics(folder, read_statistics(source, 'sFID' if spatial else ''))}")
