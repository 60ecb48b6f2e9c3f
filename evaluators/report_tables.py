"""What the report's tables and charts hold, computed from the scores; the templates only lay it out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from relaionet.evaluators.charts import STYLES_COUNT, Chart, Point, Series, draw_chart, format_number
from relaionet.evaluators.findings import ALIGNMENTS, DISTANCES
from relaionet.evaluators.metrics.catalogue import METRICS, explain_metric, is_lower_better
from relaionet.evaluators.metrics.score import REAL
from relaionet.manifests.tables import ALIVE, TABLES

COLUMNS = tuple(metric.name for metric in METRICS)
STAGE_TABLES = {"review": "verdicts", "rebuild": "split"}
"""Stages that go by another name than their table."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of the leaderboard; positions are percent of its column's scale."""

    text: str
    interval: str
    sort: float
    point: float | None
    start: float | None
    end: float | None
    is_best: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """One scored set of the leaderboard."""

    label: str
    generator: str
    steps: int
    guidance: float
    nfe: str
    n: int
    role: str
    cells: Sequence[Cell | None]


@dataclass(frozen=True, kw_only=True)
class Board:
    """The leaderboard: columns with direction and meaning, rows, and every number in long form."""

    metrics: Sequence[str]
    heads: Sequence[tuple[str, bool, str]]
    rows: Sequence[Row]
    all_rows: Sequence[Mapping[str, Any]]


def set_label(generator: str, steps: int, guidance: float) -> str:
    """How the report names a scored set: "flow, 4 steps, guidance 2"."""
    parts = [generator]
    if steps:
        parts.append(_count_steps(steps))
        parts.append(f"guidance {guidance:g}")
    return ", ".join(parts)


def make_leaderboard(scores: pl.DataFrame, roles: Mapping[str, str]) -> Board:
    """Rows best MMHM first (the real images on top), one column for each metric that was scored."""
    metrics = [metric for metric in COLUMNS if (scores["metric"] == metric).any()]
    by_metric = {metric: scores.filter(metric=metric) for metric in metrics}
    cells = {metric: _make_cells(rows, roles) for metric, rows in by_metric.items()}
    sets = scores.unique(subset=["generator", "steps", "guidance"], maintain_order=True).iter_rows(named=True)
    rows = []
    for one in sets:
        label = set_label(one["generator"], one["steps"], one["guidance"])
        role = "the split itself" if one["generator"] == REAL else roles.get(one["generator"], "")
        rows.append(
            Row(
                label=label,
                generator=one["generator"],
                steps=one["steps"],
                guidance=one["guidance"],
                nfe=f"{one['nfe']:g}" if one["nfe"] else "–",
                n=one["n"],
                role=role,
                cells=[cells[metric].get(label) for metric in metrics],
            )
        )
    main = "MMHM" if "MMHM" in metrics else metrics[0] if metrics else ""
    sign = 1 if is_lower_better(main) else -1

    def rank(row: Row) -> tuple[bool, float]:
        cell = cells[main].get(row.label) if main else None
        return row.generator != REAL, sign * cell.sort if cell else math.inf

    heads = [(metric, is_lower_better(metric), explain_metric(metric)) for metric in metrics]
    everything = scores.sort("metric", "generator", "steps", "guidance").to_dicts()
    return Board(metrics=metrics, heads=heads, rows=sorted(rows, key=rank), all_rows=everything)


def _make_cells(rows: pl.DataFrame, roles: Mapping[str, str]) -> dict[str, Cell]:
    """Cells of one metric, by set label."""
    # a lower bound lies so far off that on its scale nothing else could be told apart; its bar ends at the edge
    scaled = rows.filter(~pl.col("generator").is_in([name for name, role in roles.items() if role == "lower bound"]))
    scaled = scaled if scaled.height else rows
    ends = [end for column in ("value", "low", "high") for end in scaled[column].drop_nulls().to_list()]
    low, high = min(ends), max(ends)
    is_log = low > 0 and high / low > 20

    def share(value: float | None) -> float | None:
        if value is None or not high > low:
            return None
        scale = math.log if is_log else float
        value = min(max(value, low), high)
        return round(100 * (scale(value) - scale(low)) / (scale(high) - scale(low)), 1)

    judged = rows.filter(~pl.col("generator").is_in([REAL, *roles]))
    best = None
    if judged.height:
        best = judged["value"].min() if is_lower_better(rows["metric"][0]) else judged["value"].max()
    cells = {}
    for row in rows.iter_rows(named=True):
        has_interval = row["low"] is not None and row["high"] is not None
        cells[set_label(row["generator"], row["steps"], row["guidance"])] = Cell(
            text=format_number(row["value"]),
            interval=f"{format_number(row['low'])} to {format_number(row['high'])}" if has_interval else "",
            sort=row["value"],
            point=share(row["value"]),
            start=share(row["low"]),
            end=share(row["high"]),
            is_best=row["value"] == best and row["generator"] not in {REAL, *roles},
        )
    return cells


def make_stages(stages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Stages of the funnel with the share of each status, widths relative to the largest stage."""
    stages = list(stages)
    largest = max((stage["rows_in"] for stage in stages), default=0) or 1
    made = []
    for stage in stages:
        table = TABLES.get(STAGE_TABLES.get(stage["stage"], stage["stage"]))
        meanings = table.statuses if table else {}
        statuses = stage.get("statuses", {})
        passed = {ALIVE, "accept", "rows", "exact", "same_picture", "pushed"}
        made.append(
            {
                "name": stage["stage"],
                "rows_in": stage["rows_in"],
                "seconds": stage.get("seconds"),
                "adds_up": sum(statuses.values()) == stage["rows_in"],
                "statuses": [
                    {
                        "name": name,
                        "count": count,
                        "width": round(100 * count / largest, 2),
                        "meaning": meanings.get(name, ""),
                        "passed": name in passed,
                        "reasons": stage.get("reasons", {}).get(name, {}),
                    }
                    for name, count in statuses.items()
                ],
            }
        )
    return made


def make_summary(
    scores: pl.DataFrame, curation: Mapping[str, Any], agreement: Mapping[str, Any], roles: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """The few figures at the top: (value, what it is, detail)."""
    cards = []
    if curation.get("released") is not None:
        start = next((stage["rows_in"] for stage in curation.get("stages", ())), None)
        cards.append(
            (f"{curation['released']:,}".replace(",", " "), "pictures released", f"of {start} rows" if start else "")
        )
    for key, text in (("precision", "of the released labels are right"), ("recall", "of what could be released was")):
        if curation.get(key) is not None:
            cards.append((f"{100 * curation[key]:.1f} %", text, key))
    if agreement.get("alpha") is not None:
        ends = f"{format_number(agreement.get('low'))} to {format_number(agreement.get('high'))}"
        cards.append((format_number(agreement["alpha"]), "agreement of reviewers", f"Krippendorff's α, {ends}"))
    judged = scores.filter(~pl.col("generator").is_in([REAL, *roles]))
    for metrics, text in ((DISTANCES, "lowest distance"), (ALIGNMENTS, "best alignment")):
        rows = judged.filter(pl.col("metric").is_in(metrics[:2])).sort("value", descending=metrics is ALIGNMENTS)
        if rows.height:
            one = rows.row(0, named=True)
            label = set_label(one["generator"], one["steps"], one["guidance"])
            cards.append((format_number(one["value"]), f"{text} ({one['metric']})", label))
    return cards


def draw_trade(scores: pl.DataFrame, roles: Mapping[str, str]) -> Chart | None:
    """Distance over alignment, one line per generator and steps along its guidance; None where nothing was varied."""
    distance = next((name for name in DISTANCES if (scores["metric"] == name).any()), None)
    alignment = next((name for name in ALIGNMENTS if (scores["metric"] == name).any()), None)
    judged = scores.filter(~pl.col("generator").is_in([REAL, *roles]))
    if distance is None or alignment is None or judged.is_empty():
        return None
    keys = ["generator", "steps", "guidance"]
    pairs = judged.filter(metric=distance).join(judged.filter(metric=alignment), on=keys, suffix=":a")
    series = []
    for index, ((generator, steps), rows) in enumerate(
        pairs.sort(keys).group_by(["generator", "steps"], maintain_order=True)
    ):
        points = [
            Point(x=row["value:a"], y=row["value"], low=row["low"], high=row["high"], text=f"{row['guidance']:g}")
            for row in rows.iter_rows(named=True)
        ]
        name = _line_name(str(generator), "steps", float(steps))
        series.append(Series(name=name, style=index % STYLES_COUNT, points=points))
    if not any(len(one.points) > 1 for one in series):
        return None
    title = f"{distance} over {alignment}; numbers at the points are guidance scales"
    return draw_chart(
        series, title=title, x_label=f"{alignment} (more is better)", y_label=f"{distance} (less is better)",
        ordinal=False, width=480, height=360,
    )  # fmt: skip


def draw_curves(scores: pl.DataFrame, along: str, metrics: Sequence[str], roles: Mapping[str, str]) -> list[Chart]:
    """One chart per metric over guidance or steps, one line per generator and held setting.

    Bounds and real images, which have no settings, become levels. No charts where nothing was scored at two settings.
    """
    held = "steps" if along == "guidance" else "guidance"
    judged = scores.filter(~pl.col("generator").is_in([REAL, *roles]))
    lines = [key for key, _ in judged.sort("generator", held).group_by(["generator", held], maintain_order=True)]
    if judged.select("generator", held, along).unique().height <= len(lines):
        return []
    charts = []
    for metric in metrics:
        rows = scores.filter(metric=metric).sort(along)
        series = []
        for index, (generator, fixed) in enumerate(lines):
            own = rows.filter(pl.col("generator") == generator, pl.col(held) == fixed)
            points = [
                Point(x=row[along], y=row["value"], low=row["low"], high=row["high"])
                for row in own.iter_rows(named=True)
            ]
            series.append(Series(name=_line_name(generator, held, fixed), style=index % STYLES_COUNT, points=points))
        levels = rows.filter(pl.col("generator").is_in([REAL, *roles])).select("generator", "value").rows()
        arrow = "less is better" if is_lower_better(metric) else "more is better"
        y_label = f"{metric} ({arrow})"
        if any(one.points for one in series):
            title = f"{metric} over {along}"
            charts.append(draw_chart(series, title=title, x_label=along, y_label=y_label, levels=levels))
    return charts


def _line_name(generator: str, held: str, fixed: float) -> str:
    if held == "guidance":
        return f"{generator}, guidance {fixed:g}"
    return f"{generator}, {_count_steps(fixed)}" if fixed else generator


def _count_steps(steps: float) -> str:
    return f"{steps:g} step{'' if steps == 1 else 's'}"
