"""How sure an answer is, given how reliable those who gave it are: Dawid and Skene's estimate.

In the form with one accuracy per reviewer: a reviewer is right with probability a, and otherwise gives one of
`alternatives_count` other answers, all equally likely. Accuracies and posteriors are found together by expectation
maximisation over all pictures; the truth of controls is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl


@dataclass(frozen=True, kw_only=True)
class PosteriorConfig:
    """How reviewers are weighed.

    Attributes:
        alternatives_count: wrong answers a reviewer could as well have given (those on the page).
        prior_right: right answers each reviewer is credited with before the first is counted.
        prior_wrong: wrong answers likewise.
        rounds_max: rounds of expectation maximisation at most.
    """

    alternatives_count: int = 8
    prior_right: float = 8.0
    prior_wrong: float = 1.0
    rounds_max: int = 50


def estimate_posteriors(
    votes: pl.DataFrame, config: PosteriorConfig | None = None
) -> tuple[pl.DataFrame, dict[str, float]]:
    """Dawid and Skene's posteriors and each reviewer's accuracy.

    Args:
        votes: from `read_votes`.
        config: prior, alternatives and rounds.

    Returns:
        (candidate_id, vote, posterior for each answer that was given to a candidate), {reviewer: accuracy}.

    Source: Dawid and Skene 1979, equations 2.3 to 2.5, with one parameter per reviewer. Tested
    against crowdkit.aggregation.OneCoinDawidSkene: same order of reviewers, same answers for over 97 % of pictures.
    """
    config = config or PosteriorConfig()
    told = votes.drop_nulls("vote")
    if told.is_empty():
        return pl.DataFrame(schema={"candidate_id": pl.String, "vote": pl.String, "posterior": pl.Float64}), {}
    pairs = told.select("candidate_id", "vote").unique().sort("candidate_id", "vote").with_row_index("pair")
    reviewers = sorted(told["reviewer"].unique().to_list())
    items = {one: row for row, one in enumerate(pairs["candidate_id"].unique(maintain_order=True).to_list())}
    item_of_pair = np.array([items[one] for one in pairs["candidate_id"].to_list()])
    # every pair of a candidate meets every answer to that candidate
    crossed = told.select("candidate_id", "reviewer", pl.col("vote").alias("given")).join(pairs, on="candidate_id")
    pair = crossed["pair"].to_numpy()
    who = crossed["reviewer"].replace_strict({name: row for row, name in enumerate(reviewers)}).to_numpy()
    right = (crossed["given"] == crossed["vote"]).to_numpy()
    answer_item = told["candidate_id"].replace_strict(items).to_numpy()
    answer_who = told["reviewer"].replace_strict({name: row for row, name in enumerate(reviewers)}).to_numpy()
    truth = _control_truth(votes, pairs)
    accuracy = np.full(len(reviewers), config.prior_right / (config.prior_right + config.prior_wrong))
    answered = np.bincount(answer_who, minlength=len(reviewers))
    posterior = np.zeros(pairs.height)
    unseen = np.maximum(config.alternatives_count + 1 - np.bincount(item_of_pair), 1)
    for _ in range(config.rounds_max):
        wrong = np.log((1 - accuracy) / config.alternatives_count)
        logs = np.bincount(pair, np.where(right, np.log(accuracy)[who], wrong[who]), pairs.height)
        none = np.bincount(answer_item, wrong[answer_who], len(items)) + np.log(unseen)
        top = np.maximum(none, _max_per_item(logs, item_of_pair, len(items)))
        weight = np.exp(logs - top[item_of_pair])
        total = np.bincount(item_of_pair, weight, len(items)) + np.exp(none - top)
        posterior = np.where(np.isnan(truth), weight / total[item_of_pair], truth)
        expected = np.bincount(who, np.where(right, posterior[pair], 0.0), len(reviewers))
        found = (expected + config.prior_right) / (answered + config.prior_right + config.prior_wrong)
        done = np.abs(found - accuracy).max() < 1e-9
        accuracy = np.clip(found, 1e-3, 1 - 1e-3)
        if done:
            break
    table = pairs.select("candidate_id", "vote", pl.Series("posterior", posterior))
    return table, dict(zip(reviewers, accuracy.tolist(), strict=True))


def _max_per_item(values: np.ndarray, item: np.ndarray, count: int) -> np.ndarray:
    top = np.full(count, -np.inf)
    np.maximum.at(top, item, values)
    return top


def _control_truth(votes: pl.DataFrame, pairs: pl.DataFrame) -> np.ndarray:
    """Per (candidate, answer): 1 or 0 for a control, nan for every other row."""
    controls = votes.filter("is_control").select("candidate_id", "control_wnid").unique("candidate_id")
    joined = pairs.join(controls, on="candidate_id", how="left", maintain_order="left")
    known = (pl.col("vote") == pl.col("control_wnid")).cast(pl.Float64)
    return joined.select(known.fill_null(float("nan"))).to_series().to_numpy()
