"""The report of the steps before anything is fetched: one HTML page, and the same per class as parquet and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.flows.pages.charts.class_counts import compare_counts, draw_class_ranks
from relaionet.flows.pages.class_counts import FOUND, LOSSES, ONWARD, count_classes, read_published_counts
from relaionet.flows.pages.frame import count_card
from relaionet.flows.pages.stages import make_stages
from relaionet.flows.pages.thumbnails import embed_file
from relaionet.flows.pages.write import write_page
from relaionet.flows.runs.run import Run, StageCount
from relaionet.manifests.files import write_atomic
from relaionet.manifests.store import csv_bytes
from relaionet.manifests.tables import CANDIDATES, CHOSEN, TEXT_MATCHES
from relaionet.manifests.words import format_count
from relaionet.pipeline.candidates.choice import ChooseConfig

PAGE, TABLE = "candidates.html", "candidates_by_class"
MOST_SHOWN = 1000


def write_candidates_report(
    run: Run, title: str, config: ChooseConfig, stages: Sequence[StageCount], published: Path | None = None
) -> Path:
    """Write `candidates.html`, `candidates_by_class.parquet` and `candidates_by_class.csv` into the run's folder.

    Args:
        run: a run whose choice is made.
        title: name of the run.
        config: the budgets of the choice.
        stages: counts of the steps up to the choice, in order.
        published: file of published counts to compare with (`class_counts.read_published_counts`).

    Returns:
        The page.

    Raises:
        BadInput: the published counts cannot be read.
    """
    counts = read_published_counts(published) if published is not None else None
    classes = count_classes(run, config)
    for suffix, data in ((".parquet", _parquet(classes)), (".csv", csv_bytes(classes))):
        write_atomic(run.root / f"{TABLE}{suffix}", data)
    context = make_context(title, classes, stages, find_plots(run), counts)
    return write_page(run.root / PAGE, "candidates.html", **context)


def write_missing_report(run: Run, title: str, config: ChooseConfig, published: Path | None) -> None:
    """Write the report of a choice where it is missing or something it shows was made now.

    Args:
        run: a run whose candidates are chosen and counted.
        title: name of the run.
        config: budgets of the choice.
        published: file of published counts to compare with; None for none.
    """
    names = {table.name for table in (CANDIDATES, TEXT_MATCHES, CHOSEN)}
    if (run.root / PAGE).is_file() and not run.made & names:
        return
    write_candidates_report(run, title, config, [count for count in run.counts if count.stage in names], published)
    run.reporter.say(f"  {'':<12}report: {run.root / PAGE}")


def _parquet(rows: pl.DataFrame) -> bytes:
    import io

    data = io.BytesIO()
    rows.write_parquet(data)
    return data.getvalue()


def report_run(run: Run, published: Path | None) -> Path:
    """Write the report of a finished choice, from what lies in the run's folder."""
    from relaionet.flows.curation.recipe import read_run_recipe

    recipe = read_run_recipe(run.root)
    stages = [run.count(table) for table in (CANDIDATES, TEXT_MATCHES, CHOSEN)]
    page = write_candidates_report(run, recipe.name, recipe.choose, stages, published or recipe.published_counts)
    run.reporter.say(f"\nReport: {page}", f"Per class: {run.root / TABLE}.csv")
    return page


def make_context(
    title: str,
    classes: pl.DataFrame,
    stages: Sequence[StageCount],
    plots: Sequence[Mapping[str, str]],
    published: Mapping[str, int] | None,
) -> dict[str, Any]:
    """What the page shows."""
    some = classes.filter(pl.sum_horizontal(*FOUND) > 0)
    none = classes.filter(pl.col("chosen") + pl.col("left_to_picture") == 0)
    lost = [status for status in LOSSES if classes[status].sum()]
    keys = [*FOUND, *lost, *ONWARD, "budget", "short"]
    keys = [key for key in keys if key in ("named", "chosen") or (classes[key].sum() or 0) > 0]
    titles = {**FOUND, **LOSSES, **ONWARD, "budget": "rows asked for", "short": "rows it falls short of the budget"}
    heads = [
        ("Class", "", "ascending"),
        *((key.replace("_", " "), titles[key], "descending") for key in keys),
        ("why", "", "ascending"),
    ]
    return {
        "title": title,
        "cards": _cards(classes, stages, compared=bool(plots)),
        "stages": make_stages([asdict(stage) for stage in stages]),
        "plots": plots,
        "ranks": draw_class_ranks(classes),
        "published": None if published is None else compare_counts(classes, published),
        "classes": some.sort("chosen", "named", "class_index", descending=[True, True, False]).to_dicts()[:MOST_SHOWN],
        "empty": none.to_dicts(),
        "keys": keys,
        "heads": heads,
    }


def _cards(classes: pl.DataFrame, stages: Sequence[StageCount], *, compared: bool) -> list[tuple[str, str, str]]:
    by_name = {stage.stage: stage for stage in stages}
    shown = []
    # without a text encoder no caption is compared with anything, and every candidate goes on
    tables = [(CANDIDATES, "row in the source", "rows in the source"), (TEXT_MATCHES, "candidate", "candidates")]
    fitting = (CHOSEN, "with a fitting text", "with a fitting text")
    for table, one, many in [*tables, fitting] if compared else tables:
        if table.name in by_name:
            shown.append(count_card(by_name[table.name].rows_in, one, many))
    if CHOSEN.name in by_name:
        chosen = by_name[CHOSEN.name].statuses.get("ok", 0)
        shown.append((format_count(chosen), "to be fetched", f"{classes['chosen'].sum():,} of a known class"))
    filled = classes.filter(pl.col("chosen") + pl.col("left_to_picture") > 0)
    median = filled.select(pl.col("chosen").cast(pl.Float64).median().fill_null(0)).item()
    told = f"median {median:g} chosen for the class"
    shown.append(count_card(filled.height, "class has some", "classes have some", told))
    shown.append(count_card(classes.height - filled.height, "class has none", "classes have none"))
    return shown


def find_plots(run: Run) -> list[dict[str, str]]:
    """The picture of the text threshold as a data URI, where the run compared texts."""
    from relaionet.flows.curation.texts import text_threshold_file

    uri = embed_file(text_threshold_file(run).with_suffix(".png"))
    return (
        []
        if uri is None
        else [{"uri": uri, "alt": "Similarity of captions and classes, and the thresholds drawn from it"}]
    )
