"""How one metric spreads over the classes: a box of quartiles for each set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from relaionet.evaluators.metrics.lookup import say_direction
from relaionet.flows.pages.charts.chart import choose_ticks, format_number
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.words import say_count

SPREAD_SETS = 24
WIDTH, LEFT, RIGHT, TOP, ROW, BOTTOM = 820.0, 312.0, 22.0, 16.0, 26.0, 40.0


@dataclass(frozen=True, kw_only=True)
class SpreadRow:
    """One set of a spread chart; positions in pixels of its view box.

    Attributes:
        label: of the set.
        y: middle of the row.
        whiskers: 5 % and 95 % of the classes.
        box: first and third quartile.
        median: of the classes.
        dots: (x, what it is) of the classes beyond the whiskers.
        title: the figures, in words.
    """

    label: str
    y: float
    whiskers: tuple[float, float]
    box: tuple[float, float]
    median: float
    dots: Sequence[tuple[float, str]]
    title: str


@dataclass(frozen=True, kw_only=True)
class SpreadChart:
    """How one metric spreads over the classes, a row for each set."""

    metric: str
    arrow: str
    rows: Sequence[SpreadRow]
    ticks: Sequence[tuple[float, str]]
    classes_count: int
    left_out: int
    width: float
    height: float
    left: float
    right: float
    bottom: float


def name_part(wnid: str) -> str:
    """Name of a class; one that is none of ImageNet's goes by its own."""
    label = labels_by_wnid().get(wnid)
    return label.name if label else wnid


def draw_spread(class_scores: pl.DataFrame, metric: str, labels: Sequence[str]) -> SpreadChart | None:
    """Box of quartiles, whiskers at 5 and 95 %, dots beyond; None with fewer than three classes.

    Args:
        class_scores: CLASS_SCORES rows of one split and protocol, with labels (`add_labels`).
        metric: which.
        labels: of the sets, in order.
    """
    rows = class_scores.filter(kind="class", metric=metric).filter(pl.col("value").is_finite())
    there = set(rows["label"].to_list())
    shown = [label for label in labels if label in there]
    if rows["part"].n_unique() < 3 or not shown:
        return None
    values = rows.filter(pl.col("label").is_in(shown[:SPREAD_SETS]))["value"]
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]  # there are some
    span = (high - low) or abs(high) or 1.0
    low, high = low - 0.02 * span, high + 0.02 * span

    def place(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (WIDTH - RIGHT - LEFT), 1)

    made = []
    for index, label in enumerate(shown[:SPREAD_SETS]):
        own = rows.filter(label=label)
        five, first, median, third, most = np.quantile(own["value"].to_numpy(), [0.05, 0.25, 0.5, 0.75, 0.95])
        beyond = own.filter((pl.col("value") < five) | (pl.col("value") > most)).sort("value")
        dots = [(place(row["value"]), f"{name_part(row['part'])} {format_number(row['value'])}")
                for row in beyond.iter_rows(named=True)]  # fmt: skip
        title = (
            f"{label}: {metric} of {say_count(own.height, 'class')}, median {format_number(median)}, half of them "
            f"{format_number(first)} to {format_number(third)}"
        )
        made.append(
            SpreadRow(
                label=label, y=TOP + ROW * (index + 0.5), whiskers=(place(five), place(most)),
                box=(place(first), place(third)), median=place(median), dots=dots, title=title,
            )
        )  # fmt: skip
    bottom = TOP + ROW * len(made)
    return SpreadChart(
        metric=metric, arrow=say_direction(metric), rows=made,
        ticks=[(place(tick), f"{tick:.6g}".replace("-", "−")) for tick in choose_ticks(low, high)],
        classes_count=rows["part"].n_unique(), left_out=max(0, len(shown) - SPREAD_SETS),
        width=WIDTH, height=bottom + BOTTOM, left=LEFT, right=WIDTH - RIGHT, bottom=bottom,
    )  # fmt: skip
