"""One number from several draws of two sets, with an interval over new draws of the pictures of both.

A metric gives the influence of each picture of a side while the other counts as fixed; asked both ways round it gives
the influences of both sides. Over several draws a picture counts as often as it was drawn: what the choice of pictures
adds to the error is thereby in it. What is made of this is an `Estimate` like any other.

Pairs of pictures are counted twice by a jackknife, those across the sides too, which metrics that take one side as
fixed do not know of: near 0, where that matters, these vary as those within the sides do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from relaionet.evaluators.comparison.draws import Draws, Labelled
from relaionet.evaluators.metrics.estimate import Estimate

VERSION = "1"


@dataclass(frozen=True, eq=False)
class Joined:
    """An estimate over pictures of one or two sets, with the strata within which they are drawn anew.

    Attributes:
        estimate: value and influences of all pictures drawn.
        strata: set and class of each.
    """

    estimate: Estimate
    strata: tuple[str, ...]

    def interval(self) -> tuple[float, float]:
        """95 % interval over new draws of the pictures."""
        return self.estimate.interval(None if self.estimate.scale == "fraction" else self.strata)

    def less(self, other: Joined) -> Joined:
        """The difference of the same number of two sets that share no picture drawn."""
        first, second = self.estimate, other.estimate
        sizes = len(first.influence), len(second.influence)
        count = sum(sizes)
        # an influence counts over the number of pictures, which is now that of both
        influence = np.concatenate([first.influence * count / sizes[0], -second.influence * count / sizes[1]])
        excess = first.excess + second.excess
        strata = tuple(f"1 {name}" for name in self.strata) + tuple(f"2 {name}" for name in other.strata)
        return Joined(Estimate(first.value - second.value, influence, excess=excess, method=first.method), strata)


@dataclass(frozen=True, eq=False)
class BothWays:
    """A metric of one draw, asked both ways round.

    Attributes:
        there: of the first set's pictures against the second's.
        back: of the second's against the first's; its value is the same.
    """

    there: Estimate
    back: Estimate


def join_both(found: Sequence[BothWays], draws: Draws, one: Labelled, other: Labelled) -> Joined:
    """The mean over the draws of a number of both sets.

    Args:
        found: of each draw.
        draws: which pictures they are of.
        one: the first set.
        other: the second.
    """
    first = _join([both.there for both in found], [draw.one for draw in draws.draws], draws, one, "1")
    second = _join([both.back for both in found], [draw.other for draw in draws.draws], draws, other, "2")
    count = len(first.influence) + len(second.influence)
    influence = np.concatenate([part.influence * count / len(part.influence) for part in (first, second)])
    excess = first.excess + second.excess + 2 * math.sqrt(first.excess * second.excess)
    joined = replace(_mean(found[0].there, [both.there for both in found]), influence=influence, excess=excess)
    return Joined(joined, (*first.strata, *second.strata))


def join_one(found: Sequence[Estimate], rows: Sequence[np.ndarray], draws: Draws, side: Labelled) -> Joined:
    """The mean over the draws of a number of one set.

    Args:
        found: of each draw.
        rows: of the set in each draw.
        draws: whose they are.
        side: the set.
    """
    part = _join(found, rows, draws, side, "1")
    return Joined(replace(_mean(found[0], found), influence=part.influence, excess=part.excess), part.strata)


def _mean(example: Estimate, found: Sequence[Estimate]) -> Estimate:
    """The mean of the values and offsets; all else as in the example."""
    value, offset = (float(np.mean([getattr(one, name) for one in found])) for name in ("value", "offset"))
    return replace(example, value=value, offset=offset)


@dataclass(frozen=True, eq=False)
class _Part:
    influence: np.ndarray
    strata: tuple[str, ...]
    excess: float


def _join(
    found: Sequence[Estimate], rows: Sequence[np.ndarray], draws: Draws, side: Labelled, name: str
) -> _Part:  # fmt: skip
    """Influences of all pictures drawn on the mean over the draws, and what pairs are counted too much."""
    drawn, place = _number(np.concatenate(rows))
    total = np.bincount(place, weights=np.concatenate([one.influence for one in found]))
    times = np.bincount(place)
    strata = [f"{name} {side.wnids[row]}" if draws.mix == "equal" else name for row in drawn.tolist()]
    _, kind = np.unique(strata, return_inverse=True)
    means = np.bincount(kind, weights=total) / np.bincount(kind, weights=times)
    weight, n = times / len(found), len(rows[0])
    # the mean over the draws weighs a picture as often as it was drawn, and there are n in each of them
    influence = weight * (total / times - means[kind]) * len(drawn) / n
    share = float(np.square(weight).sum()) / n
    excess = float(np.mean([one.excess for one in found])) * share**2
    return _Part(influence, tuple(strata), excess)


def _number(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows, each once as they are first met, so that sums do not depend on their numbers; and which is where."""
    found, first, place = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return found[order], rank[place]
