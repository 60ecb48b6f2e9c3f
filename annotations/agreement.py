"""Votes of several reviewers -> one verdict per picture, and numbers on how far to trust it.

Rules, in order:

1. One answer per reviewer and picture counts, the latest.
2. An answer supports its class (`yes` the proposed one, `other` the one named) or one of the refusals (several,
   drawing, unsafe, broken, none); `unsure` supports nothing but counts as an answer. Refusals of different kinds stand
   together against a class.
3. Support of more than half of `votes_needed` settles, as no further answer could overturn it, if it is also more than
   half of the answers there are and its posterior is at least `min_confidence`.
4. Otherwise more answers are asked for (`again`), up to `votes_max`; then it is rejected as undecided. A tie is
   therefore never broken by chance.

The posterior is that of `posteriors.estimate_posteriors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from relaionet.annotations.decisions import latest_decisions
from relaionet.annotations.posteriors import PosteriorConfig, estimate_posteriors
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.tables import TASKS, VERDICTS, shape_table

VERSION = "1"
REFUSALS = ("several", "drawing", "unsafe", "broken", "none")
_REFUSED = "refused"
_WORDS = {
    "several": "shows several classes", "drawing": "a drawing or text only", "unsafe": "unsafe or private",
    "broken": "a broken picture", "none": "shows none of the classes",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AgreementConfig:
    """How votes are settled.

    Attributes:
        votes_needed: answers a picture normally gets; more than half of them settle it.
        votes_max: answers after which an undecided picture is rejected.
        min_confidence: posterior a settled answer needs, 0 to 1.
        posterior: how reviewers are weighed.
        bootstrap_count: resamples for the interval of `agreement`.
        seed: of the resampling.
    """

    votes_needed: int = 3
    votes_max: int = 6
    min_confidence: float = 0.8
    posterior: PosteriorConfig = field(default_factory=PosteriorConfig)
    bootstrap_count: int = 200
    seed: int = 0


def read_votes(decisions: pl.DataFrame, tasks: pl.DataFrame) -> pl.DataFrame:
    """What each counted answer supports.

    Args:
        decisions: DECISIONS of all rounds.
        tasks: TASKS of all rounds.

    Returns:
        candidate_id, reviewer, seconds, vote (a wnid, a refusal, or null for unsure), is_control, control_wnid;
        sorted by candidate_id and reviewer.
    """
    about = shape_table(tasks, TASKS).select("candidate_id", "round", "proposed_wnid", "is_control", "control_wnid")
    vote = (
        pl.when(pl.col("choice") == "yes").then("proposed_wnid")
        .when(pl.col("choice") == "other").then("other_wnid")
        .when(pl.col("choice").is_in(REFUSALS)).then("choice")
    )  # fmt: skip
    return (
        latest_decisions(decisions)
        .join(about, on=["candidate_id", "round"], how="inner", maintain_order="left")
        .select("candidate_id", "reviewer", "seconds", vote.alias("vote"), "is_control", "control_wnid")
    )


def settle_votes(decisions: pl.DataFrame, tasks: pl.DataFrame, config: AgreementConfig | None = None) -> pl.DataFrame:
    """Settle every picture that was asked about; controls are left out.

    The order of decisions and tasks does not matter.

    Args:
        decisions: DECISIONS of all rounds.
        tasks: TASKS of all rounds.
        config: the rules' numbers.

    Returns:
        VERDICTS: one row per candidate of `tasks` that is no control, by candidate_id.
    """
    config = config or AgreementConfig()
    asked = (
        shape_table(tasks, TASKS).filter(~pl.col("is_control")).sort("round")
        .unique("candidate_id", keep="last", maintain_order=True).sort("candidate_id")
    )  # fmt: skip
    votes = read_votes(decisions, tasks)
    refused = pl.when(pl.col("vote").is_in(REFUSALS)).then(pl.lit(_REFUSED)).otherwise("vote")
    posteriors, _ = estimate_posteriors(votes.with_columns(vote=refused), config.posterior)
    sure = {(one, vote): value for one, vote, value in posteriors.iter_rows()}
    given: dict[str, list[tuple[str, str | None]]] = {}
    for one, reviewer, vote in votes.select("candidate_id", "reviewer", "vote").iter_rows():
        given.setdefault(one, []).append((reviewer, vote))
    rows = [
        _settle_one(one, proposed, given.get(one, []), sure, config)
        for one, proposed in asked.select("candidate_id", "proposed_wnid").iter_rows()
    ]
    return shape_table(pl.DataFrame(rows, schema=dict(VERDICTS.schema)), VERDICTS)


def _settle_one(
    one: str, proposed: str, answers: Sequence[tuple[str, str | None]], sure: Mapping[tuple[str, str], float],
    config: AgreementConfig,
) -> dict[str, Any]:  # fmt: skip
    support: dict[str, list[str]] = {}
    for _, vote in answers:
        if vote is not None:
            support.setdefault(_REFUSED if vote in REFUSALS else vote, []).append(vote)
    best, votes = max(support.items(), key=lambda item: (len(item[1]), item[0]), default=("", []))
    confidence = sure.get((one, best), 0.0)
    count = len(answers)
    row: dict[str, Any] = {
        "candidate_id": one, "proposed_wnid": proposed, "wnid": None, "votes_count": count, "yes_count": len(votes),
        "selection_frac": len(votes) / count if count else 0.0, "confidence": confidence,
        "reviewers": sorted(reviewer for reviewer, _ in answers),
    }  # fmt: skip
    majority = len(votes) > config.votes_needed / 2 and len(votes) > count / 2
    if majority and confidence >= config.min_confidence and best != _REFUSED:
        return row | {"wnid": best, "status": "accept", "reason": None if best == proposed else f"was {proposed}"}
    if majority and confidence >= config.min_confidence:
        kind = max(sorted(set(votes)), key=votes.count)
        return row | {"status": "reject", "reason": _WORDS[kind]}
    if count >= config.votes_max:
        return row | {"status": "reject", "reason": f"undecided after {count} answers"}
    return row | {"status": "again", "reason": _why_again(answers, majority, config)}


def _why_again(answers: Sequence[tuple[str, str | None]], majority: bool, config: AgreementConfig) -> str:
    if majority:
        return "the reviewers who agree are not reliable enough"
    told = sorted({vote or "unsure" for _, vote in answers})
    if not told:
        return "no answers yet"
    names = [labels_by_wnid()[vote].name if vote in labels_by_wnid() else vote for vote in told]
    if len(answers) < config.votes_needed and len(told) == 1:
        return f"{len(answers)} of {config.votes_needed} answers so far"
    return "answers differ: " + ", ".join(names)


def reviewer_accuracy(decisions: pl.DataFrame, tasks: pl.DataFrame) -> pl.DataFrame:
    """How each reviewer did.

    Returns:
        reviewer, answered (pictures that are no controls), controls (answered), right (of those), accuracy (right /
        controls, null without any), seconds (median per answer); by reviewer.
    """
    votes = read_votes(decisions, tasks)
    hit = pl.col("is_control") & (pl.col("vote") == pl.col("control_wnid")).fill_null(False)
    return (
        votes.group_by("reviewer")
        .agg(
            (~pl.col("is_control")).sum().cast(pl.Int32).alias("answered"),
            pl.col("is_control").sum().cast(pl.Int32).alias("controls"),
            hit.sum().cast(pl.Int32).alias("right"),
            pl.col("seconds").median().round(3).alias("seconds"),
        )
        .with_columns(pl.when(pl.col("controls") > 0).then(pl.col("right") / pl.col("controls")).alias("accuracy"))
        .select("reviewer", "answered", "controls", "right", "accuracy", "seconds")
        .sort("reviewer")
    )


def agreement(
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


def review_status(
    decisions: pl.DataFrame, tasks: pl.DataFrame, config: AgreementConfig | None = None
) -> dict[str, Any]:
    """Where a review stands: counts that add up, agreement, reviewers.

    Returns:
        rounds, candidates (= accept + reject + again), accept, reject, again, unanswered (of again: without any
        answer), controls, answers, agreement (see `agreement`), reviewers (rows of `reviewer_accuracy` as dicts).
    """
    verdicts = settle_votes(decisions, tasks, config)
    counts = {str(status): int(count) for status, count in verdicts["status"].value_counts().iter_rows()}
    return {
        "rounds": tasks["round"].n_unique(),
        "candidates": verdicts.height,
        **{status: counts.get(status, 0) for status in VERDICTS.statuses},
        "unanswered": verdicts.filter(pl.col("votes_count") == 0).height,
        "controls": tasks.filter("is_control")["candidate_id"].n_unique(),
        "answers": latest_decisions(decisions).height,
        "agreement": agreement(decisions, tasks, config),
        "reviewers": reviewer_accuracy(decisions, tasks).to_dicts(),
    }
