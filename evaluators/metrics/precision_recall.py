"""Precision, recall, density and coverage: how far the images lie among the split's own, and the other way round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relaionet.evaluators.metrics.estimate import Estimate, Scale
from relaionet.manifests.errors import BadInput

VERSION = "1"
CHUNK_ROWS = 1024
GROUPS_COUNT = 20
"""Groups of images that are left out in turn for the intervals of recall and coverage."""
PAIRS_LEFT_COUNT = 40
"""Pairs of groups that are left out together, drawn from all pairs, to find what one at a time counts twice."""
LEAVING_OUT = f"{GROUPS_COUNT} groups left out, alone and in pairs"


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Distances between a set of images and the split's own images, kept as far as the metrics need them.

    Attributes:
        precision: fraction of images within the ball of some real image, 0 to 1.
        recall: fraction of real images within the ball of some image, 0 to 1.
        density: real balls an image lies in, over k; mean over the images, 0 or more.
        coverage: fraction of real images whose ball holds an image, 0 to 1.
        nearest_real: [N] float64, distance of each image to the nearest real image.
        nearest_own: [N] float64, distance of each image to the nearest other image of the set.
        real_nearest: [M] float64, distance of each real image to the nearest other real image.
        nearest_row: [N] int64, which real image is nearest.
    """

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate
    nearest_real: np.ndarray
    nearest_own: np.ndarray
    real_nearest: np.ndarray
    nearest_row: np.ndarray


def score_neighbours(
    features: np.ndarray, reference: np.ndarray, *, k: int = 3, strata: Sequence[str] | None = None
) -> Neighbours:
    """Precision, recall, density and coverage. A ball reaches to an image's k-th nearest of its own set, and holds it.

    Args:
        features: [N, D] of the images.
        reference: [M, D] of the split's own images.
        k: which nearest image is the ball's edge.
        strata: requested class of each image; the groups left out for the intervals are drawn within classes.

    Returns:
        The four metrics and the nearest distances. Precision and density are means over images; the intervals of recall
        and coverage come from leaving out groups of images, since a ball's radius depends on the other images. The
        split's own images count as fixed.

    Raises:
        BadInput: a side has no more than k images.

    Source: Kynkäänniemi et al. 2019, "Improved precision and recall metric", section 2 (precision and recall equal
        torch-fidelity 0.4.0's); Naeem et al. 2020, "Reliable fidelity and diversity metrics", section 3. Like
        torch-fidelity, the edge belongs to the ball (the package prdc leaves it out).
    """
    n, m = len(features), len(reference)
    if min(n, m) <= k:
        raise BadInput(f"precision and recall with k = {k} need more than {k} images on each side; got {n} and {m}.")
    own, other = np.asarray(features, np.float32), np.asarray(reference, np.float32)
    real, _ = find_nearest(other, other, k + 1)  # [M, k + 1], the image itself first
    groups = _make_groups(n, strata)
    left = _choose_left(int(groups.max()) + 1)
    near, radii = _own_radii(own, groups, left, k)
    hits, inside, covered = np.zeros(n), np.zeros((m, len(left)), bool), np.zeros((m, len(left)), bool)
    nearest, row = np.full(n, np.inf), np.zeros(n, np.int64)
    for start in range(0, m, CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        distances = _distances(other[part], own)  # [c, N]
        in_real = distances <= real[part, k][:, None]
        hits += in_real.sum(axis=0)
        in_group = np.stack([in_real[:, groups == group].sum(axis=1) for group in range(groups.max() + 1)], axis=1)
        gone = np.stack([in_group[:, list(some)].sum(axis=1) for some in left], axis=1)
        covered[part] = in_real.sum(axis=1)[:, None] > gone
        inside[part] = _hold(distances, radii, groups, left)
        best, closer = distances.argmin(axis=0), distances.min(axis=0)
        row = np.where(closer < nearest, best + start, row)
        nearest = np.minimum(nearest, closer)
    return Neighbours(
        precision=_mean(hits > 0), recall=_left_out(inside, groups, left, 1.0), density=_mean(hits / k),
        coverage=_left_out(covered, groups, left, 0.2), nearest_real=nearest, nearest_own=near, real_nearest=real[:, 1],
        nearest_row=row,
    )  # fmt: skip


def _mean(values: np.ndarray) -> Estimate:
    scale: Scale = "fraction" if values.dtype == bool else "plain"
    values = values.astype(np.float64)
    return Estimate(float(values.mean()), values - values.mean(), scale)


def _left_out(held: np.ndarray, groups: np.ndarray, left: list[tuple[int, ...]], share: float) -> Estimate:
    """Mean of the first column, its spread from the others (the groups of `left` left out).

    Every image of a group gets the same influence, of such a size that the influences' spread is the groups' jackknife
    error, so that the value can be used like any other estimate. `share` of what pairs count twice is taken off;
    which share holds 95 % was found by measuring.
    """
    values = held.mean(axis=0)
    used = int(groups.max()) + 1
    alone = values[1 : used + 1]
    wanted = (used - 1) / used * np.square(alone - alone.mean()).sum()
    pairs = [values[0] - alone[one] - alone[two] + value for (one, two), value in _pairs(left, values)]
    twice = used * (used - 1) / 2 * float(np.mean(np.square(pairs))) if pairs else 0.0
    influence = (alone.mean() - alone)[groups]
    influence = influence - influence.mean()
    have = np.square(influence).sum() / (len(groups) - 1) / len(groups)
    factor = np.sqrt(wanted / have) if have > 0 else 0.0
    return Estimate(float(values[0]), influence * factor, "fraction", excess=share * twice, method=LEAVING_OUT)


def _pairs(left: list[tuple[int, ...]], values: np.ndarray) -> list[tuple[tuple[int, ...], float]]:
    return [(some, float(value)) for some, value in zip(left, values, strict=True) if len(some) == 2]


def _choose_left(used: int) -> list[tuple[int, ...]]:
    """What is left out: nothing, each group, and some pairs of groups."""
    pairs = [(one, two) for one in range(used) for two in range(one + 1, used)]
    drawn = np.random.default_rng(1).permutation(len(pairs))[:PAIRS_LEFT_COUNT]
    return [(), *((group,) for group in range(used)), *(pairs[index] for index in np.sort(drawn))]


def _make_groups(count: int, strata: Sequence[str] | None) -> np.ndarray:
    """[N] group of each image, as equal as can be overall and within classes."""
    order = np.random.default_rng(0).permutation(count)
    if strata is not None:
        order = order[np.argsort(np.asarray(strata)[order], kind="stable")]
    groups = np.empty(count, np.int64)
    groups[order] = np.arange(count) % min(GROUPS_COUNT, count)
    return groups


def _own_radii(
    own: np.ndarray, groups: np.ndarray, left: list[tuple[int, ...]], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest distance [N], and the k-th nearest [N, L] without the groups of each entry of `left`."""
    n = len(own)
    near, radii = np.empty(n), np.full((n, len(left)), np.inf)
    for start in range(0, n, CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        distances = _distances(own[part], own)
        distances[np.arange(len(distances)), np.arange(start, start + len(distances))] = np.inf
        # enough that k remain unless a group fills the whole neighbourhood
        reach = min(n - 1, 4 * k + 8)
        places = np.argpartition(distances, reach - 1, axis=1)[:, :reach]
        closest = np.take_along_axis(distances, places, axis=1)
        near[part] = closest.min(axis=1)
        for column, some in enumerate(left):
            kept = np.where(np.isin(groups[places], some), np.inf, closest)
            kth = np.partition(kept, k - 1, axis=1)[:, k - 1]
            for row in np.flatnonzero(np.isinf(kth)):
                kth[row] = np.partition(np.where(np.isin(groups, some), np.inf, distances[row]), k - 1)[k - 1]
            radii[part, column] = kth
    return near, radii


def _hold(distances: np.ndarray, radii: np.ndarray, groups: np.ndarray, left: list[tuple[int, ...]]) -> np.ndarray:
    """Whether each real image lies in some ball, [c, L], without the groups of each entry of `left`."""
    found = np.zeros((len(distances), len(left)), bool)
    # without a group the radii grow: only within the largest radius can an image hold another at all
    rows, columns = np.nonzero(distances <= np.where(np.isinf(radii), 0, radii).max(axis=1))
    close, own = distances[rows, columns], groups[columns]
    for column, some in enumerate(left):
        holds = (close <= radii[columns, column]) & ~np.isin(own, some)
        found[rows[holds], column] = True
    return found


def find_nearest(one: np.ndarray, two: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows of an array to each row of another.

    Args:
        one: [n, D] features.
        two: [m, D] features; the same object gives each row itself first.
        count: how many.

    Returns:
        Distances [n, count], sorted, and which rows of `two` they lead to.
    """
    parts, rows = [], []
    for start in range(0, len(one), CHUNK_ROWS):
        distances = _distances(one[start : start + CHUNK_ROWS], two)
        if one is two:
            distances[np.arange(len(distances)), np.arange(start, start + len(distances))] = -1
        places = np.argpartition(distances, count - 1, axis=1)[:, :count]
        found = np.take_along_axis(distances, places, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        parts.append(np.maximum(np.take_along_axis(found, order, axis=1), 0))
        rows.append(np.take_along_axis(places, order, axis=1))
    return np.concatenate(parts), np.concatenate(rows)


def _distances(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Euclidean distances, [n, m]; the difference is taken in float64, where float32 would lose near copies."""
    left, right = one.astype(np.float64), two.astype(np.float64)
    squares = np.square(left).sum(axis=1)[:, None] + np.square(right).sum(axis=1) - 2 * left @ right.T
    return np.sqrt(np.maximum(squares, 0))
