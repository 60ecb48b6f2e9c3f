"""The report of the steps before anything is fetched: one HTML page, and the same per class as parquet and CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.flows.pages.class_counts import LOSSES, count_classes, read_published_counts
from relaionet.flows.pages.stages import make_stages
from relaionet.flows.pages.thumbnails import embed_file
from relaionet.flows.pages.write import write_page
from relaionet.flows.runs.run import Run, StageCount
from relaionet.manifests.files import write_atomic
from relaionet.manifests.tables import CANDIDATES, CHOSEN, TEXT_MATCHES
from relaionet.pipeline.candidates.choice import ChooseConfig

PAGE, TABLE = "candidates.html", "candidates_by_class"
LEFT, RIGHT, TOP, BOTTOM = 54.0, 426.0, 32.0, 256.0
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
    for suffix, data in ((".parquet", _parquet(classes)), (".csv", classes.write_csv().encode())):
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
    run.reporter.say(f"\nReport: {page}\nPer class: {run.root / TABLE}.csv")
    return page


def make_context(
    title: str,
    classes: pl.DataFrame,
    stages: Sequence[StageCount],
    plots: Sequence[Mapping[str, str]],
    published: Mapping[str, int] | None,
) -> dict[str, Any]:
    """What the page shows."""
    some = classes.filter((pl.col("named") + pl.col("possible") + pl.col("sought")) > 0)
    none = classes.filter(pl.col("chosen") == 0)
    lost = [status for status in LOSSES if classes[status].sum()]
    keys = ["named", "possible", "sought", *lost, "chosen", "budget", "short"]
    keys = [key for key in keys if key in ("named", "chosen") or (classes[key].sum() or 0) > 0]
    titles = {
        "named": "captions that name the class, alone or with others",
        "possible": "captions with a word that may mean it",
        "sought": "rows only a search found", "chosen": "rows that are fetched", "budget": "rows asked for",
        "short": "rows it falls short of the budget",
    } | LOSSES  # fmt: skip
    heads = [
        ("Class", "", "ascending"),
        *((key.replace("_", " "), titles[key], "descending") for key in keys),
        ("why", "", "ascending"),
    ]
    return {
        "title": title,
        "cards": _cards(classes, stages),
        "stages": make_stages([asdict(stage) for stage in stages]),
        "plots": plots,
        "ranks": draw_ranks(classes),
        "published": None if published is None else compare_counts(classes, published),
        "classes": some.sort("chosen", "named", "class_index", descending=[True, True, False]).to_dicts()[:MOST_SHOWN],
        "empty": none.to_dicts(),
        "keys": keys,
        "heads": heads,
    }


def _cards(classes: pl.DataFrame, stages: Sequence[StageCount]) -> list[tuple[str, str, str]]:
    by_name = {stage.stage: stage for stage in stages}
    shown = []
    for table, what in (
        (CANDIDATES, "rows in the source"),
        (TEXT_MATCHES, "candidates"),
        (CHOSEN, "with a fitting text"),
    ):
        if table.name in by_name:
            shown.append((f"{by_name[table.name].rows_in:,}".replace(",", " "), what, ""))
    if CHOSEN.name in by_name:
        chosen = by_name[CHOSEN.name].statuses.get("ok", 0)
        shown.append((f"{chosen:,}".replace(",", " "), "are fetched", f"{classes['chosen'].sum():,} of a known class"))
    filled = classes.filter(pl.col("chosen") > 0)
    shown.append((str(filled.height), "classes have some", f"median {_number(filled['chosen'].median()):g}"))
    shown.append((str(classes.height - filled.height), "classes have none", ""))
    return shown


def _number(value: object) -> float:
    """A polars aggregate as a number, 0 where there was nothing to aggregate."""
    return float(value) if isinstance(value, int | float) else 0.0


def _scale(low: float, high: float, start: float, end: float) -> Any:
    """Positions on a logarithmic axis; zero lies where one half would."""
    first, last = math.log10(low), math.log10(max(high, 10 * low))
    return lambda value: round(start + (math.log10(max(value, low)) - first) / (last - first) * (end - start), 1)


def _powers(high: float) -> list[int]:
    return [10**power for power in range(max(1, math.ceil(math.log10(max(high, 2)))) + 1)]


def _short(value: int) -> str:
    """1000 as 1k, 1000000 as 1M."""
    return next((f"{value // size}{unit}" for size, unit in ((10**6, "M"), (1000, "k")) if value >= size), str(value))


def draw_ranks(classes: pl.DataFrame) -> dict[str, Any]:
    """Rows per class with the classes in falling order, of captions and of chosen rows."""
    high = max(1.0, *(_number(classes[key].max()) for key in ("named", "chosen")))
    place_y = _scale(0.5, high, BOTTOM, TOP)

    def place_x(rank: float) -> float:
        return round(LEFT + rank / classes.height * (RIGHT - LEFT), 1)

    lines = []
    for style, (key, name) in enumerate((("named", "captions that name the class"), ("chosen", "fetched"))):
        values = classes[key].sort(descending=True).to_list()
        lines.append((name, style, " ".join(f"{place_x(rank)} {place_y(value)}" for rank, value in enumerate(values))))
    return {
        "ticks": [(place_y(value), _short(value)) for value in _powers(high) if value <= high],
        "x_ticks": [(place_x(rank), rank) for rank in range(0, classes.height + 1, 250)],
        "lines": lines,
    }


def compare_counts(classes: pl.DataFrame, published: Mapping[str, int]) -> dict[str, Any]:
    """A dot per class, published against counted here, and how far the two orders agree."""
    counts = pl.DataFrame({"wnid": list(published), "published": list(published.values())})
    both = classes.select("wnid", "name", "named").join(counts, on="wnid", maintain_order="left")
    high_x = max(1.0, _number(both["published"].max()))
    high_y = max(1.0, _number(both["named"].max()))
    place_x, place_y = _scale(0.5, high_x, LEFT, RIGHT), _scale(0.5, high_y, BOTTOM, TOP)
    agreement = both.select(pl.corr("published", "named", method="spearman")).item()
    nowhere = both.filter((pl.col("named") == 0) & (pl.col("published") > 0)).height
    said = "not defined" if agreement is None or math.isnan(agreement) else f"{agreement:.2f}"
    return {
        "dots": [
            {"x": place_x(there), "y": place_y(here), "text": f"{name}: {there:,} published, {here:,} here"}
            for _, name, here, there in both.iter_rows()
        ],
        "x_ticks": [(place_x(value), _short(value)) for value in _powers(high_x) if value <= high_x],
        "y_ticks": [(place_y(value), _short(value)) for value in _powers(high_y) if value <= high_y],
        "spearman": agreement,
        "text": (
            f"{both.height:,} classes; rank correlation (Spearman) {said}; {nowhere:,} classes with published captions "
            "have none here. Published counts are of another source and another rule: the order is to be compared, not "
            "the numbers."
        ),
    }


def find_plots(run: Run) -> list[dict[str, str]]:
    """The picture of the text threshold as a data URI, where the run compared texts."""
    from relaionet.flows.curation.texts import text_threshold_file

    uri = embed_file(text_threshold_file(run).with_suffix(".png"))
    return (
        []
        if uri is None
        else [{"uri": uri, "alt": "Similarity of captions and classes, and the thresholds drawn from it"}]
    )
