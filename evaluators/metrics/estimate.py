"""A number with its interval, from the influence of each image on it.

Every metric here is a smooth function of the images' distribution, so its first-order change when one image gets a
little more weight (its influence) has a closed form. The standard deviation of the influences over the square root of
the number of images is the standard error (infinitesimal jackknife), metrics made of other metrics follow by the chain
rule, and nothing is computed twice. A plain bootstrap is not used: with repeated images the Fréchet distance rises by
more than the interval is wide.

Source: Jaeckel 1972, "The infinitesimal jackknife"; Efron 1982, "The Jackknife, the Bootstrap and Other Resampling
Plans", chapter 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Z_95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A metric's value on a set of images and how much each image matters for it.

    Attributes:
        value: the metric.
        influence: [N] float64, mean 0: first-order change of the value per unit of extra weight on the image.
        scale: `log` for metrics that are positive, whose interval is made on the logarithm and never crosses 0.
    """

    value: float
    influence: np.ndarray
    scale: Literal["plain", "log"] = "plain"

    def standard_error(self, strata: Sequence[str] | None = None) -> float:
        """Standard deviation of the value over new draws of the images.

        Args:
            strata: requested class of each image. The requests are part of the question and are not drawn anew, so
                only the spread within a class counts; None, or a class with one image, counts the spread over all.

        Returns:
            In the metric's unit; NaN for fewer than 2 images.
        """
        count = len(self.influence)
        if count < 2:
            return math.nan
        _, place, sizes = np.unique(
            strata if strata is not None else [""] * count, return_inverse=True, return_counts=True
        )
        if sizes.min() < 2:
            return float(np.sqrt(np.square(self.influence - self.influence.mean()).sum() / (count - 1) / count))
        means = np.bincount(place, weights=self.influence) / sizes  # [C]
        squares = np.bincount(place, weights=np.square(self.influence - means[place]))  # [C]
        return float(np.sqrt((squares * sizes / (sizes - 1)).sum()) / count)

    def interval(self, strata: Sequence[str] | None = None) -> tuple[float, float]:
        """95 % interval of the value over new draws of the images for the same requests.

        Args:
            strata: as in `standard_error`.

        Returns:
            Lower and upper end; NaN for fewer than 2 images.
        """
        error = self.standard_error(strata)
        if self.scale == "log" and self.value > 0:
            factor = math.exp(min(Z_95 * error / self.value, 50.0))
            return self.value / factor, self.value * factor
        return self.value - Z_95 * error, self.value + Z_95 * error


def divide(top: Estimate, bottom: Estimate) -> Estimate:
    """Quotient of two metrics of the same images, by the chain rule."""
    value = top.value / bottom.value
    return Estimate(value, (top.influence - value * bottom.influence) / bottom.value, top.scale)


def multiply(one: Estimate, two: Estimate) -> Estimate:
    """Product of two metrics of the same images, by the chain rule."""
    return Estimate(one.value * two.value, one.influence * two.value + two.influence * one.value, one.scale)
