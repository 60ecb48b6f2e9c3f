"""One self-contained HTML page about a run: labels, people, scores, pictures, and where every number comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.evaluators.scoring.score import REAL
from relaionet.evaluators.set_labels import add_labels
from relaionet.flows.pages.evaluation.board import make_board, part_of
from relaionet.flows.pages.evaluation.contents import Report, ReportConfig, SampleRow
from relaionet.flows.pages.evaluation.leaderboard import make_summary, number_id
from relaionet.flows.pages.evaluation.splits import compare_splits
from relaionet.flows.pages.stages import make_stages
from relaionet.flows.pages.thumbnails import Thumbnails
from relaionet.flows.pages.write import write_page


def write_report(path: Path, report: Report, config: ReportConfig | None = None) -> Path:
    """Write the page: one HTML file that loads nothing from anywhere.

    Args:
        path: of the file.
        report: what it shows.
        config: how.

    Returns:
        The path.

    Raises:
        BadInput: a picture cannot be read.
    """
    config = config or ReportConfig()
    return write_page(path, "report.html", **_make_context(report, config))


def _make_context(report: Report, config: ReportConfig) -> dict[str, Any]:
    per_class = max(1, config.gallery_count // max(1, len(report.gallery)))
    parts = report.scores.partition_by("split", "protocol", maintain_order=True)
    boards = [make_board(rows, report, config) for rows in parts]
    return {
        "report": report,
        "cards": _make_cards(report, parts),
        "stages": make_stages(report.curation.get("stages", ())),
        "boards": boards,
        "across": compare_splits(report.scores, report.roles),
        "gallery": {name: list(pictures)[:per_class] for name, pictures in report.gallery.items()},
        "gallery_total": sum(len(pictures) for pictures in report.gallery.values()),
        "samples": _group_samples(report.samples, config.samples_count),
        "sources": _list_sources(report),
        "reviewers": [] if report.reviewers is None else report.reviewers.to_dicts(),
        "thumbnail": Thumbnails(config.thumbnail_px),
        "REAL": REAL,
    }


def _make_cards(report: Report, parts: Sequence[pl.DataFrame]) -> list[tuple[str, str, str]]:
    """The figures at the top; those of scores are the first board's, since one split's say nothing of another's."""
    rows = parts[0] if parts else report.scores
    split, protocol = (rows[name][0] if rows.height else "" for name in ("split", "protocol"))
    return make_summary(
        rows, report.curation, report.agreement, report.roles, part_of(report.differences, split, protocol),
        where=f" on {split} under {protocol}" if len(parts) > 1 else "",
    )  # fmt: skip


def _group_samples(samples: Sequence[SampleRow], count: int) -> list[tuple[str, list[str], list[SampleRow]]]:
    """(split, columns, rows) of the requests shown side by side."""
    splits: dict[str, list[SampleRow]] = {}
    for row in samples:
        splits.setdefault(row.split, []).append(row)
    return [
        (split, list(dict.fromkeys(column for row in rows for column in row.pictures)), rows[:count])
        for split, rows in splits.items()
    ]


def _list_sources(report: Report) -> list[dict[str, Any]]:
    """Every scored set with its numbers in full and what is known about it, by split."""
    facts = {(one.split, one.label): one for one in report.sets}
    found = []
    for keys, rows in add_labels(report.scores).group_by(["split", "protocol", "label"], maintain_order=True):
        split, protocol, label = map(str, keys)
        numbers = [row | {"id": number_id(row)} for row in rows.iter_rows(named=True)]
        found.append(
            {
                "split": split,
                "protocol": protocol,
                "label": label,
                "numbers": numbers,
                "facts": facts.get((split, label)),
            }
        )
    return found
