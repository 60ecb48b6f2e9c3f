"""The same sets on several splits: their numbers side by side, and whether the splits order them alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from relaionet.evaluators.metrics.lookup import find_metric, is_lower_better, list_shown
from relaionet.evaluators.scoring.score import REAL
from relaionet.evaluators.set_labels import add_labels
from relaionet.flows.pages.charts.chart import format_number
from relaionet.flows.pages.evaluation.pairs import FEW


@dataclass(frozen=True, kw_only=True)
class SplitCell:
    """One set on one split."""

    text: str
    interval: str
    rank: int
    value: float


@dataclass(frozen=True, kw_only=True)
class SplitTable:
    """One metric of all sets on all splits.

    Attributes:
        protocol: of the scores.
        metric: its name.
        splits: (name, images a set) of each column.
        rows: (label, a cell for each split; None where it was not scored there).
        taus: Kendall's tau-b between the first split's order and that of each split, None where fewer than four sets
            are on both.
        caution: what not to read into the values; empty where there is nothing to mind.
    """

    protocol: str
    metric: str
    splits: Sequence[tuple[str, int]]
    rows: Sequence[tuple[str, Sequence[SplitCell | None]]]
    taus: Sequence[float | None]
    caution: str


def compare_splits(scores: pl.DataFrame, roles: Mapping[str, str]) -> list[SplitTable]:
    """A table for each protocol and metric with sets that were scored on two splits or more.

    Args:
        scores: SCORES rows, of any splits and protocols.
        roles: generator -> its role; sets with one are left out.
    """
    judged = add_labels(scores.filter(~pl.col("generator").is_in([REAL, *roles])))
    tables = []
    for protocol in judged["protocol"].unique(maintain_order=True):
        for metric in list_shown("splits"):
            rows = judged.filter(protocol=protocol, metric=metric)
            if rows["split"].n_unique() > 1:
                tables.append(_tabulate(rows, str(protocol), metric))
    return tables


def _tabulate(rows: pl.DataFrame, protocol: str, metric: str) -> SplitTable:
    descending = not is_lower_better(metric)
    rows = rows.with_columns(rank=pl.col("value").rank("min", descending=descending).over("split").cast(pl.Int64))
    splits = rows["split"].unique(maintain_order=True).to_list()
    counts = dict(rows.group_by("split", maintain_order=True).agg(pl.col("n").max()).iter_rows())
    cells = {
        (row["label"], row["split"]): SplitCell(
            text=format_number(row["value"]), rank=row["rank"], value=row["value"],
            interval="" if row["low"] is None else f"{format_number(row['low'])} to {format_number(row['high'])}",
        )
        for row in rows.iter_rows(named=True)
    }  # fmt: skip
    labels = rows.sort("rank", maintain_order=True)["label"].unique(maintain_order=True).to_list()
    labels.sort(
        key=lambda label: [cell.rank if (cell := cells.get((label, split))) else len(labels) for split in splits]
    )
    values = {
        split: {label: cell.value for (label, where), cell in cells.items() if where == split} for split in splits
    }
    return SplitTable(
        protocol=protocol, metric=metric, splits=[(split, counts[split]) for split in splits],
        rows=[(label, [cells.get((label, split)) for split in splits]) for label in labels],
        taus=[None, *(_agree(values[splits[0]], values[split]) for split in splits[1:])],
        caution=_caution(metric, set(counts.values())),
    )  # fmt: skip


def _agree(one: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Kendall's tau-b over the sets both have."""
    from scipy.stats import kendalltau

    labels = [label for label in one if label in other]
    if len(labels) < FEW:
        return None
    tau = float(kendalltau([one[label] for label in labels], [other[label] for label in labels]).statistic)
    return None if np.isnan(tau) else tau


def _caution(metric: str, counts: set[int]) -> str:
    found = find_metric(metric)
    if found is not None and found.is_within_rows:
        return f"{metric} is scaled by the sets of its own split: compare its ranks, never its values, between splits."
    if len(counts) > 1 and (found is None or found.depends_on_count):
        return f"{metric} depends on the number of images, which differs here: compare its ranks, not its values."
    return ""
