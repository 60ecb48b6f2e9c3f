"""What the report says about pairs: sets that cannot be told apart, metrics that order the sets differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from relaionet.evaluators.metrics.lookup import is_lower_better
from relaionet.evaluators.scoring.score import REAL
from relaionet.evaluators.set_labels import add_labels, set_label
from relaionet.flows.pages.charts.chart import format_number
from relaionet.manifests.words import say_count

LEVEL = 0.05
"""Corrected p-values below this are called a difference."""
SHOWN = 16
"""Sets of a matrix at most; its width is the page's."""
FEW = 4
"""Sets below which an order says nothing about agreement."""


@dataclass(frozen=True, kw_only=True)
class PairCell:
    """One pair of sets under one metric.

    Attributes:
        text: the difference, row less column.
        verdict: `better` or `worse` for the row, `unclear` where the two cannot be told apart.
        detail: interval and p-value, in words.
    """

    text: str
    verdict: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class PairTable:
    """Every pair of sets under one metric.

    Attributes:
        metric: its name.
        labels: of the sets, best first.
        cells: [S][S]; None where a set meets itself or the two share no requests.
        clear: pairs that differ.
        total: pairs compared.
        left_out: sets beyond the table's size.
    """

    metric: str
    labels: Sequence[str]
    cells: Sequence[Sequence[PairCell | None]]
    clear: int
    total: int
    left_out: int


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How alike metrics order the sets.

    Attributes:
        metrics: their names.
        taus: [M][M] Kendall's tau-b, -1 to 1, each metric turned so that more is better; None where undefined.
        n: sets ordered.
    """

    metrics: Sequence[str]
    taus: Sequence[Sequence[float | None]]
    n: int


def compare_pairs(
    differences: pl.DataFrame, scores: pl.DataFrame, roles: Mapping[str, str], metrics: Sequence[str]
) -> list[PairTable]:
    """A table of all pairs for every metric that has differences.

    Args:
        differences: DIFFERENCES rows of one split and protocol.
        scores: SCORES rows of the same.
        roles: generator -> its role; sets with one are left out.
        metrics: which, in order.
    """
    tables = []
    for metric in metrics:
        rows = differences.filter(metric=metric)
        order = _order(scores, roles, metric)
        labels = [label for label in order if label in {*rows["one"], *rows["other"]}]
        if len(labels) > 1:
            tables.append(_tabulate(rows, metric, labels[:SHOWN], max(0, len(labels) - SHOWN)))
    return tables


def _tabulate(rows: pl.DataFrame, metric: str, labels: Sequence[str], left_out: int) -> PairTable:
    sign = -1 if is_lower_better(metric) else 1
    cells: dict[tuple[str, str], PairCell] = {}
    clear = total = 0
    for row in rows.iter_rows(named=True):
        if row["one"] not in labels or row["other"] not in labels:
            continue
        total += 1
        is_clear = row["p_holm"] is not None and row["p_holm"] < LEVEL
        clear += is_clear
        chance = "p < 0.001" if row["p_holm"] < 0.001 else f"p = {row['p_holm']:.3f}"
        for turn, key in ((1, (row["one"], row["other"])), (-1, (row["other"], row["one"]))):
            apart = turn * row["difference"]
            verdict = "unclear" if not is_clear else "better" if sign * apart > 0 else "worse"
            cells[key] = PairCell(
                text=f"{'+' if apart > 0 else ''}{format_number(apart)}",
                verdict=verdict,
                detail=f"{_say_ends(row, turn)}, {chance} after Holm's correction, {say_count(row['n'], 'request')}",
            )
    return PairTable(
        metric=metric, labels=labels, cells=[[cells.get((one, two)) for two in labels] for one in labels],
        clear=clear, total=total, left_out=left_out,
    )  # fmt: skip


def _say_ends(row: Mapping[str, Any], turn: int) -> str:
    """The interval of a difference, seen from either set."""
    if row["low"] is None or row["high"] is None:
        return "no interval, since nothing varied"
    low, high = sorted((turn * row["low"], turn * row["high"]))
    return f"{format_number(low)} to {format_number(high)}"


def _order(scores: pl.DataFrame, roles: Mapping[str, str], metric: str) -> list[str]:
    """Labels of the sets that compete, best first under a metric."""
    rows = scores.filter(~pl.col("generator").is_in([REAL, *roles]), pl.col("metric") == metric)
    rows = rows.sort("value", descending=not is_lower_better(metric), maintain_order=True)
    return [set_label(*row) for row in rows.select("generator", "steps", "guidance").iter_rows()]


def measure_agreement(scores: pl.DataFrame, roles: Mapping[str, str], metrics: Sequence[str]) -> Agreement | None:
    """Kendall's tau-b between the orders that metrics give the sets; None with fewer than `FEW` sets.

    Args:
        scores: SCORES rows of one split and protocol.
        roles: generator -> its role; sets with one are left out, as a bound agrees with every metric.
        metrics: which, in order.

    Source: Kendall 1945, "The treatment of ties in ranking problems".
    """
    from scipy.stats import kendalltau

    wide = widen_scores(scores, roles, metrics)
    names = [metric for metric in metrics if metric in wide.columns]
    if wide.height < FEW or len(names) < 2:
        return None
    values = np.column_stack([(-1 if is_lower_better(name) else 1) * wide[name].to_numpy() for name in names])
    taus: list[list[float | None]] = []
    for one in range(len(names)):
        found = [float(kendalltau(values[:, one], values[:, two]).statistic) for two in range(len(names))]
        taus.append([None if np.isnan(tau) else tau for tau in found])
    return Agreement(metrics=names, taus=taus, n=wide.height)


def widen_scores(scores: pl.DataFrame, roles: Mapping[str, str], metrics: Sequence[str]) -> pl.DataFrame:
    """One row for each competing set that has all metrics which most have: `label` and a column per metric."""
    judged = scores.filter(~pl.col("generator").is_in([REAL, *roles]), pl.col("metric").is_in(list(metrics)))
    if judged.is_empty():
        return pl.DataFrame({"label": []}, schema={"label": pl.String})
    keys = ["generator", "steps", "guidance"]
    wide = judged.pivot("metric", index=keys, values="value", aggregate_function="first")
    wide = add_labels(wide)
    kept = [name for name in metrics if name in wide.columns and wide[name].null_count() < wide.height / 2]
    return wide.select("label", *kept).drop_nulls()
