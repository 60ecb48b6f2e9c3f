"""Krippendorff's alpha: how far reviewers agree beyond what chance would bring, with an interval."""

from __future__ import annotations

import numpy as np
import polars as pl

from relaionet.annotations.agreement.settle import AgreementConfig
from relaionet.annotations.agreement.votes import read_votes


def score_agreement(
    decisions: pl.DataFrame, tasks: pl.DataFrame, config: AgreementConfig | None = None
) -> dict[str, float | int | None]:
    """Krippendorff's alpha (nominal) over all pictures with two or more answers, with a bootstrap interval.

    Args:
        decisions: DECISIONS.
        tasks: TASKS.
        config: resamples and seed.

    Returns:
        alpha, low, high (95 %; null where fewer than two pictures have two answers or all answers are the same),
        units (pictures counted), answers (counted).

    Source: Krippendorff 2019, Content Analysis, section 12.3; equals the package `krippendorff` (to 1e-9, tested).
    """
    config = config or AgreementConfig()
    votes = read_votes(decisions, tasks).with_columns(pl.col("vote").fill_null("unsure"))
    votes = votes.filter(pl.len().over("candidate_id") > 1)
    counts = votes.group_by("candidate_id", "vote").len().sort("candidate_id", "vote")
    units = votes["candidate_id"].n_unique()
    nothing: dict[str, float | int | None] = {"alpha": None, "low": None, "high": None}
    if units < 2:
        return {**nothing, "units": units, "answers": votes.height}
    unit = counts["candidate_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
    value = counts["vote"].rank("dense").cast(pl.Int64).to_numpy() - 1
    number = counts["len"].cast(pl.Float64).to_numpy()
    once = _alpha(unit, value, number, np.ones(units))
    rng = np.random.default_rng(config.seed)
    draws = [
        _alpha(unit, value, number, np.bincount(rng.integers(units, size=units), minlength=units).astype(float))
        for _ in range(config.bootstrap_count)
    ]
    told = np.array([draw for draw in draws if draw is not None])
    if once is None or not told.size:
        return {**nothing, "alpha": once, "units": units, "answers": votes.height}
    low, high = np.quantile(told, (0.025, 0.975)).tolist()
    return {"alpha": once, "low": low, "high": high, "units": units, "answers": votes.height}


def _alpha(unit: np.ndarray, value: np.ndarray, number: np.ndarray, weight: np.ndarray) -> float | None:
    """Alpha from the count of each value in each unit, units counted `weight` times; None where nothing varies."""
    per_unit = np.bincount(unit, number, weight.size)
    same = np.bincount(unit, number * number, weight.size)
    observed = float((weight * (per_unit**2 - same) / (per_unit - 1)).sum())
    total = float((weight * per_unit).sum())
    per_value = np.bincount(value, number * weight[unit])
    expected = (total**2 - float((per_value**2).sum())) / (total - 1)
    return None if expected == 0 else 1 - observed / expected
