"""How far two sets are apart: as wholes, and class by class, each with the influence of every picture of both.

Every number is one of `evaluators.metrics`, asked both ways round on each draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from relaionet.evaluators.comparison.joined import BothWays
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import fit_gaussian, frechet_distance, score_frechet
from relaionet.evaluators.metrics.kernel import score_kernel
from relaionet.evaluators.metrics.precision_recall import score_neighbours

VERSION = "1"
Classes = tuple[Sequence[str], Sequence[str]] | None
"""Class of each row of either side; None where classes are as they are."""


def frechet_both(one: np.ndarray, other: np.ndarray, classes: Classes) -> BothWays:
    """Fréchet distance of equally many pictures, with the influences of both sides."""
    first, second = classes or (None, None)
    return BothWays(
        score_frechet(one, fit_gaussian(other), classes=first), score_frechet(other, fit_gaussian(one), classes=second)
    )


def kernel_both(
    one: np.ndarray, other: np.ndarray, classes: Classes, *, stratified: bool = True
) -> BothWays:  # fmt: skip
    """Kernel distance, which is without bias, with the influences of both sides.

    Args:
        one: [n, D].
        other: [m, D].
        classes: whose numbers are no accident; None where all are drawn at random.
        stratified: pictures are drawn anew within these classes.
    """
    turned = (classes[1], classes[0]) if classes else None
    first, second = classes if classes and stratified else (None, None)
    return BothWays(
        score_kernel(one, other, classes=classes, strata=first), score_kernel(other, one, classes=turned, strata=second)
    )


def neighbours_both(one: np.ndarray, other: np.ndarray, k: int) -> tuple[BothWays, BothWays]:
    """Precision and recall; each is the other's when the sides are exchanged, so both give the influences of both."""
    there, back = score_neighbours(one, other, k=k), score_neighbours(other, one, k=k)
    return BothWays(there.precision, back.recall), BothWays(there.recall, back.precision)


def frechet_floor(one: np.ndarray, other: np.ndarray, classes: Classes, seed: int) -> float:
    """Fréchet distance of two random halves of both sides put together, each with as many pictures of each class."""
    first, second = halve(one, other, classes, seed)
    return frechet_distance(fit_gaussian(first), fit_gaussian(second))


def neighbours_floor(one: np.ndarray, other: np.ndarray, classes: Classes, seed: int, k: int) -> float:
    """Precision of two random halves of both sides put together; recall's is the same on average."""
    first, second = halve(one, other, classes, seed)
    found = score_neighbours(first, second, k=k)
    return (found.precision.value + found.recall.value) / 2


def halve(one: np.ndarray, other: np.ndarray, classes: Classes, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """All rows of both sides, dealt out anew at random: as many to each, and as many of each class where there are any.

    Args:
        one: [n, D].
        other: [n, D], the same classes in the same numbers.
        classes: of the rows of either side; None deals them out whatever they are.
        seed: of the shuffle.
    """
    rows = np.concatenate([one, other])
    order = np.random.default_rng(seed).permutation(len(rows))
    if classes is not None:
        order = order[np.argsort(np.asarray([*classes[0], *classes[1]])[order], kind="stable")]
    return rows[order[::2]], rows[order[1::2]]


def classes_both(one: np.ndarray, other: np.ndarray, wnids: tuple[Sequence[str], Sequence[str]]) -> dict[str, BothWays]:
    """Kernel distance of each class that both sides have, without bias at two pictures of it and more.

    Args:
        one: [n, D] features, rows sorted by class.
        other: [n, D] likewise, the same classes in the same numbers.
        wnids: class of each row of either side.
    """
    found, start = {}, 0
    names, counts = np.unique(np.asarray(wnids[0]), return_counts=True)
    for wnid, count in zip(names.tolist(), counts.tolist(), strict=True):
        part = slice(start, start + count)
        found[wnid] = kernel_both(one[part], other[part], None)
        start += count
    return found


def mean_of_classes(found: Mapping[str, BothWays]) -> BothWays:
    """Mean over the classes of their distances, weighed by their pictures."""
    sizes = np.array([len(both.there.influence) for both in found.values()])
    weights = sizes / sizes.sum()
    ways = ([both.there for both in found.values()], [both.back for both in found.values()])
    there, back = (_mean(estimates, weights) for estimates in ways)
    return BothWays(there, back)


def _mean(estimates: Sequence[Estimate], weights: np.ndarray) -> Estimate:
    return Estimate(
        float(np.dot(weights, [one.value for one in estimates])),
        np.concatenate([one.influence for one in estimates]),  # per picture of all, as the weights are their shares
        scale="reciprocal",
        excess=float(np.dot(weights**2, [one.excess for one in estimates])),
        offset=float(np.dot(weights, [one.offset for one in estimates])),
    )
