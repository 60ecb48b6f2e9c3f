"""One self-contained HTML page about a run: labels, people, scores, pictures, and where every number comes from."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from relaionet.evaluators.charts import format_number
from relaionet.evaluators.findings import check_bounds, compare_settings, conclude_guidance
from relaionet.evaluators.report_tables import (
    draw_curves,
    draw_trade,
    make_leaderboard,
    make_stages,
    make_summary,
    set_label,
)
from relaionet.manifests.errors import BadInput
from relaionet.manifests.store import digest_of, write_atomic

if TYPE_CHECKING:
    from jinja2 import Environment

VERSION = "1"
__all__ = ["Picture", "Report", "SampleRow", "set_label", "write_report"]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of the page.

    Attributes:
        image: [H, W, 3] uint8 RGB, or a file Pillow reads.
        alt: what it shows, for readers who cannot see it; escaped.
        note: shown on hover (a caption, an id); escaped.
    """

    image: np.ndarray | Path
    alt: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class SampleRow:
    """The same request across generators.

    Attributes:
        name: of the class.
        wnid: of the class.
        pictures: column -> picture; columns are `set_label` of a scored set, or "real image".
    """

    name: str
    wnid: str
    pictures: Mapping[str, Picture]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that a page shows.

    Attributes:
        title: of the page.
        scores: SCORES rows; each (split, protocol) gets tables and curves of its own.
        curation: `stages`: list of mappings stage, rows_in, statuses, reasons, seconds; `released`, `precision`,
            `recall` where they are known. Empty leaves that part out.
        gallery: class name -> released pictures of it.
        samples: the same requests across generators.
        agreement: `alpha`, `low`, `high`; empty leaves it out.
        reviewers: reviewer, answered, controls, right, accuracy; None leaves it out.
        provenance: heading -> nested mappings; a heading that is a `set_label` is linked from the leaderboard.
        roles: generator -> `upper bound` or `lower bound`: not trained, there to compare with.
        notes: sentences shown under the leaderboard.
        is_miniature: say at the top that no number here is about reLAIONet.
        is_simulated: say wherever reviewers appear that they are simulated.
    """

    title: str
    scores: pl.DataFrame
    curation: Mapping[str, Any] = field(default_factory=dict)
    gallery: Mapping[str, Sequence[Picture]] = field(default_factory=dict)
    samples: Sequence[SampleRow] = ()
    agreement: Mapping[str, float | None] = field(default_factory=dict)
    reviewers: pl.DataFrame | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    is_miniature: bool = False
    is_simulated: bool = False


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """How the page is made.

    Attributes:
        thumbnail_px: longest side of a picture in the page; smaller ones are kept as they are.
        gallery_count: released pictures shown, over all classes.
        samples_count: requests shown.
    """

    thumbnail_px: int = 112
    gallery_count: int = 240
    samples_count: int = 24


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
    page = _environment().get_template("report.html").render(**_make_context(report, config))
    write_atomic(path, page.encode())
    return path


def _make_context(report: Report, config: ReportConfig) -> dict[str, Any]:
    script = _text("report.js")
    columns = list(dict.fromkeys(column for row in report.samples for column in row.pictures))
    per_class = max(1, config.gallery_count // max(1, len(report.gallery)))
    return {
        "report": report,
        "summary": make_summary(report.scores, report.curation, report.agreement, report.roles),
        "stages": make_stages(report.curation.get("stages", ())),
        "boards": [_make_board(rows, report) for rows in report.scores.partition_by("split", "protocol")],
        "gallery": {name: list(pictures)[:per_class] for name, pictures in report.gallery.items()},
        "gallery_total": sum(len(pictures) for pictures in report.gallery.values()),
        "columns": columns,
        "samples": list(report.samples)[: config.samples_count],
        "reviewers": [] if report.reviewers is None else report.reviewers.to_dicts(),
        "css": _text("report.css"),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "thumbnail": lambda picture: make_thumbnail(picture.image, config.thumbnail_px),
    }


def _make_board(rows: pl.DataFrame, report: Report) -> dict[str, Any]:
    """One leaderboard with its findings and charts: the rows of one split under one protocol."""
    board = make_leaderboard(rows, report.roles)
    main = [metric for metric in ("FID", "FD", "csFID", "csFD", "IS", "CLIP Score", "PickScore", "accuracy", "MMHM")
            if metric in board.metrics]  # fmt: skip
    guidance = compare_settings(rows, "guidance", main)
    return {
        "split": rows["split"][0],
        "protocol": rows["protocol"][0],
        "board": board,
        "bounds": check_bounds(rows, report.roles),
        "guidance": guidance,
        "conclusion": conclude_guidance(guidance),
        "steps": compare_settings(rows, "steps", main),
        "trade": draw_trade(rows, report.roles),
        "curves": [(along, draw_curves(rows, along, main, report.roles)) for along in ("guidance", "steps")],
    }


def make_thumbnail(image: np.ndarray | Path, size_px: int) -> str:
    """A picture as a data URI: PNG where it is small enough to keep every pixel, else WebP.

    Args:
        image: [H, W, 3] uint8 RGB or a file.
        size_px: longest side.

    Raises:
        BadInput: the file cannot be read as an image.
    """
    from PIL import Image

    try:
        picture = Image.fromarray(image) if isinstance(image, np.ndarray) else Image.open(image)
        picture = picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput(f"the report cannot show {image}: {error}.") from None
    small = max(picture.size) <= 48
    picture.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
    kind, options = ("png", {"optimize": True}) if small else ("webp", {"quality": 82, "method": 4})
    data = io.BytesIO()
    picture.save(data, kind.upper(), **options)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"


@cache
def _text(name: str) -> str:
    return files("relaionet.evaluators").joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["anchor"] = lambda name: f"from-{digest_of(name)[:12]}"
    environment.filters["number"] = format_number
    environment.tests["nested"] = lambda value: isinstance(value, Mapping)
    environment.globals["set_label"] = set_label
    return environment
