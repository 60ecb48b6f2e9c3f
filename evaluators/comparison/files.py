"""Rows on the files themselves: sizes of pictures and of files, and what two sets share."""

from __future__ import annotations

import numpy as np
import polars as pl

from relaionet.evaluators.comparison.measures import (
    ASPECT,
    BYTES,
    SAME_BYTES,
    SAME_PICTURE,
    SHORT_SIDE,
    About,
    Measure,
)
from relaionet.evaluators.comparison.pictures import Overlap
from relaionet.evaluators.comparison.rows import Rows

ORDER = "order statistics"
SIDES: tuple[About, About] = ("A", "B")


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
