"""Scaled metrics: Fréchet distance and Inception Score weighed by alignment."""

from __future__ import annotations

import numpy as np

from relaionet.evaluators.metrics.estimate import Estimate, divide, multiply

VERSION = "2"
MIN_ALIGNMENT = 1e-3
"""An alignment at or below 0 counts as this, so that a set without any scores worst and not below 0."""


def score_scaled(
    frechet: Estimate | None, inception: Estimate, alignment: Estimate, *, names: tuple[str, str], real: float | None
) -> dict[str, Estimate]:
    """Fréchet distance divided by, and Inception Score times, the mean alignment a = alignment / 100.

    Args:
        frechet: the distance; None leaves the scaled distance out.
        inception: Inception Score of the same images.
        alignment: 100 × mean cosine of the same images.
        names: of the scaled distance and score, as csFID and csIS.
        real: alignment of the split's own images for the relative forms, in which a is divided by it, so that the
            real images score their plain values; None leaves those out.

    Returns:
        name -> estimate; the relative forms are called "<name> (relative)".
    """
    found = {}
    floor = 100 * MIN_ALIGNMENT
    share = Estimate(max(alignment.value, floor) / 100, alignment.influence / 100)
    if alignment.value <= floor:
        share = Estimate(MIN_ALIGNMENT, np.zeros_like(alignment.influence))
    forms = {"": share}
    if real is not None:
        whole = max(real, floor) / 100
        forms[" (relative)"] = Estimate(share.value / whole, share.influence / whole)
    for suffix, part in forms.items():
        if frechet is not None:
            found[names[0] + suffix] = divide(frechet, part)
        found[names[1] + suffix] = multiply(inception, part)
    return found
