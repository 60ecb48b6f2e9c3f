"""What the report of an evaluation is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from relaionet.flows.pages.thumbnails import PagePicture


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
    pictures: Mapping[str, PagePicture]
    split: str = ""


@dataclass(frozen=True, kw_only=True)
class SetFacts:
    """Where the numbers of one scored set come from.

    Attributes:
        label: `set_label` of the set.
        split: it was scored on.
        record: nested mappings: settings, what was measured while sampling, versions.
        warnings: sentences a reader of its numbers should know.
    """

    label: str
    split: str
    record: Mapping[str, Any]
    warnings: Sequence[str] = ()


PicturesOf = Callable[[str, str, str], Sequence[PagePicture]]
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
    gallery: Mapping[str, Sequence[PagePicture]] = field(default_factory=dict)
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
