"""Krippendorff's alpha: how far reviewers agree beyond what chance would bring, with an interval."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import numpy as np
import polars as pl

from relaionet.annotations.agreement.settle import AgreementConfig
from relaionet.annotations.agreement.votes import read_votes


def score_agreement(
    decisions: pl.DataFrame, tasks: pl.DataFrame, config: AgreementConfig | None = None
) -> dict[str, float | int | None]:
    """Krippendorff's alpha over all pictures with two or more answers, with a bootstrap interval.

    Answers that name one class, or none, are equal or not (nominal). Sets of classes, of answers that name several, are
    the nearer the more they share (`masi_similarity`); a single class is a set of one.

    Args:
        decisions: DECISIONS.
        tasks: TASKS.
        config: resamples and seed.

    Returns:
        alpha, low, high (95 %; null where fewer than two pictures have two answers or all answers are the same),
        units (pictures counted), answers (counted).

    Source: Krippendorff 2019, Content Analysis, section 12.3; Passonneau 2006 for sets; equals the package
        `krippendorff` (to 1e-9, tested).
    """
    config = config or AgreementConfig()
    votes = read_votes(decisions, tasks).filter(pl.len().over("candidate_id") > 1)
    said = pl.when(pl.col("wnids").is_not_null()).then(pl.col("wnids").list.join("+"))
    votes = votes.with_columns(said=said.otherwise("vote").fill_null("unsure"))
    counts = votes.group_by("candidate_id", "said").len().sort("candidate_id", "said")
    units = votes["candidate_id"].n_unique()
    nothing: dict[str, float | int | None] = {"alpha": None, "low": None, "high": None}
    if units < 2:
        return {**nothing, "units": units, "answers": votes.height}
    told = _Told(counts)
    once = told.alpha(np.ones(units))
    rng = np.random.default_rng(config.seed)
    draws = [
        told.alpha(np.bincount(rng.integers(units, size=units), minlength=units).astype(float))
        for _ in range(config.bootstrap_count)
    ]
    found = np.array([draw for draw in draws if draw is not None])
    if once is None or not found.size:
        return {**nothing, "alpha": once, "units": units, "answers": votes.height}
    low, high = np.quantile(found, (0.025, 0.975)).tolist()
    return {"alpha": once, "low": low, "high": high, "units": units, "answers": votes.height}


def masi_similarity(one: Collection[str], other: Collection[str]) -> float:
    """How much two sets of classes agree, 0 (nothing in common) to 1 (the same).

    The share of classes in both among those in either, times 1 for equal sets, 2/3 where one holds the other, 1/3 where
    they only overlap.

    Source: Passonneau 2006, "Measuring agreement on set-valued items (MASI)", section 3; one less the distance.
    """
    first, second = set(one), set(other)
    both = first & second
    if not both:
        return 0.0
    like = 1.0 if first == second else 2 / 3 if both in (first, second) else 1 / 3
    return like * len(both) / len(first | second)


class _Told:
    """How often each picture was said to show what.

    Args:
        counts: candidate_id, said (a class, several joined by `+`, or why there is none), len.
    """

    def __init__(self, counts: pl.DataFrame) -> None:
        values = counts["said"].unique().sort()
        self.unit = counts["candidate_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
        self.value = counts["said"].rank("dense").cast(pl.Int64).to_numpy() - 1
        self.number = counts["len"].cast(pl.Float64).to_numpy()
        self.one, self.other, self.alike = _near_sets(values.to_list())
        units = int(self.unit.max()) + 1 if self.unit.size else 0
        self.per_unit = np.bincount(self.unit, self.number, units)
        self.same = np.bincount(self.unit, self.number * self.number, units) + self._alike_within(units)

    def _alike_within(self, units: int) -> np.ndarray:
        """[U] what sets that share classes have in common within each picture, over ordered pairs of answers."""
        near = dict(zip(zip(self.one.tolist(), self.other.tolist(), strict=True), self.alike.tolist(), strict=True))
        within = np.zeros(units)
        some = np.flatnonzero(np.isin(self.value, np.concatenate([self.one, self.other])))
        for places in np.split(some, np.flatnonzero(np.diff(self.unit[some])) + 1) if some.size else ():
            within[self.unit[places[0]]] = sum(
                2 * near.get((self.value[one], self.value[other]), 0.0) * self.number[one] * self.number[other]
                for one, other in itertools.combinations(places.tolist(), 2)
            )
        return within

    def alpha(self, weight: np.ndarray) -> float | None:
        """Alpha with units counted `weight` times; None where nothing varies."""
        observed = float((weight * (self.per_unit**2 - self.same) / (self.per_unit - 1)).sum())
        total = float((weight * self.per_unit).sum())
        per_value = np.bincount(self.value, self.number * weight[self.unit])
        alike = 2 * float((self.alike * per_value[self.one] * per_value[self.other]).sum())
        expected = (total**2 - float((per_value**2).sum()) - alike) / (total - 1)
        return None if expected == 0 else 1 - observed / expected


def _near_sets(values: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of values, the smaller number first, that share a class without being the same, and how alike they are."""
    sets = [frozenset(value.split("+")) for value in values]
    holding: dict[str, list[int]] = {}
    for place, classes in enumerate(sets):
        for name in classes:
            holding.setdefault(name, []).append(place)
    pairs = sorted({pair for places in holding.values() for pair in itertools.combinations(places, 2)})
    alike = [masi_similarity(sets[one], sets[other]) for one, other in pairs]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1], np.array(alike, dtype=np.float64)
