"""Which proposals need how many answers: most doubtful first, within a budget, agreeing ones sampled for control.

By default every row gets the recipe's `overlap`. A recipe that asks to save sets `policy = "doubt"`: a row then gets as
many answers as would, if they agree, leave at most `max_error_frac` of doubt. A row without a probability gets all of
them, is never left out as sure, and comes by chance where others come by doubt. Rows that nobody is asked about keep a
status and a reason; without an answer there is no verdict, and without a verdict nothing is released.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import ROUTED, shape_table
from relaionet.manifests.words import say_count
from relaionet.pipeline.proposals.acceptance import bound_wrong, sample_size

VERSION = "2"
POLICY = Literal["all", "doubt"]
LEAST = 1e-6


@dataclass(frozen=True, kw_only=True)
class RouteConfig:
    """How many answers a row is to get.

    Attributes:
        policy: `all` gives every row the recipe's overlap; `doubt` gives fewer where fewer are enough.
        reviewer_accuracy: probability that an answer is right, assumed by `doubt`, 0.5 to 1.
        none_frac: share of rows that reviewers turn down because they show none of the classes, several, or a drawing;
            no probability knows of these. Assumed; an earlier review of the like says it.
        max_error_frac: doubt that agreeing answers may leave, by `doubt`, 0 to 1.
        budget_answers_count: answers to ask for in all, controls not counted; 0 sets no limit. The control sample
            comes first, then the most doubtful rows.
        agree_sample_frac: share looked at of the rows where picture and caption agree, 0 to 1; 1 looks at all.
        agree_bound_frac: look at more of them if that is needed to say, should none be wrong, that at most this
            share of the others is; 0 asks for nothing.
        agree_min_score: rows whose probability is less are always looked at, 0 to 1.
        confidence: of that statement, 0 to 1.
        seed: of the sample.
    """

    policy: POLICY = "all"
    reviewer_accuracy: float = 0.9
    none_frac: float = 0.1
    max_error_frac: float = 0.01
    budget_answers_count: int = 0
    agree_sample_frac: float = 1.0
    agree_bound_frac: float = 0.0
    agree_min_score: float = 0.99
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.5 < self.reviewer_accuracy < 1:
            raise BadInput(f"route: reviewer_accuracy is {self.reviewer_accuracy}; it lies between 0.5 and 1.")
        for name in ("max_error_frac", "confidence"):
            if not 0 < getattr(self, name) < 1:
                raise BadInput(f"route: {name} is {getattr(self, name)}; it lies between 0 and 1.")
        for name in ("none_frac", "agree_sample_frac", "agree_bound_frac", "agree_min_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"route: {name} is {getattr(self, name)}; expected 0 to 1.")
        if self.budget_answers_count < 0:
            raise BadInput(f"route: budget_answers_count is {self.budget_answers_count}; 0 sets no limit.")


def answers_needed(score: float, overlap: int, config: RouteConfig) -> int:
    """Answers after which, if all agree with a label of this probability, no more than the allowed doubt is left.

    Each agreeing answer multiplies the odds by accuracy / (1 − accuracy).

    Source: Wald 1945, sequential probability ratio test, with the encoder's probability as the prior.
    """
    score = min(max(score, LEAST), 1 - LEAST)
    wanted = math.log((1 - config.max_error_frac) / config.max_error_frac) - math.log(score / (1 - score))
    step = math.log(config.reviewer_accuracy / (1 - config.reviewer_accuracy))
    return min(overlap, max(1, math.ceil(wanted / step - 1e-9)))


def information_bits(scores: np.ndarray, accuracy: float) -> np.ndarray:
    """Expected information of one answer about labels of these probabilities [N], in bits."""
    yes = scores * accuracy + (1 - scores) * (1 - accuracy)
    return _entropy(yes) - _entropy(np.full_like(yes, accuracy))


def _entropy(values: np.ndarray) -> np.ndarray:
    values = values.clip(1e-12, 1 - 1e-12)
    return -(values * np.log2(values) + (1 - values) * np.log2(1 - values))


def route_rows(rows: pl.DataFrame, overlap: int, config: RouteConfig) -> pl.DataFrame:
    """Say how many answers each row is to get.

    Args:
        rows: candidate_id, tier, label_score (null where it is not known), group_wnids (empty where the class is in no
            group), member_score.
        overlap: answers a row gets where nothing is saved, at least 1.
        config: the policy, the budget of answers, and the sample of rows that are sure.

    Returns:
        ROUTED, the same rows in the same order; what becomes of a row does not depend on that order.

    Raises:
        BadInput: overlap is less than 1.
    """
    if overlap < 1:
        raise BadInput(f"route: overlap is {overlap}; at least one answer is asked for.")
    if rows.is_empty():
        return ROUTED.empty()
    shown = 1 - config.none_frac
    scores = shown * rows["label_score"].cast(pl.Float64).to_numpy()
    members = rows["group_wnids"].list.len().fill_null(0).to_numpy()
    # in a group the label is right only where its member is
    own = shown * rows["member_score"].cast(pl.Float64).fill_null(rows["label_score"]).to_numpy()
    bits = information_bits(np.minimum(scores, own), config.reviewer_accuracy)
    table = rows.select("candidate_id", "tier", "label_score").with_columns(
        information_bits=pl.Series(bits, dtype=pl.Float64).fill_nan(None),
        key=pl.col("candidate_id").map_elements(lambda one: _hash(one, config.seed), return_dtype=pl.String),
        is_agreed=(pl.col("tier") == "agree") & pl.Series(members == 0)
        & (pl.col("label_score") >= config.agree_min_score).fill_null(value=False),
    )  # fmt: skip
    sampled = _sample(table, config)
    saves = len(sampled) < int(table["is_agreed"].sum())
    answers = [
        overlap if config.policy == "all" or members[row] or np.isnan(score)
        else answers_needed(float(score), overlap, config)
        for row, score in enumerate(scores)
    ]  # fmt: skip
    in_sample = pl.col("candidate_id").is_in(sampled)
    table = table.with_columns(
        # it speaks for rows nobody looks at only where there are any
        is_sample=in_sample & saves, left_out=pl.col("is_agreed") & ~in_sample,
        answers=pl.Series(answers, dtype=pl.Int32),
    )  # fmt: skip
    # what speaks for others is looked at with all answers
    table = table.with_columns(answers=pl.when("is_sample").then(overlap).otherwise("answers"))
    return shape_table(_spend(table, config), ROUTED)


def _hash(candidate_id: str, seed: int) -> str:
    return hashlib.sha256(f"route|{seed}|{candidate_id}".encode()).hexdigest()


def _sample(table: pl.DataFrame, config: RouteConfig) -> list[str]:
    """Agreeing rows that are looked at."""
    agreed = table.filter("is_agreed").sort("key")
    wanted = math.ceil(config.agree_sample_frac * agreed.height - 1e-9)
    if config.agree_bound_frac and agreed.height:
        wanted = max(wanted, sample_size(agreed.height, config.agree_bound_frac, config.confidence))
    return agreed["candidate_id"].head(wanted).to_list()


def _spend(table: pl.DataFrame, config: RouteConfig) -> pl.DataFrame:
    """Order the rows, spend the budget, and say what became of each."""
    # in the sample chance alone decides, or it would speak for nothing
    bits = pl.col("information_bits").fill_null(1.0)  # of what nobody knows an answer tells all
    doubt = pl.when("is_sample").then(2.0).otherwise(bits)
    first = table.with_row_index("row").sort(doubt, "key", descending=[True, False])
    spent = pl.when("left_out").then(0).otherwise("answers").cum_sum()
    limit = config.budget_answers_count or int(table["answers"].sum())
    placed = first.with_columns(over=~pl.col("left_out") & (spent > limit)).sort(bits, "key", descending=[True, False])
    status = (
        pl.when("left_out").then(pl.lit("not_sampled")).when("over").then(pl.lit("over_budget")).otherwise(pl.lit("ok"))
    )
    reason = (
        pl.when("left_out").then(pl.lit("picture and caption agree; not in the control sample"))
        .when(pl.col("over") & pl.col("information_bits").is_null())
        .then(pl.lit("the budget of answers went to other rows, drawn at random"))
        .when("over").then(pl.lit("the budget of answers went to more doubtful rows"))
    )  # fmt: skip
    return (
        placed.with_columns(place=pl.int_range(pl.len()), status=status, reason=reason)
        .with_columns(
            answers_wanted_count=pl.when(pl.col("status") == "ok").then("answers").otherwise(0),
            is_sample=pl.col("is_sample") & (pl.col("status") == "ok"),
        )
        .sort("row")
    )


def describe_routing(routed: pl.DataFrame, overlap: int, config: RouteConfig) -> list[str]:
    """What was saved and what that risks, a line each; empty where nothing was."""
    asked = int(routed["answers_wanted_count"].sum())
    lines = []
    if asked < overlap * routed.height:
        lines.append(
            f"{say_count(asked, 'answer')} asked for, "
            f"{overlap * routed.height - asked:,} fewer than {overlap} for each of "
            f"{say_count(routed.height, 'row')}"
        )
    sampled, unsampled = routed.filter("is_sample").height, routed.filter(status="not_sampled").height
    if unsampled:
        lines.append(describe_sample(sampled, unsampled, 0, config))
    over = routed.filter(status="over_budget").height
    if over:
        lines.append(
            f"{say_count(over, 'row is', 'rows are')} over the budget: nobody looks "
            f"there, and nothing of it is released"
        )
    return lines


def describe_sample(sampled: int, others: int, wrong: int, config: RouteConfig) -> str:
    """One sentence: the control sample and what it says of the agreeing rows nobody looked at.

    Args:
        sampled: rows of the sample.
        others: rows it speaks for.
        wrong: of the sample, found wrong.
        config: whose confidence.
    """
    most = bound_wrong(sampled + others, sampled, wrong, config.confidence)
    given = "if none of them is wrong" if not wrong else f"with {wrong:,} of them wrong"
    return (
        f"control sample: {sampled:,} of "
        f"{say_count(sampled + others, 'agreeing row')}; {given}, at most {most:,} of the other "
        f"{others:,} ({most / max(others, 1):.1%}) are, at {config.confidence:.0%} confidence"
    )
