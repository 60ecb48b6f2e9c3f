"""Differences between scored sets on the same requests: intervals and p-values, corrected for many comparisons."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from relaionet.evaluators.metrics.estimate import Z_95, Estimate
from relaionet.evaluators.metrics.pairs import subtract_pairs
from relaionet.evaluators.protocols import check_comparable
from relaionet.evaluators.scoring.influences import Influences
from relaionet.manifests.tables import DIFFERENCES, shape_table

Rescore = Callable[[str, frozenset[str]], Influences]
"""(label of a set, requests) -> the set scored on its images of these requests alone."""


class Apart(NamedTuple):
    """How far two sets are apart under one metric.

    Attributes:
        difference: value of the first less that of the second.
        low: lower end of its 95 % interval; NaN where none can be told.
        high: upper end.
        p_value: 0 to 1.
    """

    difference: float
    low: float
    high: float
    p_value: float


def compare_sets(sets: Sequence[Influences], split: str, rescore: Rescore | None = None) -> pl.DataFrame:
    """Difference of every pair of sets under every metric, request by request.

    Where both answered the same requests, what they share (an easy class, a hard one) falls out of the difference, so
    it is known better than two intervals side by side tell.

    Args:
        sets: scored on one split under one protocol.
        split: its name.
        rescore: scores a set on some of its requests, for pairs of which one answered requests the other did not; None
            leaves such pairs out.

    Returns:
        DIFFERENCES rows over the requests both answered; pairs with fewer than 3 of them are left out. `p_holm` is
        corrected over all pairs of one metric.

    Raises:
        BadInput: the sets are of different protocols.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure". Differences of metrics by their
        influences, as everywhere here; of shares of images by the requests only one of the two got right.
    """
    check_comparable([one.protocol for one in sets], "sets")
    rows: list[tuple[object, ...]] = []
    for one, other in _pair(sets, rescore):
        order = find_order(one.ids, other.ids)
        both = [metric for metric in one.estimates if metric in other.estimates]
        found = ((metric, compare_metric(one, other, metric, order)) for metric in both)
        rows += [(metric, one.label, other.label, *apart, len(order)) for metric, apart in found]
    protocol = sets[0].protocol if sets else ""
    return correct_differences(rows, split, protocol)


def correct_differences(rows: Sequence[tuple[object, ...]], split: str, protocol: str) -> pl.DataFrame:
    """DIFFERENCES rows, the p-values corrected over all pairs of one metric.

    Args:
        rows: metric, one, other, difference, low, high, p_value and n of each pair.
        split: name of the split.
        protocol: name of the protocol.
    """
    schema = ["metric", "one", "other", "difference", "low", "high", "p_value", "n"]
    types = dict.fromkeys(schema[:3], pl.String) | dict.fromkeys(schema[3:7], pl.Float64) | {"n": pl.Int64}
    frame = pl.DataFrame(rows, schema=types, orient="row").with_columns(pl.col("low", "high").fill_nan(None))
    corrected = [
        part.with_columns(p_holm=pl.Series(correct_holm(part["p_value"].to_numpy()), dtype=pl.Float64))
        for part in frame.partition_by("metric", maintain_order=True)
    ]
    whole = pl.concat(corrected) if corrected else frame.with_columns(p_holm=pl.lit(None, pl.Float64))
    return shape_table(whole.with_columns(split=pl.lit(split), protocol=pl.lit(protocol)), DIFFERENCES)


def _pair(sets: Sequence[Influences], rescore: Rescore | None) -> Iterator[tuple[Influences, Influences]]:
    """Every two sets on the requests both answered."""
    kept: dict[tuple[str, frozenset[str]], Influences] = {}

    def cut(one: Influences, ids: frozenset[str]) -> Influences:
        if len(one.ids) == len(ids) or rescore is None:
            return one
        if (one.label, ids) not in kept:
            kept[one.label, ids] = rescore(one.label, ids)
        return kept[one.label, ids]

    requests = [frozenset(one.ids) for one in sets]
    for (one, mine), (other, theirs) in itertools.combinations(zip(sets, requests, strict=True), 2):
        ids = mine & theirs
        if len(ids) < 3 or (rescore is None and mine != theirs):
            continue
        first, second = cut(one, ids), cut(other, ids)
        if len(first.ids) >= 3 and set(first.ids) == set(second.ids):
            yield first, second


def correct_holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction.

    Args:
        p_values: [K], 0 to 1.

    Returns:
        [K] corrected: below α where the difference holds at level α over the whole family.
    """
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * (count - np.arange(count)))
    corrected = np.empty(count)
    corrected[order] = np.minimum(steps, 1)
    return corrected


def find_order(ids: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """Where each of some requests stands among the same in another order, [N] int64."""
    place = {name: index for index, name in enumerate(others)}
    return np.fromiter((place[name] for name in ids), np.int64, len(ids))


def compare_metric(one: Influences, other: Influences, metric: str, order: np.ndarray | None = None) -> Apart:
    """How far two sets of the same requests are apart under a metric.

    Args:
        one: a set.
        other: another, its requests in any order.
        metric: both have it.
        order: [N] where each request of the first stands in the other; None finds it.
    """
    if order is None:
        order = find_order(one.ids, other.ids)
    first, second = one.estimates[metric], other.estimates[metric]
    outcomes = [_outcomes(first), _outcomes(second)]
    if outcomes[0] is not None and outcomes[1] is not None:
        return compare_shares(outcomes[0], outcomes[1][order])
    apart = subtract(first, second, order)
    ends, wnids = apart.interval(one.wnids), one.wnids
    if apart.value != 0 and apart.standard_error(wnids) == 0:
        ends = math.nan, math.nan  # nothing was seen to vary, so nothing tells how far it may
    return Apart(apart.value, *ends, apart.p_value(wnids))


def subtract(first: Estimate, second: Estimate, order: np.ndarray) -> Estimate:
    """The difference of a metric of two sets, with the influence of every request on it.

    Args:
        first: of one set.
        second: of the other.
        order: [N] where each request of the first stands in the second.
    """
    influence = np.subtract(first.influence, second.influence[order], dtype=np.float64)
    pairs = subtract_pairs(first.pairs, second.pairs, order)
    excess = 0.0 if pairs is None else pairs.excess(len(order))
    return Estimate(first.value - second.value, influence, excess=excess, pairs=pairs)


def compare_shares(right: np.ndarray, other: np.ndarray) -> Apart:
    """How far two shares of the same requests are apart.

    Args:
        right: [N] bool, what one set got right.
        other: [N] bool, what the other did.

    Source: McNemar 1947, in its exact form, for the p-value; Bonett and Price 2012, "Adjusted Wald confidence interval
        for a difference of binomial proportions based on paired data", for the interval.
    """
    from scipy.special import bdtr

    count = len(right)
    more, fewer = int((right & ~other).sum()), int((other & ~right).sum())
    p_value = min(1.0, 2 * float(bdtr(min(more, fewer), more + fewer, 0.5))) if more + fewer else 1.0
    gained, lost = (more + 1) / (count + 2), (fewer + 1) / (count + 2)
    width = Z_95 * math.sqrt((gained + lost - (gained - lost) ** 2) / (count + 2))
    difference = (more - fewer) / count
    low, high = max(-1.0, gained - lost - width), min(1.0, gained - lost + width)
    return Apart(difference, min(low, difference), max(high, difference), p_value)


def _outcomes(one: Estimate) -> np.ndarray | None:
    """[N] bool, where the metric is a share of images that each have or have not; None where it is something else."""
    if one.scale != "fraction":
        return None
    found = np.asarray(one.influence, np.float64) + one.value
    right: np.ndarray = found > 0.5
    return right if np.allclose(found, right, atol=1e-4) else None
