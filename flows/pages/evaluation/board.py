"""One split under one protocol as the report shows it: leaderboard, findings, charts, pairs, classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.evaluators.metrics.catalogue import ALIGNMENTS, DISTANCES
from relaionet.evaluators.metrics.lookup import is_ranked, list_shown
from relaionet.evaluators.scoring.score import REAL
from relaionet.evaluators.set_labels import add_labels
from relaionet.flows.pages.charts.chart import Chart
from relaionet.flows.pages.charts.score_charts import draw_curves, draw_ranks, draw_trade
from relaionet.flows.pages.charts.spread import draw_spread
from relaionet.flows.pages.evaluation.classes import (
    Extremes,
    find_extremes,
    list_classes,
    list_groups,
    pick_metrics,
)
from relaionet.flows.pages.evaluation.findings import (
    check_bounds,
    compare_settings,
    conclude_ranking,
    conclude_settings,
)
from relaionet.flows.pages.evaluation.leaderboard import Board, make_leaderboard
from relaionet.flows.pages.evaluation.pairs import compare_pairs, measure_agreement, widen_scores
from relaionet.flows.pages.evaluation.ranks import rank_sets

if TYPE_CHECKING:
    from relaionet.flows.pages.evaluation.contents import Report, ReportConfig
    from relaionet.flows.pages.thumbnails import PagePicture

CLASSES_BY = 4
"""Metrics whose spread over the classes is drawn."""


def make_board(rows: pl.DataFrame, report: Report, config: ReportConfig) -> dict[str, Any]:
    """What the page shows of one split under one protocol.

    Args:
        rows: SCORES rows of one split and protocol.
        report: all that the page shows.
        config: how.
    """
    split, protocol, roles = rows["split"][0], rows["protocol"][0], report.roles
    differences = part_of(report.differences, split, protocol)
    board = make_leaderboard(rows, roles, differences)
    main = [metric for metric in list_shown("main") if metric in board.metrics]
    found = {
        along: compare_settings(rows, along, [metric for metric in main if is_ranked(metric)])
        for along in ("guidance", "steps")
    }
    trades: dict[str, Chart | None] = {along: draw_trade(rows, along, roles, DISTANCES, ALIGNMENTS) for along in found}
    return {
        "split": split,
        "protocol": protocol,
        "board": board,
        "bounds": check_bounds(rows, roles),
        "warnings": gather_warnings({one.label: one.warnings for one in report.sets if one.split == split}),
        "found": found,
        "conclusions": {along: conclude_settings(some, along) for along, some in found.items()},
        "trades": trades,
        "curves": [(along, draw_curves(rows, along, main, roles)) for along in found],
        "pairs": [] if differences is None else compare_pairs(differences, rows, roles, list_shown("pairs")),
        "ranking": conclude_ranking(rows, roles, differences),
        "ranks": draw_ranks(
            widen_scores(rows, roles, list_shown("ranks")),
            {metric: rank_sets(rows, metric, roles, differences).ranks for metric in list_shown("ranks")},
        ),
        "agreement": measure_agreement(rows, roles, [metric for metric in board.metrics if is_ranked(metric)]),
        "classes": _make_classes(part_of(report.class_scores, split, protocol), board, report, config),
    }


def part_of(rows: pl.DataFrame | None, split: str, protocol: str) -> pl.DataFrame | None:
    """The rows of one split and protocol; None where there are none."""
    if rows is None:
        return None
    part = rows.filter(split=split, protocol=protocol)
    return part if part.height else None


def gather_warnings(warnings: Mapping[str, Sequence[str]]) -> list[tuple[str, list[str]]]:
    """(sentence, labels it is said of), each sentence once."""
    said: dict[str, list[str]] = {}
    for label, sentences in warnings.items():
        for sentence in sentences:
            said.setdefault(sentence, []).append(label)
    return list(said.items())


def _make_classes(
    rows: pl.DataFrame | None, board: Board, report: Report, config: ReportConfig
) -> list[dict[str, Any]]:
    """For each metric that is worth it: spread over the classes, extremes with pictures, every class, groups."""
    if rows is None:
        return []
    rows = add_labels(rows)
    labels = [row.label for row in board.rows if row.generator != REAL]
    competing = [row.label for row in board.rows if row.generator != REAL and not row.role]
    made = []
    for place, metric in enumerate(pick_metrics(rows)[:CLASSES_BY]):
        extremes = [find_extremes(rows, metric, label, config.class_count) for label in competing[: config.class_sets]]
        made.append(
            {
                "metric": metric,
                "spread": draw_spread(rows, metric, labels),
                # pictures under the first metric alone: they are most of the page's weight
                "extremes": [
                    (one, _find_pictures(one, board.split, report, config) if place == 0 else {})
                    for one in extremes
                    if one is not None
                ],
                "left_out": max(0, len(competing) - config.class_sets),
                "classes": list_classes(rows, metric),
                "groups": list_groups(rows, metric, labels),
            }
        )
    return made


def _find_pictures(
    one: Extremes, split: str, report: Report, config: ReportConfig
) -> dict[str, tuple[list[PagePicture], list[PagePicture]]]:
    """wnid -> pictures of the set, pictures of the split."""
    if report.pictures_of is None:
        return {}
    return {
        cell.wnid: (
            list(report.pictures_of(split, one.label, cell.wnid))[: config.class_pictures],
            list(report.pictures_of(split, REAL, cell.wnid))[: config.class_pictures],
        )
        for cell in (*one.worst, *one.best)
    }
