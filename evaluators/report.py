"""One self-contained HTML page about a run: labels, people, scores, pictures, and where every number comes from."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from relaionet.evaluators.charts import format_number
from relaionet.evaluators.report_board import make_board
from relaionet.evaluators.report_splits import compare_splits
from relaionet.evaluators.report_tables import make_stages, make_summary, number_id
from relaionet.evaluators.scoring.score import REAL
from relaionet.evaluators.set_labels import add_labels, set_label
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, write_atomic

if TYPE_CHECKING:
    from jinja2 import Environment

VERSION = "1"
__all__ = ["Picture", "Report", "ReportConfig", "SampleRow", "SetFacts", "set_label", "write_report"]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of the page.

    Attributes:
        image: [H, W, 3] uint8 RGB, or a file Pillow reads.
        alt: what it shows, for readers who cannot see it; escaped.
        note: shown on hover (a caption, an id); escaped.
        mark: shown beneath (a number of this one picture); escaped.
    """

    image: np.ndarray | Path
    alt: str
    note: str = ""
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class SampleRow:
    """The same request across generators.

    Attributes:
        name: of the class.
        wnid: of the class.
        pictures: column -> picture; columns are `set_label` of a scored set, or "real image".
        split: of the request.
    """

    name: str
    wnid: str
    pictures: Mapping[str, Picture]
    split: str = ""


@dataclass(frozen=True, kw_only=True)
class SetFacts:
    """Where the numbers of one scored set come from.

    Attributes:
        label: `set_label` of the set.
        split: it was scored on.
        record: nested mappings: settings, what was measured while sampling, versions.
        doubts: sentences a reader of its numbers should know.
    """

    label: str
    split: str
    record: Mapping[str, Any]
    doubts: Sequence[str] = ()


PicturesOf = Callable[[str, str, str], Sequence[Picture]]
"""(split, label of a set or `REAL`, wnid) -> some of its pictures."""


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
        class_scores: CLASS_SCORES rows; None leaves the classes out.
        differences: DIFFERENCES rows; None leaves the pairs out.
        sets: where the numbers of each set come from.
        pictures_of: pictures of a class, for the worst and best ones; None shows none.
        provenance: heading -> nested mappings, of what is no scored set.
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
    class_scores: pl.DataFrame | None = None
    differences: pl.DataFrame | None = None
    sets: Sequence[SetFacts] = ()
    pictures_of: PicturesOf | None = None
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
        samples_count: requests shown, of each split.
        class_sets: sets whose worst and best classes are shown, best sets first.
        class_count: classes of each end.
        class_pictures: pictures of each class, of the set and of the split each.
    """

    thumbnail_px: int = 112
    gallery_count: int = 240
    samples_count: int = 24
    class_sets: int = 8
    class_count: int = 4
    class_pictures: int = 4


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
    per_class = max(1, config.gallery_count // max(1, len(report.gallery)))
    parts = report.scores.partition_by("split", "protocol", maintain_order=True)
    boards = [make_board(rows, report, config) for rows in parts]
    return {
        "report": report,
        "summary": make_summary(report.scores, report.curation, report.agreement, report.roles),
        "stages": make_stages(report.curation.get("stages", ())),
        "boards": boards,
        "across": compare_splits(report.scores, report.roles),
        "gallery": {name: list(pictures)[:per_class] for name, pictures in report.gallery.items()},
        "gallery_total": sum(len(pictures) for pictures in report.gallery.values()),
        "samples": _group_samples(report.samples, config.samples_count),
        "sources": _list_sources(report),
        "reviewers": [] if report.reviewers is None else report.reviewers.to_dicts(),
        "css": _text("report.css"),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "thumbnail": _Thumbnails(config.thumbnail_px),
        "REAL": REAL,
    }


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


class _Thumbnails:
    """Thumbnails of files are made once, however often the page shows them."""

    def __init__(self, size_px: int) -> None:
        self._size_px = size_px
        self._made: dict[Path, str] = {}

    def __call__(self, picture: Picture) -> str:
        if isinstance(picture.image, np.ndarray):
            return make_thumbnail(picture.image, self._size_px)
        if picture.image not in self._made:
            self._made[picture.image] = make_thumbnail(picture.image, self._size_px)
        return self._made[picture.image]


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
    environment.filters["percent"] = lambda value: f"{value:.2f}"
    environment.filters["number"] = format_number
    environment.tests["nested"] = lambda value: isinstance(value, Mapping)
    return environment
