"""The rows of the table of a comparison, as they are made and with the sets exchanged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from relaionet.evaluators.comparison.draws import Draws
from relaionet.evaluators.comparison.joined import Joined
from relaionet.evaluators.comparison.measures import (
    ABOUT,
    ASPECT,
    BYTES,
    MEASURES,
    PRECISION,
    RECALL,
    SAME_BYTES,
    SAME_PICTURE,
    SHORT_SIDE,
    About,
    Measure,
)
from relaionet.evaluators.comparison.pictures import Overlap
from relaionet.manifests.tables import SHIFTS, shape_table

NO_INTERVAL = "no interval"
ORDER = "order statistics"
SIDES: tuple[About, About] = ("A", "B")
ALL = "all"
"""Mix of what is made of all pictures of either set."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of SHIFTS as they come.

    Attributes:
        one: name of the first set.
        other: name of the second.
        made: the rows so far.
    """

    one: str
    other: str
    made: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, measure: Measure, value: float, interval: tuple[float, float] | None, *, about: About, n: int,
        method: str = NO_INTERVAL, representation: str = "", mix: str = ALL, part: str = "",
        floor: float | None = None, draws: int = 1,
    ) -> None:  # fmt: skip
        """Add one row; an end of the interval that is no number is none."""
        low, high = (None if math.isnan(end) else end for end in interval or (math.nan, math.nan))
        self.made.append({
            "one": self.one, "other": self.other, "representation": representation, "metric": measure.name, "mix": mix,
            "part": part, "about": about, "value": value, "low": low, "high": high, "floor": floor, "n": n,
            "draws": draws, "method": method if low is not None else NO_INTERVAL,
        })  # fmt: skip

    def frame(self) -> pl.DataFrame:
        """SHIFTS."""
        return sort_rows(shape_table(pl.DataFrame(self.made, schema=dict(SHIFTS.schema)), SHIFTS))


@dataclass(frozen=True, kw_only=True)
class DrawnRows:
    """Adds rows of one representation and one way of drawing.

    Attributes:
        rows: what they are added to.
        representation: the extractor.
        draws: what was drawn.
    """

    rows: Rows
    representation: str
    draws: Draws

    def add(
        self, measure: Measure, found: Joined, about: About = "both", *, part: str = "", n: int | None = None,
        floors: Sequence[float] = (),
    ) -> None:  # fmt: skip
        """Add a row with its interval."""
        self.rows.add(
            measure, found.estimate.value, found.interval(), about=about, part=part, mix=self.draws.mix,
            n=self.draws.n if n is None else n, draws=len(self.draws.draws), method=found.estimate.say_method(),
            floor=sum(floors) / len(floors) if floors else None, representation=self.representation,
        )  # fmt: skip


def swap_sides(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as they are with A and B exchanged.

    Args:
        rows: SHIFTS.
    """
    turned = pl.col("about") == "A − B"
    names = {PRECISION.name: RECALL.name, RECALL.name: PRECISION.name}
    swapped = rows.with_columns(
        one="other", other="one",
        metric=pl.col("metric").replace(names), about=pl.col("about").replace({"A": "B", "B": "A"}),
        value=pl.when(turned).then(-pl.col("value")).otherwise("value"),
        low=pl.when(turned).then(-pl.col("high")).otherwise("low"),
        high=pl.when(turned).then(-pl.col("low")).otherwise("high"),
    )  # fmt: skip
    return sort_rows(shape_table(swapped, SHIFTS))


def sort_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows in the order people read them: wholes before classes, by measure, A before B before their difference."""
    places = {one.name: place for place, one in enumerate(MEASURES)}
    ways, mixes = {about: place for place, about in enumerate(ABOUT)}, {"equal": 0, "any": 1, ALL: 2}
    first = rows["representation"].unique(maintain_order=True).to_list()
    return rows.sort(
        pl.col("part") != "",
        pl.col("representation").replace_strict({name: place for place, name in enumerate(first)}, default=0),
        pl.col("mix").replace_strict(mixes, default=3), pl.col("metric").replace_strict(places, default=99),
        "part", pl.col("about").replace_strict(ways, default=9), maintain_order=True,
    )  # fmt: skip


def add_sizes(rows: Rows, about: About, prints: pl.DataFrame) -> None:
    """Add the medians of one set's sizes.

    Args:
        rows: what is added to.
        about: which set.
        prints: PRINTS rows that are pictures.
    """
    for measure, values in find_sizes(prints).items():
        rows.add(measure, float(np.median(values)), find_median(values), about=about, n=len(values), method=ORDER)


def find_sizes(prints: pl.DataFrame) -> dict[Measure, np.ndarray]:
    """Measure -> [N] float64 of each picture."""
    width, height = (prints[name].to_numpy().astype(np.float64) for name in ("width_px", "height_px"))
    short, long = np.minimum(width, height), np.maximum(width, height)
    return {SHORT_SIDE: short, ASPECT: long / short, BYTES: prints["bytes_count"].to_numpy().astype(np.float64)}


def find_median(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of a median, from the values in order; NaN where too few are there.

    Source: David and Nagaraja 2003, "Order Statistics", section 7.1: the binomial count of values below the median.
    """
    from scipy.special import bdtrik

    count = len(values)
    below = int(np.ceil(bdtrik(0.025, count, 0.5)))
    if below < 1:  # no two values hold the median with so much certainty
        return float("nan"), float("nan")
    ordered = np.sort(values)
    return float(ordered[below - 1]), float(ordered[count - below])


def add_overlap(rows: Rows, found: Overlap) -> None:
    """Add which share of each set's pictures the other has; these are counted, not estimated."""
    for measure, sides in ((SAME_BYTES, found.same_bytes), (SAME_PICTURE, found.same_picture)):
        for about, held in zip(SIDES, sides, strict=True):
            rows.add(measure, float(held.mean()), None, about=about, n=len(held), method="counted")
