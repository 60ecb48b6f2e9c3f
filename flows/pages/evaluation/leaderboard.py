"""What the report's tables and charts hold, computed from the scores; the templates only lay it out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from relaionet.evaluators.metrics.catalogue import ALIGNMENTS, DISTANCES
from relaionet.evaluators.metrics.lookup import (
    arrow_of,
    explain_metric,
    is_lower_better,
    list_shown,
    order_columns,
)
from relaionet.evaluators.scoring.missing import count_missing
from relaionet.evaluators.scoring.score import REAL
from relaionet.evaluators.set_labels import add_labels, set_label
from relaionet.flows.pages.charts.chart import format_number
from relaionet.flows.pages.evaluation.ranks import Standing, rank_sets, say_rank
from relaionet.flows.pages.frame import count_card
from relaionet.manifests.files import digest_of
from relaionet.manifests.words import say_count


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of the leaderboard.

    Attributes:
        text: the value, short.
        interval: its ends, in words; empty where there is none.
        value: in full.
        low: lower end of the interval.
        high: upper end.
        point: place of the value on its column's scale, percent; None where the scale has no length.
        start: place of the lower end.
        end: place of the upper end.
        is_best: best of the sets that compete.
        is_tied: cannot be told from the best one on the same requests.
        source: id of the number's row among the sources.
    """

    text: str
    interval: str
    value: float
    low: float | None
    high: float | None
    point: float | None
    start: float | None
    end: float | None
    is_best: bool
    is_tied: bool
    source: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One scored set of the leaderboard.

    Attributes:
        label: of the set.
        generator: its name.
        steps: sampling steps; 0 where it has none.
        guidance: its scale.
        nfe: forward calls an image, in words.
        n: images scored.
        role: what it is where it does not compete.
        rank: places it may have under the board's main metric, as far as the differences hold: 2, or 2–4.
        missing: images asked for that were not scored; a set that lacks any is not ranked.
        cells: one for each column.
    """

    label: str
    generator: str
    steps: int
    guidance: float
    nfe: str
    n: int
    role: str
    rank: str
    missing: int
    cells: Sequence[Cell | None]


@dataclass(frozen=True, kw_only=True)
class Head:
    """One column of the leaderboard.

    Attributes:
        metric: its name.
        is_lower_better: direction.
        meaning: one line for people.
        is_main: in view at first; the others are one click away.
        arrow: ↓ where less is better, ↑ where more is, empty where neither.
    """

    metric: str
    is_lower_better: bool
    meaning: str
    is_main: bool
    arrow: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """The leaderboard: columns with direction and meaning, and rows, best first."""

    split: str
    protocol: str
    ranked_by: str
    heads: Sequence[Head]
    rows: Sequence[Row]

    @property
    def metrics(self) -> list[str]:
        """Names of the columns."""
        return [head.metric for head in self.heads]


def number_id(row: Mapping[str, Any]) -> str:
    """Id of one number among the page's sources; `row` is one of SCORES."""
    keys = ("split", "protocol", "generator", "steps", "guidance", "metric")
    return f"n-{digest_of(*(row[key] for key in keys))[:16]}"


def make_leaderboard(scores: pl.DataFrame, roles: Mapping[str, str], differences: pl.DataFrame | None = None) -> Board:
    """Rows best MMHM first (the real images on top), one column for each metric that was scored.

    Args:
        scores: SCORES rows of one split and protocol, at least one.
        roles: generator -> `upper bound` or `lower bound`.
        differences: DIFFERENCES rows of the same, from which ties with the best are known.
    """
    there = scores["metric"].unique().sort().to_list()
    metrics = order_columns(there)
    by_metric = {metric: scores.filter(metric=metric) for metric in metrics}
    standings = {metric: rank_sets(scores, metric, roles, differences) for metric in metrics}
    cells = {metric: _make_cells(rows, roles, standings[metric]) for metric, rows in by_metric.items()}
    missing = count_missing(scores)
    in_view = list_shown("main")
    main = next((metric for metric in ("MMHM", *in_view) if metric in metrics), metrics[0])
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
                rank=say_rank(standings[main].ranks.get(label)),
                missing=missing.get(label, 0),
                cells=[cells[metric].get(label) for metric in metrics],
            )
        )
    sign = 1 if is_lower_better(main) else -1

    def rank(row: Row) -> tuple[bool, float]:
        cell = cells[main].get(row.label)
        return row.generator != REAL, sign * cell.value if cell else math.inf

    heads = [
        Head(metric=metric, is_lower_better=is_lower_better(metric), meaning=explain_metric(metric),
             is_main=metric in in_view or not set(metrics) & set(in_view), arrow=arrow_of(metric))
        for metric in metrics
    ]  # fmt: skip
    first = scores.row(0, named=True)
    return Board(
        split=first["split"], protocol=first["protocol"], ranked_by=main, heads=heads, rows=sorted(rows, key=rank)
    )


def _make_cells(rows: pl.DataFrame, roles: Mapping[str, str], standing: Standing) -> dict[str, Cell]:
    """Cells of one metric, by set label."""
    share = _make_scale(rows, roles)
    cells = {}
    for row in rows.iter_rows(named=True):
        label = set_label(row["generator"], row["steps"], row["guidance"])
        has_interval = row["low"] is not None and row["high"] is not None
        cells[label] = Cell(
            text=format_number(row["value"]),
            interval=f"{format_number(row['low'])} to {format_number(row['high'])}" if has_interval else "",
            value=row["value"],
            low=row["low"],
            high=row["high"],
            point=share(row["value"]),
            start=share(row["low"]),
            end=share(row["high"]),
            is_best=label in standing.equals,
            is_tied=label in standing.ties,
            source=number_id(row),
        )
    return cells


def _make_scale(rows: pl.DataFrame, roles: Mapping[str, str]) -> Callable[[float | None], float | None]:
    """Place of a value on its column's scale, percent; logarithmic where values span more than 20 times."""
    # a lower bound lies so far off that on its scale nothing else could be told apart; its bar ends at the edge
    scaled = rows.filter(~pl.col("generator").is_in([name for name, role in roles.items() if role == "lower bound"]))
    scaled = scaled if scaled.height else rows
    ends = [end for column in ("value", "low", "high") for end in scaled[column].drop_nulls().to_list()]
    low, high = min(ends), max(ends)
    scale = math.log if low > 0 and high / low > 20 else float

    def share(value: float | None) -> float | None:
        if value is None or not high > low:
            return None
        value = min(max(value, low), high)
        return round(100 * (scale(value) - scale(low)) / (scale(high) - scale(low)), 1)

    return share


def make_summary(
    scores: pl.DataFrame, curation: Mapping[str, Any], agreement: Mapping[str, Any], roles: Mapping[str, str],
    differences: pl.DataFrame | None = None, *, where: str = "",
) -> list[tuple[str, str, str]]:  # fmt: skip
    """The few figures at the top: (value, what it is, detail).

    Args:
        scores: SCORES rows of one split and protocol.
        curation: what came before, where it is known.
        agreement: of the reviewers, where it is known.
        roles: generator -> its role.
        differences: DIFFERENCES rows of the same; sets that cannot be told from the best are counted beside it.
        where: the split, where there are several.
    """
    cards = []
    if curation.get("released") is not None:
        start = next((stage["rows_in"] for stage in curation.get("stages", ())), None)
        cards.append(
            count_card(
                curation["released"], "row released", "rows released", f"of {say_count(start, 'row')}" if start else ""
            )
        )
    for key, text in (("precision", "of the released labels are right"), ("recall", "of what could be released was")):
        if curation.get(key) is not None:
            cards.append((f"{100 * curation[key]:.1f} %", text, key))
    if agreement.get("alpha") is not None:
        ends = f"{format_number(agreement.get('low'))} to {format_number(agreement.get('high'))}"
        cards.append((format_number(agreement["alpha"]), "agreement of reviewers", f"Krippendorff's α, {ends}"))
    labelled = add_labels(scores)
    for metrics, text in ((DISTANCES, "lowest distance"), (ALIGNMENTS, "best alignment")):
        standings = ((metric, rank_sets(scores, metric, roles, differences)) for metric in metrics[:2])
        metric, standing = next(((name, one) for name, one in standings if one.best), ("", None))
        if standing is not None:
            value = labelled.filter(label=standing.best, metric=metric)["value"][0]
            others = len(standing.ties | standing.equals) - 1
            more = f"; {say_count(others, 'other')} cannot be told from it" if others else ""
            cards.append((format_number(value), f"{text} ({metric})", standing.best + where + more))
    return cards
