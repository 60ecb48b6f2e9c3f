"""The flows that make runs and evaluations, called from Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from relaionet.manifests.places import local_path

__all__ = ["curate", "evaluate", "report"]


def curate(
    recipe: str | Path, out: str | Path, *, push: bool | None = False, retry: bool = False, on: str = "threads"
) -> pl.DataFrame:
    """Turn LAION rows into review tasks, as `relaionet curate` does: candidates, images, labels, screens, tasks.

    Args:
        recipe: TOML file, or the name of a recipe that comes with the project.
        out: folder of the run; run again, it goes on where it stopped.
        push: push the tasks to Label Studio at the end; None does where a server is set up.
        retry: ask again for images that failed for a reason that may pass.
        on: where shards are worked on: `threads` of this process, `ray`, or `ray://host:port`.

    Returns:
        Columns stage, status, rows_count: for every stage, in order, how many rows got which status. The rows of a
        stage sum to what it was given, so none is lost in silence.

    Raises:
        BadInput: the recipe is wrong; nothing was made.
        Unavailable: the source or a server does not answer; what was done is kept.

    Examples:
        >>> counts = rn.curate("curate.toml", "run")  # a run that is done is read, not made again
        >>> counts.filter(stage="candidates", status="ok")["rows_count"].item()
        63
    """
    from relaionet.flows.runs.environment import prepare_environment

    prepare_environment()  # before Prefect is imported
    from relaionet.flows.curation.recipe import read_curate_recipe
    from relaionet.flows.terminal.finished import show_finished_curate

    settings, folder = read_curate_recipe(str(recipe)), local_path(out, "out")
    run = show_finished_curate(settings, folder, push=push, retry=retry, on=on)
    if run is None:
        from relaionet.flows.curate import run_curate

        run = run_curate(settings, folder, push=push, retry=retry, on=on)
    rows = [(one.stage, status, count) for one in run.counts for status, count in one.statuses.items()]
    return pl.DataFrame(rows, schema={"stage": pl.String, "status": pl.String, "rows_count": pl.Int64}, orient="row")


def evaluate(
    recipe: str | Path, out: str | Path, *, split: str | Path | None = None, on: str = "threads"
) -> pl.DataFrame:
    """Run the generators of a recipe on a split and score them, as `relaionet evaluate` does.

    Args:
        recipe: TOML file, or `paper`: the benchmark's systems and settings.
        out: folder of the evaluation; run again, it goes on where it stopped. `report.html` is written there, with the
            tables `scores`, `class_scores` and `differences` as parquet.
        split: folder of a rebuilt split, in place of the recipe's.
        on: where images are sampled: `threads` of this process, `ray`, or `ray://host:port`.

    Returns:
        The scores: one row per generator, steps, guidance and metric, with value, low and high (95 %) and n.

    Raises:
        BadInput: the recipe, the split or a generator is wrong; said before the first generator runs.
        Unavailable: a set could not be made; the others are scored.

    Examples:
        >>> scores = rn.evaluate("evaluate.toml", "evaluation")
        >>> best = scores.filter(metric="FD").sort("value").row(0, named=True)
        >>> best["generator"], best["low"] <= best["value"] <= best["high"]
        ('miniature-flow', True)
    """
    from relaionet.flows.runs.environment import prepare_environment

    prepare_environment()
    from relaionet.flows.evaluation.recipe import read_evaluate_recipe
    from relaionet.flows.evaluation.stored_sets import read_sets
    from relaionet.flows.terminal.finished import show_finished_evaluate

    settings = read_evaluate_recipe(str(recipe))
    if split is not None:
        settings = replace(settings, split=local_path(split, "split").absolute())
    folder = local_path(out, "out")
    if show_finished_evaluate(settings, folder, on=on) is None:
        from relaionet.flows.evaluate import run_evaluate

        run_evaluate(settings, folder, on=on)
    return read_sets(folder).read("scores")


def report(*folders: str | Path, out: str | Path | None = None, title: str | None = None) -> Path:
    """Write one page and the tables of evaluations that are done; nothing is sampled or scored anew.

    Args:
        *folders: of evaluations. Each split under each protocol gets a leaderboard of its own.
        out: folder for `report.html` and `tables`; where there is one evaluation, its own folder if None.
        title: of the page; the recipes' names if None.

    Returns:
        The path of the page.

    Raises:
        BadInput: a folder holds no evaluation, two cannot stand on one page, or several are given and no `out`.

    Examples:
        >>> rn.report("evaluation", out="page").name
        'report.html'
    """
    from relaionet.flows.evaluation.report import write_evaluation_report
    from relaionet.manifests.errors import BadInput

    places: Sequence[Path] = [local_path(folder, "folders") for folder in folders]
    if not places or (out is None and len(places) > 1):
        raise BadInput(
            "report(...) needs at least one folder of an evaluation, and out=FOLDER where there are several."
        )
    more = {"title": title} if title else {}
    return write_evaluation_report(places, local_path(out or places[0], "out") / "report.html", **more)
