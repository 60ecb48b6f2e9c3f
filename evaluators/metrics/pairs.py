"""What pairs of images do to a metric beyond what each does alone: what a jackknife counts twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

COUNT = 256
"""Images whose pairs stand for all pairs."""
SHARE = 0.75
"""How much of what is counted twice is taken off; found by measuring what the intervals of metrics and of differences
cover. Metrics whose influences have long tails take off less of their own value's, and as much of differences."""
LEAST = 32
"""Images two sets must have among those, for the pairs of a difference to be known."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Second derivative of a metric for each pair of some of its images.

    Attributes:
        rows: [m] int64, places of these images in their set.
        weights: [m, m], symmetric, in the metric's unit; without what a class has in common.
        freedom: pairs these stand for once the means of the classes are taken out.
        blocks: only images of one block meet, of which the set has so many.
    """

    rows: np.ndarray
    weights: np.ndarray
    freedom: int
    blocks: int = 1

    def excess(self, count: int, share: float = SHARE) -> float:
        """Variance that a jackknife counts too much, a share of it, in the metric's unit squared.

        Args:
            count: images in the set.
            share: how much of it.
        """
        squares = np.square(self.weights, dtype=np.float64)
        apart = float(squares.sum() - np.diag(squares).sum()) / max(self.freedom, 1)
        return apart / 2 / count**2 * self.blocks * share


def choose_rows(count: int) -> np.ndarray:
    """Places of the images whose pairs stand for all, [m] int64."""
    return np.linspace(0, count - 1, min(COUNT, count)).astype(np.int64)


def make_pairs(
    rows: np.ndarray, weights: np.ndarray, classes: Sequence[str] | None = None, *, blocks: int = 1
) -> Pairs | None:
    """Pairs of some images, the means of their classes taken out.

    Args:
        rows: [m] places in the set.
        weights: [m, m] second-order influence of pairs of images.
        classes: requested class of every image of the set; None for no classes.
        blocks: as in `Pairs`.

    Returns:
        None for fewer than 3 images.
    """
    m = len(rows)
    if m < 3:
        return None
    places, sizes = group_rows([classes[row] for row in rows] if classes is not None else None, m)
    means = np.zeros((m, len(sizes)))
    means[np.arange(m), places] = 1 / np.sqrt(sizes[places])  # [m, C] orthonormal columns
    weights = weights - means @ (means.T @ weights)
    weights = weights - (weights @ means) @ means.T
    return Pairs(rows, weights, (m - len(sizes)) ** 2 - (m - len(sizes)), blocks)


def scale_pairs(pairs: Pairs | None, factor: float) -> Pairs | None:
    """The pairs of `factor` times the metric."""
    return None if pairs is None else replace(pairs, weights=pairs.weights * factor)


def subtract_pairs(one: Pairs | None, other: Pairs | None, places: np.ndarray) -> Pairs | None:
    """The pairs of the difference of two sets that answered the same requests.

    What alike images have in common falls out, as it does of the influences; the sum of both sets' excess would take
    off more than was counted twice.

    Args:
        one: of the first set.
        other: of the second.
        places: [N] where each request of the first set stands in the second.

    Returns:
        None where the two do not know the same images.
    """
    if one is None or other is None:
        return None
    if len(one.rows) == len(other.rows) and np.array_equal(places[one.rows], other.rows):
        return replace(one, weights=one.weights - other.weights)
    stands = {int(row): index for index, row in enumerate(other.rows)}
    met = [(index, stands[int(place)]) for index, place in enumerate(places[one.rows]) if int(place) in stands]
    if len(met) < LEAST:
        return None
    mine, theirs = (np.array(side) for side in zip(*met, strict=True))
    weights = one.weights[np.ix_(mine, mine)] - other.weights[np.ix_(theirs, theirs)]
    freedom = round(one.freedom * len(met) * (len(met) - 1) / (len(one.rows) * (len(one.rows) - 1)))
    return Pairs(one.rows[mine], weights, freedom, one.blocks)


def group_rows(strata: Sequence[str] | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Class of each image and images in each class; one class where a class would have one image."""
    if strata is not None:
        (places,) = number_classes(strata)
        sizes = np.bincount(places)
        if sizes.min() >= 2:
            return places, sizes
    return np.zeros(count, np.int64), np.array([count])


def number_classes(*sides: Sequence[str]) -> list[np.ndarray]:
    """Classes as numbers from 0, the same in every list, in the order they are met.

    Args:
        sides: lists of class names.

    Returns:
        For each an [N] int64 array.
    """
    place: dict[str, int] = {}
    return [np.fromiter((place.setdefault(name, len(place)) for name in side), np.int64, len(side)) for side in sides]
