"""What the report says about classes: which are the worst and the best of a set, and the groups they form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from relaionet.evaluators.metrics.lookup import is_lower_better, list_shown
from relaionet.flows.pages.charts.chart import format_number
from relaionet.flows.pages.charts.spread import name_part


@dataclass(frozen=True, kw_only=True)
class ClassCell:
    """One class of a set."""

    wnid: str
    name: str
    value: str
    interval: str
    n: int
    is_apart: bool


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """Worst and best classes of one set under one metric.

    Attributes:
        label: of the set.
        metric: its name.
        mean: of the classes' values.
        worst: classes, worst first.
        best: classes, best first.
        apart: classes whose interval leaves out the mean.
        total: classes with an interval.
    """

    label: str
    metric: str
    mean: str
    worst: Sequence[ClassCell]
    best: Sequence[ClassCell]
    apart: int
    total: int


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One class over all sets under one metric."""

    wnid: str
    name: str
    mean: float
    mean_text: str
    best: str
    worst: str
    spread: float
    spread_text: str


def pick_metrics(class_scores: pl.DataFrame) -> list[str]:
    """Metrics by class that are worth a chart, in order."""
    there = set(class_scores.filter(kind="class")["metric"].to_list())
    return [metric for metric in list_shown("classes") if metric in there]


def find_extremes(class_scores: pl.DataFrame, metric: str, label: str, count: int) -> Extremes | None:
    """Worst and best classes of one set; None where it has fewer than two classes.

    Args:
        class_scores: CLASS_SCORES rows of one split and protocol, with labels.
        metric: which.
        label: of the set.
        count: classes of each end.
    """
    rows = class_scores.filter(kind="class", metric=metric, label=label).filter(pl.col("value").is_finite())
    if rows.height < 2:
        return None
    mean = float(rows["value"].mean())  # type: ignore[arg-type]  # there are some
    rows = rows.sort("value", "part", descending=[is_lower_better(metric), False])
    apart = (pl.col("low") > mean) | (pl.col("high") < mean)
    cells = [
        ClassCell(
            wnid=row["part"], name=name_part(row["part"]), value=format_number(row["value"]), n=row["n"],
            interval="" if row["low"] is None else f"{format_number(row['low'])} to {format_number(row['high'])}",
            is_apart=bool(row["apart"]),
        )
        for row in rows.with_columns(apart=apart.fill_null(value=False)).iter_rows(named=True)
    ]  # fmt: skip
    count = min(count, len(cells) // 2)
    return Extremes(
        label=label, metric=metric, mean=format_number(mean), worst=cells[:count], best=cells[::-1][:count],
        apart=sum(cell.is_apart for cell in cells), total=rows["low"].drop_nulls().len(),
    )  # fmt: skip


def list_classes(class_scores: pl.DataFrame, metric: str) -> list[ClassRow]:
    """Every class over all sets, the hardest first.

    Args:
        class_scores: CLASS_SCORES rows of one split and protocol, with labels.
        metric: which.
    """
    rows = class_scores.filter(kind="class", metric=metric).filter(pl.col("value").is_finite())
    lower = is_lower_better(metric)
    best, worst = (pl.col("label").sort_by("value", descending=turn) for turn in (not lower, lower))
    classes = (
        rows.group_by("part")
        .agg(
            mean=pl.col("value").mean(), spread=pl.col("value").max() - pl.col("value").min(),
            best=best.first(), worst=worst.first(), sets=pl.len(),
        )
        .sort("mean", "part", descending=[lower, False])
    )  # fmt: skip
    return [
        ClassRow(
            wnid=row["part"], name=name_part(row["part"]), mean=row["mean"], mean_text=format_number(row["mean"]),
            best=row["best"] if row["sets"] > 1 else "", worst=row["worst"] if row["sets"] > 1 else "",
            spread=row["spread"], spread_text=format_number(row["spread"]) if row["sets"] > 1 else "–",
        )
        for row in classes.iter_rows(named=True)
    ]  # fmt: skip


def list_groups(
    class_scores: pl.DataFrame, metric: str, labels: Sequence[str]
) -> tuple[list[str], list[tuple[str, list[tuple[str, str]]]]]:
    """Groups of classes: their names, and for each set the value and interval of every group."""
    rows = class_scores.filter(kind="group", metric=metric)
    groups = rows["part"].unique().sort().to_list()
    cells: Mapping[tuple[str, str], tuple[str, str]] = {
        (row["label"], row["part"]): (
            format_number(row["value"]),
            "" if row["low"] is None else f"{format_number(row['low'])} to {format_number(row['high'])}",
        )
        for row in rows.iter_rows(named=True)
    }
    there = {label for label, _ in cells}
    made = [(label, [cells.get((label, group), ("–", "")) for group in groups]) for label in labels if label in there]
    return groups, made
