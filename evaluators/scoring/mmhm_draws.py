"""How sure an MMHM is: what it is made of, drawn together for all sets that are compared.

The sets answer the same requests, and each one's scaled metrics lean on the best and the worst of all; so the
ingredients of all sets are drawn from one normal distribution whose covariance their influences give, and the MMHM is
made anew of every draw, with its bounds where these come from the sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from relaionet.evaluators.metrics.estimate import Z_95, Estimate
from relaionet.evaluators.metrics.pairs import SHARE, group_rows
from relaionet.evaluators.scoring.compare import find_order
from relaionet.evaluators.scoring.influences import Influences

LEAST_DRAWS, DRAWS_PER_PAIR, CHUNK_DRAWS = 4000, 100, 2000
"""Corrected for so many pairs, a p-value of this many draws can still be small."""


@dataclass(frozen=True, eq=False)
class Ingredients:
    """The metrics an MMHM is made of, of every set.

    Attributes:
        values: [R, K] a row per set, a column per metric.
        covariance: [R·K, R·K] of the values over new draws of images, row by row.
        is_log: [R, K] metrics that are positive and drawn on the logarithm.
        requests: [R] number of the requests a set answered; sets of one number answered the same.
        freedom: [R] images less classes.
    """

    values: np.ndarray
    covariance: np.ndarray
    is_log: np.ndarray
    requests: np.ndarray
    freedom: np.ndarray

    def draw(self, seed: int, count: int) -> Iterator[np.ndarray]:
        """New values, in pieces [b, R, K].

        Args:
            seed: of the draws.
            count: how many.
        """
        strengths, directions = np.linalg.eigh(self.covariance)
        root = directions * np.sqrt(np.maximum(strengths, 0))  # [R·K, R·K]
        rng = np.random.default_rng(seed)
        base = np.where(self.is_log, self.values, 1.0)
        for start in range(0, count, CHUNK_DRAWS):
            normal = rng.standard_normal((min(CHUNK_DRAWS, count - start), len(root)))
            moved = (normal @ root.T).reshape(-1, *self.values.shape)
            raised = self.values * np.exp(np.clip(moved / base, -50, 50))
            yield np.where(self.is_log, raised, self.values + moved)


def gather_ingredients(
    values: np.ndarray, widths: np.ndarray, counts: Sequence[int], labels: Sequence[str], metrics: Sequence[str],
    sets: Sequence[Influences] = (),
) -> Ingredients:  # fmt: skip
    """Values and covariance of what an MMHM is made of.

    Args:
        values: [R, K] of every set.
        widths: [R, K] of their intervals, NaN where there is none; they serve for sets without influences.
        counts: [R] images of each set.
        labels: [R] of the sets.
        metrics: [K].
        sets: with the influence of every image, by label, in any order.
    """
    rows, columns = values.shape
    variances = np.square(np.nan_to_num(widths) / 2 / Z_95)
    covariance = np.diag(variances.reshape(-1))
    is_log, requests = np.zeros((rows, columns), bool), np.arange(rows)
    freedom = np.maximum(np.asarray(counts) - 1, 1)
    known = {one.label: one for one in sets if set(metrics) <= one.estimates.keys()}
    alike: dict[frozenset[str], list[int]] = {}
    for row, label in enumerate(labels):
        if label in known:
            alike.setdefault(frozenset(known[label].ids), []).append(row)
    for members in alike.values():
        some = [known[labels[row]] for row in members]
        places = (np.array(members)[:, None] * columns + np.arange(columns)).reshape(-1)
        covariance[np.ix_(places, places)] = _covariance(some, metrics)
        requests[members] = members[0]
        freedom[members] = max(len(some[0].ids) - len(group_rows(some[0].wnids, len(some[0].ids))[1]), 1)
        for row, one in zip(members, some, strict=True):
            is_log[row] = [one.estimates[metric].scale == "log" for metric in metrics]
    return Ingredients(values, covariance, is_log & (values > 0), requests, freedom)


def _covariance(sets: Sequence[Influences], metrics: Sequence[str]) -> np.ndarray:
    """Covariance of the metrics of sets that answered the same requests, [R·K, R·K]."""
    first = sets[0]
    count = len(first.ids)
    places, sizes = group_rows(first.wnids, count)
    weight = np.sqrt(sizes / np.maximum(sizes - 1, 1))[places] / count
    found: list[tuple[Estimate, np.ndarray]] = []
    for one in sets:
        order = find_order(first.ids, one.ids)
        found += [(one.estimates[metric], order) for metric in metrics]
    spread = np.empty((count, len(found)))
    for column, (estimate, order) in enumerate(found):
        influence = np.asarray(estimate.influence, np.float64)[order]
        spread[:, column] = (influence - (np.bincount(places, weights=influence) / sizes)[places]) * weight
    whole = spread.T @ spread
    excess = _excess(found, count)
    return np.asarray(whole - excess)


def _excess(found: Sequence[tuple[Estimate, np.ndarray]], count: int) -> np.ndarray:
    """What pairs of images count twice, for every two metrics that know the same pairs; [J, J]."""
    excess = np.zeros((len(found), len(found)))
    for one, (first, mine) in enumerate(found):
        for other, (second, theirs) in enumerate(found[: one + 1]):
            a, b = first.pairs, second.pairs
            if a is None or b is None or a.weights.shape != b.weights.shape:
                continue
            if not np.array_equal(a.rows, b.rows) or not np.array_equal(mine, theirs):
                continue
            product = a.weights * b.weights
            apart = float(product.sum() - np.trace(product)) / max(a.freedom, 1)
            excess[one, other] = excess[other, one] = apart / 2 / count**2 * np.sqrt(a.blocks * b.blocks) * SHARE
    return excess


@dataclass(frozen=True, eq=False)
class Drawn:
    """An MMHM made of many draws of its ingredients.

    Attributes:
        scores: [B, R].
        ingredients: what they were drawn from.
    """

    scores: np.ndarray
    ingredients: Ingredients

    def intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends of the 95 % intervals, [R] each."""
        low, high = np.quantile(self.scores, [0.025, 0.975], axis=0)
        return low, high

    def compare(self, one: int, other: int, difference: float) -> tuple[float, float, float]:
        """Lower and upper end of the difference of two sets, and its p-value.

        Args:
            one: row of the first set.
            other: of the second.
            difference: of the two as they were scored.
        """
        apart = self.scores[:, one] - self.scores[:, other]
        low, high = np.quantile(apart, [0.025, 0.975])
        fewer = 1 + min(int((apart <= 0).sum()), int((apart >= 0).sum()))
        least = 2.0 ** (1 - int(self.ingredients.freedom[one]))
        p_value = min(1.0, max(2 * fewer / (len(apart) + 1), least))
        return min(float(low), difference), max(float(high), difference), p_value


def draw_scores(
    ingredients: Ingredients, score: Callable[[np.ndarray], np.ndarray], *, seed: int, compared_count: int
) -> Drawn:
    """The MMHM of many draws.

    Args:
        ingredients: what it is made of.
        score: [b, R, K] values -> [b, R] scores.
        seed: of the draws.
        compared_count: pairs of sets that are compared.
    """
    count = max(LEAST_DRAWS, DRAWS_PER_PAIR * compared_count)
    return Drawn(np.concatenate([score(part) for part in ingredients.draw(seed, count)]), ingredients)
