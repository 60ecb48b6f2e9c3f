"""A number with its interval, from the influence of each image on it.

Every metric here is a smooth function of the images' distribution, so its first-order change when one image gets a
little more weight (its influence) has a closed form. The standard deviation of the influences over the square root of
the number of images is the standard error (infinitesimal jackknife), metrics made of other metrics follow by the chain
rule, and nothing is computed twice. A plain bootstrap is not used: with repeated images the Fréchet distance rises by
more than the interval is wide.

A jackknife counts the part of the variance that comes from pairs of images twice. That part matters where a distance is
close to its floor. Taking it off in full leaves intervals that are too short there, since value and error rise
together; part of it is taken off (`pairs.Pairs`), and `python -m tests.measure.intervals` shows what that covers.

Source: Jaeckel 1972, "The infinitesimal jackknife"; Efron 1982, "The Jackknife, the Bootstrap and Other Resampling
Plans", chapter 6; Efron and Stein 1981, "The jackknife estimate of variance", for what is counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from relaionet.evaluators.metrics.pairs import Pairs, group_rows, scale_pairs

Z_95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""
JACKKNIFE, WILSON = "infinitesimal jackknife", "Wilson"
Scale = Literal["plain", "log", "reciprocal", "fraction"]
SCALES: tuple[Scale, ...] = get_args(Scale)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A metric's value on a set of images and how much each image matters for it.

    Attributes:
        value: the metric.
        influence: [N] float64, mean 0: first-order change of the value per unit of extra weight on the image.
        scale: `log` for metrics that are positive, whose interval is made on the logarithm and never crosses 0;
            `reciprocal` for such whose error grows faster than they do (a cubic kernel's), made on one over the value;
            `fraction` for shares of images, which get Wilson's interval at the number of images the error stands for;
            `plain` for all else, whose interval is corrected for the skewness of the influences (`straighten`).
        excess: variance to take off what the influences give (`pairs.Pairs.excess`).
        pairs: what the excess is made of, where a difference of two sets needs its own; None where it is not known.
        shared: variance from a new draw of the split's own images, where it counts; differences of sets have it not.
        offset: what is added to the value for that: the bias that makes it positive.
        method: how the error is found (`say_method` adds how the interval follows).
    """

    value: float
    influence: np.ndarray
    scale: Scale = "plain"
    excess: float = 0.0
    offset: float = 0.0
    shared: float = 0.0
    method: str = JACKKNIFE
    pairs: Pairs | None = None

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
        places, sizes = group_rows(strata, count)
        means = np.bincount(places, weights=self.influence) / sizes  # [C]
        squares = np.bincount(places, weights=np.square(self.influence - means[places]))  # [C]
        variance = float((squares * sizes / (sizes - 1)).sum()) / count**2
        # the rest is never less than half: in full, pairs can make up no more than all of it
        return math.sqrt(max(variance - self.excess, variance / 2) + self.shared)

    def interval(self, strata: Sequence[str] | None = None) -> tuple[float, float]:
        """95 % interval of the value over new draws of the images for the same requests.

        Args:
            strata: as in `standard_error`.

        Returns:
            Lower and upper end; NaN for fewer than 2 images.
        """
        error = self.standard_error(strata)
        if math.isnan(error):
            return error, error
        from scipy.special import stdtrit

        point = float(stdtrit(self._freedom(strata), 0.975))
        width = point * error
        if self.scale == "fraction":
            spread = self.value * (1 - self.value)
            return find_wilson(self.value, spread / error**2 if error > 0 and spread > 0 else len(self.influence))
        raised = self.value + self.offset
        if self.scale == "log" and raised > 0:
            factor = math.exp(min(width / raised, 50.0))
            return raised / factor - self.offset, raised * factor - self.offset
        if self.scale == "reciprocal" and raised > 0:
            part = width / raised
            return raised / (1 + part) - self.offset, raised / max(1 - part, 0.05) - self.offset
        skew = self._skewness(error, strata)
        return self.value - error * bend(point, skew), self.value - error * bend(-point, skew)

    def say_method(self) -> str:
        """How the interval is made, by name, as the tables say it."""
        if self.method == WILSON:
            return WILSON
        if self.scale in ("log", "reciprocal"):
            return f"{self.method}, {self.scale} scale" + (" of the biased form" if self.offset else "")
        return f"{self.method}, {WILSON if self.scale == 'fraction' else 'skewness removed'}"

    def p_value(self, strata: Sequence[str] | None = None) -> float:
        """Chance of a value at least this far from 0 where it should be 0; below 0.05 where the plain interval says so.

        Args:
            strata: as in `standard_error`.
        """
        error, freedom = self.standard_error(strata), max(self._freedom(strata), 1)
        if self.value == 0 or math.isnan(error):
            return 1.0
        # no exchange of signs among so many images gives less, however little they were seen to vary
        least = 2.0 ** (1 - freedom)
        if error == 0:
            return least
        from scipy.special import stdtr

        away = straighten(self.value / error, self._skewness(error, strata))
        return max(float(2 * stdtr(freedom, -abs(away))), least)

    def _freedom(self, strata: Sequence[str] | None) -> int:
        _, sizes = group_rows(strata, len(self.influence))
        return len(self.influence) - len(sizes)

    def _skewness(self, error: float, strata: Sequence[str] | None) -> float:
        """Skewness of the value over new draws, as far as single images make it."""
        count = len(self.influence)
        places, sizes = group_rows(strata, count)
        rest = self.influence - (np.bincount(places, weights=self.influence) / sizes)[places]
        return float((rest**3).sum()) / count**3 / error**3 if error > 0 else 0.0


def straighten(away: float, skew: float) -> float:
    """A studentised value without the skewness that its images' long tail gives it; rises with it everywhere.

    Args:
        away: (value - truth) / standard error.
        skew: skewness of the value.

    Source: Hall 1992, "On the removal of skewness by transformation", Journal of the Royal Statistical Society B 54,
        the cubic form.
    """
    return away + skew * away**2 / 3 + skew**2 * away**3 / 27 + skew / 6


def bend(point: float, skew: float) -> float:
    """The `away` that `straighten` takes to `point`."""
    if abs(skew) < 1e-6:
        return point
    return 3 / skew * (math.cbrt(1 + skew * (point - skew / 6)) - 1)


def find_wilson(share: float, count: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    Args:
        share: 0 to 1.
        count: independent images it is the share of.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    middle = (share + Z_95**2 / (2 * count)) / (1 + Z_95**2 / count)
    half = Z_95 * math.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2)) / (1 + Z_95**2 / count)
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def divide(top: Estimate, bottom: Estimate) -> Estimate:
    """Quotient of two metrics of the same images, by the chain rule."""
    value = top.value / bottom.value
    influence = (top.influence - value * bottom.influence) / bottom.value
    excess, pairs = top.excess / bottom.value**2, scale_pairs(top.pairs, 1 / bottom.value)
    return Estimate(value, influence, top.scale, excess, top.offset / bottom.value, pairs=pairs)


def multiply(one: Estimate, two: Estimate) -> Estimate:
    """Product of two metrics of the same images, by the chain rule; `two` has no pairs."""
    influence = one.influence * two.value + two.influence * one.value
    excess, pairs = one.excess * two.value**2 + two.excess * one.value**2, scale_pairs(one.pairs, two.value)
    return Estimate(one.value * two.value, influence, one.scale, excess, one.offset * two.value, pairs=pairs)
