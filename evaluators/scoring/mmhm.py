"""MMHM: the harmonic mean of distance, score and alignment, each scaled over the rows that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.evaluators.metrics.catalogue import DISTANCES, INGREDIENTS
from relaionet.evaluators.metrics.lookup import is_lower_better
from relaionet.evaluators.protocols import Protocol, check_comparable, check_made_alike
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json, write_json

DRAWS = 400
SAME_SET = ("generator", "steps", "guidance")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Worst and best value of each metric over the rows an MMHM compares; keep them to score later rows alike.

    Attributes:
        ends: metric -> (lowest, highest).
        split: of the rows they come from; empty for any.
        made_with: digest of protocol and models of those rows; empty for any.
    """

    ends: Mapping[str, tuple[float, float]]
    split: str = ""
    made_with: str = ""


def write_bounds(path: Path, bounds: Bounds) -> None:
    """Write bounds as JSON."""
    write_json(path, {**asdict(bounds), "ends": {name: list(ends) for name, ends in bounds.ends.items()}})


def read_bounds(path: Path) -> Bounds:
    """Read bounds that `write_bounds` wrote.

    Raises:
        BadInput: the file does not exist or holds no bounds.
        Corrupt: it is no JSON.
    """
    value = read_json(path)
    try:
        ends = {str(name): (float(low), float(high)) for name, (low, high) in value["ends"].items()}
        return Bounds(ends=ends, split=str(value["split"]), made_with=str(value["made_with"]))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise BadInput(f"{path} holds no bounds of an MMHM ({error}); take `bounds.json` of an evaluation.") from None


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
    span = np.where(high > low, high - low, 1.0)
    scaled = np.where(high > low, (values - low) / span, 1.0)
    inverted = np.array([is_lower_better(metric) for metric in metrics]) & (high > low)
    scaled = np.where(inverted, 1 - scaled, scaled)
    if clip:
        scaled = np.clip(scaled, 0, 1)
    result: np.ndarray = len(metrics) / (1 / (eps + scaled)).sum(axis=-1)
    return result


def score_mmhm(
    scores: pl.DataFrame, *, bounds: Bounds | None = None, clip: bool = True, eps: float = 1e-3, seed: int = 0
) -> pl.DataFrame:
    """MMHM of every scored set, over its Fréchet distance, Inception Score, CLIP Score and PickScore where there.

    It says which row is best of these rows and nothing beyond them: adding a row moves the others. Rows that lack one
    of the metrics (the real images have no distance to themselves) get none. The interval comes from drawing each
    ingredient from its own interval as if they were independent, with the bounds held.

    Args:
        scores: SCORES rows of one split and one protocol.
        bounds: kept from an earlier comparison; None takes them from these rows.
        clip: as in `harmonic_mean`; False is the raw formula.
        eps: the protocol's `mmhm_eps`.
        seed: of the draws.

    Returns:
        SCORES rows with metric "MMHM" (or "MMHM (raw)").

    Raises:
        BadInput: the rows are of different protocols, models or splits, or the bounds are.
    """
    check_comparable(scores["protocol"].to_list())
    check_made_alike(scores.filter(pl.col("metric").is_in(INGREDIENTS))["made_with"].to_list())
    if scores["split"].n_unique() > 1:
        raise BadInput(f"an MMHM compares rows of one split; found {', '.join(sorted(set(scores['split'])))}.")
    metrics = [name for name in INGREDIENTS if (scores["metric"] == name).any()]
    wide = _widen(scores, metrics)
    if wide.is_empty() or not set(DISTANCES) & set(metrics):
        return scores.clear()
    bounds = bounds or find_bounds(scores)
    _check_bounds(bounds, metrics, scores)
    values = wide.select(f"value:{name}" for name in metrics).to_numpy()  # [R, K]
    spread = (
        wide.select(f"high:{name}" for name in metrics) - wide.select(f"low:{name}" for name in metrics)
    ).to_numpy()
    normal = np.random.default_rng(seed).standard_normal((DRAWS, *values.shape))  # [B, R, K]
    drawn = values + normal * np.nan_to_num(spread) / 3.92
    low, high = np.quantile(harmonic_mean(drawn, metrics, bounds, eps, clip=True), [0.025, 0.975], axis=0)
    value = harmonic_mean(values, metrics, bounds, eps, clip=clip)
    methods = [_say_method(row, metrics, bounds, clip=clip) for row in values]
    ends = [None, None] if not clip else [np.minimum(low, value), np.maximum(high, value)]
    return wide.select(
        *SAME_SET[:1], "split", "protocol", *SAME_SET[1:], "nfe",
        pl.lit("MMHM" if clip else "MMHM (raw)").alias("metric"), pl.Series("value", value),
        *(pl.lit(end, pl.Float64).alias(name) if end is None else pl.Series(name, end)
          for name, end in zip(("low", "high"), ends, strict=True)),
        "n", pl.Series("method", methods), "made_with",
    ).select(scores.columns)  # fmt: skip


def score_rows(scores: pl.DataFrame, protocol: Protocol, bounds: Bounds | None = None) -> list[pl.DataFrame]:
    """Every form of the MMHM that a protocol gives.

    Args:
        scores: SCORES rows of one split and this protocol.
        protocol: whose choices say which forms.
        bounds: kept from an earlier comparison; None takes them from these rows.

    Returns:
        SCORES rows, a table for each form.
    """
    forms = [True, False] if protocol.mmhm_raw else [True]
    return [score_mmhm(scores, bounds=bounds, clip=clip, eps=protocol.mmhm_eps) for clip in forms]


def _check_bounds(bounds: Bounds, metrics: Sequence[str], scores: pl.DataFrame) -> None:
    """Refuse bounds that lack a metric or come from another split, protocol or model."""
    missing = [name for name in metrics if name not in bounds.ends]
    if missing:
        raise BadInput(f"the bounds know {', '.join(sorted(bounds.ends))} and not {missing[0]}; keep bounds of all.")
    split = str(scores["split"][0])
    if bounds.split and bounds.split != split:
        raise BadInput(
            f"the bounds come from split {bounds.split}, these scores from {split}; they cannot be compared."
        )
    if bounds.made_with:
        own = scores.filter(pl.col("metric").is_in(INGREDIENTS))["made_with"].to_list()
        check_made_alike([bounds.made_with, *own], "scores and bounds")


def _say_method(values: np.ndarray, metrics: Sequence[str], bounds: Bounds, *, clip: bool) -> str:
    """How the interval was made, and which ingredients lie outside the bounds."""
    outside = [
        metric
        for metric, value in zip(metrics, values, strict=True)
        if not bounds.ends[metric][0] <= value <= bounds.ends[metric][1]
    ]
    method = "ingredients drawn from their intervals" if clip else "no interval"
    if not outside:
        return method
    return f"{method}; outside the bounds{' and clipped' if clip else ''}: {', '.join(outside)}"


def find_bounds(scores: pl.DataFrame) -> Bounds:
    """Lowest and highest value of every metric over the rows that have a Fréchet distance."""
    sets = scores.filter(pl.col("metric").is_in(DISTANCES)).select(SAME_SET)
    ends = scores.join(sets, on=SAME_SET, how="semi").group_by("metric").agg(
        pl.col("value").min().alias("low"), pl.col("value").max().alias("high")
    )  # fmt: skip
    own = scores.filter(pl.col("metric").is_in(DISTANCES))
    return Bounds(
        ends={metric: (low, high) for metric, low, high in ends.sort("metric").iter_rows()},
        split=str(own["split"][0]) if own.height else "", made_with=str(own["made_with"][0]) if own.height else "",
    )  # fmt: skip


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
