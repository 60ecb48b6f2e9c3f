"""MMHM: the harmonic mean of distance, score and alignment, each scaled over the rows that are compared."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from relaionet.evaluators.metrics.catalogue import DISTANCES, INGREDIENTS
from relaionet.evaluators.metrics.lookup import is_lower_better
from relaionet.evaluators.protocols import Protocol, check_comparable, check_made_alike
from relaionet.evaluators.scoring.bounds import SAME_SET, Bounds, check_bounds, find_bounds
from relaionet.evaluators.scoring.compare import Rescore, compare_sets, correct_differences
from relaionet.evaluators.scoring.influences import Influences
from relaionet.evaluators.scoring.mmhm_draws import Drawn, draw_scores, gather_ingredients
from relaionet.evaluators.set_labels import set_label
from relaionet.manifests.errors import BadInput


def harmonic_mean(values: np.ndarray, metrics: Sequence[str], bounds: Bounds, eps: float, *, clip: bool) -> np.ndarray:
    """MMHM = K / Σ 1 / (ε + u), u each metric min-max scaled so that 1 is best.

    Args:
        values: [..., K] one column per metric.
        metrics: [K] their names; distances count inverted.
        bounds: of the metrics.
        eps: ε.
        clip: keep u within 0 to 1. Without it, bounds kept from other rows can give u below 0 and then a worse row a
            higher score.

    Returns:
        [...] float64, ε to 1 + ε where clipped.

    Source: the MMHM of the fair flow benchmark (four metrics, ε = 1e-3); see docs/reference/formulas.md.
    """
    low = np.array([bounds.ends[metric][0] for metric in metrics])
    high = np.array([bounds.ends[metric][1] for metric in metrics])
    return _harmonic_mean(values, metrics, low, high, eps, clip=clip)


def _harmonic_mean(
    values: np.ndarray, metrics: Sequence[str], low: np.ndarray, high: np.ndarray, eps: float, *, clip: bool
) -> np.ndarray:
    """`harmonic_mean` between ends that may differ from draw to draw: [K], or [..., 1, K] for values [..., R, K]."""
    span = np.where(high > low, high - low, 1.0)
    scaled = np.where(high > low, (values - low) / span, 1.0)
    inverted = np.array([is_lower_better(metric) for metric in metrics]) & (high > low)
    scaled = np.where(inverted, 1 - scaled, scaled)
    if clip:
        scaled = np.clip(scaled, 0, 1)
    result: np.ndarray = len(metrics) / (1 / (eps + scaled)).sum(axis=-1)
    return result


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """An MMHM of every set that has all its ingredients.

    Attributes:
        wide: [R] rows, one per set, with value, low and high of each ingredient.
        metrics: [K] ingredients.
        values: [R] the MMHM.
        drawn: the same of many draws.
        bounds: it was scaled by.
        clip: kept within the bounds.
    """

    wide: pl.DataFrame
    metrics: Sequence[str]
    values: np.ndarray
    drawn: Drawn
    bounds: Bounds
    clip: bool

    @property
    def name(self) -> str:
        """Of the metric."""
        return "MMHM" if self.clip else "MMHM (raw)"

    def labels(self) -> list[str]:
        """Of the sets."""
        return [set_label(*row) for row in self.wide.select(SAME_SET).iter_rows()]

    def rows(self, columns: Sequence[str]) -> pl.DataFrame:
        """SCORES rows."""
        low, high = self.drawn.intervals()
        together = self.wide.select(f"value:{metric}" for metric in self.metrics).to_numpy()
        methods = [_say_method(row, self.metrics, self.bounds, clip=self.clip) for row in together]
        ends = {"low": np.minimum(low, self.values), "high": np.maximum(high, self.values)}
        return self.wide.select(
            *SAME_SET[:1], "split", "protocol", *SAME_SET[1:], "nfe",
            pl.lit(self.name).alias("metric"), pl.Series("value", self.values),
            *(pl.Series(name, end) for name, end in ends.items()),
            "n", pl.Series("method", methods), "made_with",
        ).select(columns)  # fmt: skip

    def differences(self) -> list[tuple[object, ...]]:
        """What `correct_differences` takes, of every two sets that answered the same requests."""
        labels, requests = self.labels(), self.drawn.ingredients.requests
        pairs = [
            (one, other) for one, other in itertools.combinations(range(len(labels)), 2)
            if requests[one] == requests[other]
        ]  # fmt: skip
        found: list[tuple[object, ...]] = []
        for one, other in pairs:
            apart = float(self.values[one] - self.values[other])
            ends = self.drawn.compare(one, other, apart)
            found.append((self.name, labels[one], labels[other], apart, *ends, int(self.wide["n"][one])))
        return found


def score_mmhm(
    scores: pl.DataFrame, *, bounds: Bounds | None = None, clip: bool = True, eps: float = 1e-3, seed: int = 0,
    sets: Sequence[Influences] = (),
) -> pl.DataFrame:  # fmt: skip
    """MMHM of every scored set, over its Fréchet distance, Inception Score, CLIP Score and PickScore where there.

    It says which row is best of these rows and nothing beyond them: adding a row moves the others. Rows that lack one
    of the metrics (the real images have no distance to themselves) get none. The interval comes from drawing the
    ingredients of all sets together (`mmhm_draws`); the bounds are drawn with them unless they are kept ones.

    Args:
        scores: SCORES rows of one split and one protocol.
        bounds: kept from an earlier comparison; None takes them from these rows.
        clip: as in `harmonic_mean`; False is the raw formula.
        eps: the protocol's `mmhm_eps`.
        seed: of the draws.
        sets: the sets with the influence of every image; without them the ingredients are drawn from their own
            intervals, as if they were independent.

    Returns:
        SCORES rows with metric "MMHM" (or "MMHM (raw)").

    Raises:
        BadInput: the rows are of different protocols, models or splits, or the bounds are.
    """
    found = _score(scores, bounds, eps, sets, clip=clip, seed=seed)
    return scores.clear() if found is None else found.rows(scores.columns)


def _score(
    scores: pl.DataFrame, bounds: Bounds | None, eps: float, sets: Sequence[Influences], *, clip: bool, seed: int = 0
) -> Scored | None:
    """None where no set has what an MMHM is made of."""
    check_comparable(scores["protocol"].to_list())
    check_made_alike(scores.filter(pl.col("metric").is_in(INGREDIENTS))["made_with"].to_list())
    if scores["split"].n_unique() > 1:
        raise BadInput(f"an MMHM compares rows of one split; found {', '.join(sorted(set(scores['split'])))}.")
    metrics = [name for name in INGREDIENTS if (scores["metric"] == name).any()]
    wide = _widen(scores, metrics)
    if wide.is_empty() or not set(DISTANCES) & set(metrics):
        return None
    used = bounds or find_bounds(scores)
    check_bounds(used, metrics, scores)
    values, low, high = (
        wide.select(f"{end}:{name}" for name in metrics).to_numpy() for end in ("value", "low", "high")
    )  # [R, K] each
    labels = [set_label(*row) for row in wide.select(SAME_SET).iter_rows()]
    ingredients = gather_ingredients(values, high - low, wide["n"].to_list(), labels, metrics, sets)
    ends = np.array([used.ends[metric] for metric in metrics]).T  # [2, K]
    fixed = _ends_beyond(ends, values) if bounds is None else None

    def score(drawn: np.ndarray) -> np.ndarray:
        if fixed is None:
            return _harmonic_mean(drawn, metrics, ends[0], ends[1], eps, clip=clip)
        least = np.minimum(drawn.min(axis=1, keepdims=True), fixed[0])
        most = np.maximum(drawn.max(axis=1, keepdims=True), fixed[1])
        return _harmonic_mean(drawn, metrics, least, most, eps, clip=clip)

    count = len(labels) * (len(labels) - 1) // 2
    return Scored(
        wide=wide, metrics=metrics, values=harmonic_mean(values, metrics, used, eps, clip=clip), bounds=used, clip=clip,
        drawn=draw_scores(ingredients, score, seed=seed, compared_count=count),
    )  # fmt: skip


def _ends_beyond(ends: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Ends that rows without all the ingredients give, [2, K]; infinite where the rows themselves reach them."""
    low = np.where(ends[0] < values.min(axis=0), ends[0], np.inf)
    return np.array([low, np.where(ends[1] > values.max(axis=0), ends[1], -np.inf)])


def score_board(
    scores: pl.DataFrame, sets: Sequence[Influences], protocol: Protocol, *, split: str, bounds: Bounds | None = None,
    rescore: Rescore | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """What compares all sets of one split under one protocol.

    Args:
        scores: SCORES rows.
        sets: the same sets with the influence of every image.
        protocol: whose choices say which forms of the MMHM there are.
        split: name of the split.
        bounds: kept from an earlier comparison; None takes them from these rows.
        rescore: as in `compare_sets`. An MMHM is compared between sets that answered the same requests.

    Returns:
        SCORES rows of every form of the MMHM, and DIFFERENCES rows of every metric.
    """
    forms = [True, False] if protocol.mmhm_raw else [True]
    found = [_score(scores, bounds, protocol.mmhm_eps, sets, clip=clip) for clip in forms]
    made = [one for one in found if one is not None]
    parts = [compare_sets(sets, split, rescore)]
    parts += [correct_differences(one.differences(), split, protocol.name) for one in made]
    return pl.concat([scores.clear(), *(one.rows(scores.columns) for one in made)]), pl.concat(parts)


def _say_method(values: np.ndarray, metrics: Sequence[str], bounds: Bounds, *, clip: bool) -> str:
    """How the interval was made, and which ingredients lie outside the bounds."""
    outside = [
        metric
        for metric, value in zip(metrics, values, strict=True)
        if not bounds.ends[metric][0] <= value <= bounds.ends[metric][1]
    ]
    method = "ingredients of all sets drawn together"
    if not outside:
        return method
    return f"{method}; outside the bounds{' and clipped' if clip else ''}: {', '.join(outside)}"


def _widen(scores: pl.DataFrame, metrics: Sequence[str]) -> pl.DataFrame:
    """One row per scored set that has all the metrics, with their value, low and high side by side."""
    wide = (
        scores.filter(pl.col("metric").is_in(INGREDIENTS))
        .select(*SAME_SET, "split", "protocol", "nfe", "n", "made_with")
        .unique(subset=SAME_SET, keep="first", maintain_order=True)
    )
    for name in metrics:
        part = scores.filter(pl.col("metric") == name).select(
            *SAME_SET, *(pl.col(end).alias(f"{end}:{name}") for end in ("value", "low", "high"))
        )
        wide = wide.join(part, on=SAME_SET, how="inner", maintain_order="left")
    return wide
