"""Which undecided pictures to ask about again, and how often, when answers are few.

A further answer is worth asking for where it is likely to change the verdict from *again* to one that stands. For each
picture the probability of that is worked out for one further answer, for two, … up to what `votes_max` leaves, by the
rules of `agreement` and a reviewer of typical accuracy: the leading answer is right with the picture's confidence, else
its rival is. A picture is given the number of answers with the highest probability per answer, and pictures are asked
about in that order until the budget is spent. Ties go by candidate_id.

Asking ends for a picture when it is settled or has `votes_max` answers, and for a review when the budget is spent or no
picture is undecided.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from relaionet.annotations.agreement.settle import AgreementConfig, counted_votes
from relaionet.annotations.agreement.votes import vote_key
from relaionet.manifests.errors import BadInput

USUAL_ACCURACY = 0.9


def plan_answers(
    verdicts: pl.DataFrame, decisions: pl.DataFrame, tasks: pl.DataFrame, config: AgreementConfig | None = None, *,
    budget: int | None = None, accuracy: float = USUAL_ACCURACY,
) -> pl.DataFrame:  # fmt: skip
    """Plan the next round.

    Args:
        verdicts: VERDICTS.
        decisions: DECISIONS they were settled from.
        tasks: TASKS of all rounds.
        config: the rules' numbers.
        budget: answers to ask for in all; None asks about every undecided picture.
        accuracy: of a typical reviewer, above 0.5, below 1.

    Returns:
        candidate_id, answers_wanted_count (i32, at least 1), settle_prob (that so many answers settle it, 0 to 1); the
        most informative first. The counts add up to `budget` at most.

    Raises:
        BadInput: the budget is below 1, or the accuracy out of range.
    """
    config = config or AgreementConfig()
    if budget is not None and budget < 1:
        raise BadInput(f"a budget of {budget} answers asks nothing; expected 1 or more.")
    if not 0.5 < accuracy < 1:
        raise BadInput(f"accuracy {accuracy}: expected more than 0.5 and less than 1.")
    rows = _open_pictures(verdicts, decisions, tasks, config)
    left = np.maximum(config.votes_max - rows["votes_count"].to_numpy(), 0)
    wanted, chance = np.zeros(rows.height, int), np.zeros(rows.height)
    for count in range(1, config.votes_max + 1):
        found = np.where(count <= left, settle_probability(rows, count, config, accuracy), -1.0)
        better = found / count > chance / np.maximum(wanted, 1) + 1e-12
        first = (wanted == 0) & (count <= left)
        wanted, chance = np.where(better | first, count, wanted), np.where(better | first, found, chance)
    plan = rows.select("candidate_id", answers_wanted_count=pl.Series(wanted, dtype=pl.Int32), settle_prob=chance)
    worth = pl.col("settle_prob") / pl.col("answers_wanted_count")
    plan = plan.filter(pl.col("answers_wanted_count") > 0).with_columns(worth=worth)
    plan = plan.sort(["worth", "candidate_id"], descending=[True, False]).drop("worth")
    if budget is None:
        return plan
    return plan.filter(pl.col("answers_wanted_count").cum_sum() <= budget)


def _open_pictures(
    verdicts: pl.DataFrame, decisions: pl.DataFrame, tasks: pl.DataFrame, config: AgreementConfig
) -> pl.DataFrame:
    """candidate_id, votes_count, confidence, yes_count, rival_count (answers for the runner-up); by candidate_id."""
    rows = verdicts.filter(pl.col("status") == "again").select("candidate_id", "votes_count", "confidence", "yes_count")
    votes = counted_votes(decisions, tasks, config).select(pl.col("candidate_id").cast(pl.String), key=vote_key())
    counts = votes.drop_nulls("key").group_by("candidate_id", "key").len()
    counts = counts.sort(["candidate_id", "len"], descending=[False, True])
    ranked = counts.group_by("candidate_id", maintain_order=True).agg(
        first=pl.col("len").first(), second=pl.col("len").slice(1, 1).first().fill_null(0)
    )
    rows = rows.join(ranked, on="candidate_id", how="left").fill_null(0).sort("candidate_id")
    # the leading answer need not be the commonest one: the rival is the commonest of the others
    rival = pl.when(pl.col("yes_count") == pl.col("first")).then("second").otherwise("first")
    return rows.with_columns(rival_count=rival)


def settle_probability(rows: pl.DataFrame, count: int, config: AgreementConfig, accuracy: float) -> np.ndarray:
    """Probability that `count` further answers settle a picture.

    Args:
        rows: confidence, yes_count, rival_count.
        count: further answers, at least 1.
        config: the rules' numbers.
        accuracy: of each of those who answer.

    Returns:
        [N] float64, 0 to 1.
    """
    sure = rows["confidence"].clip(0.5, 0.999).to_numpy()
    lead, rival = rows["yes_count"].to_numpy(), rows["rival_count"].to_numpy()
    step, enough = math.log(accuracy / (1 - accuracy)), min(config.support_min, config.votes_needed)
    total = np.zeros(rows.height)
    for for_lead in range(count + 1):
        against = count - for_lead
        ways = math.comb(count, for_lead)
        if_lead = ways * accuracy**for_lead * (1 - accuracy) ** against
        if_rival = ways * accuracy**against * (1 - accuracy) ** for_lead
        after = 1 / (1 + np.exp(-(np.log(sure / (1 - sure)) + step * (for_lead - against))))
        settles = (after >= config.min_confidence) & (lead + for_lead >= enough)
        settles |= (1 - after >= config.min_confidence) & (rival + against >= enough)
        total += settles * (sure * if_lead + (1 - sure) * if_rival)
    return total
