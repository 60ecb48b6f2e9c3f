"""Where a review stands: counts that add up, agreement, reviewers, and how the answers are spread."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from relaionet.annotations.agreement.decisions import latest_decisions
from relaionet.annotations.agreement.krippendorff import score_agreement
from relaionet.annotations.agreement.reviewer_quality import rate_reviewers
from relaionet.annotations.agreement.settle import AgreementConfig, counted_votes, settle_votes
from relaionet.annotations.agreement.votes import read_votes
from relaionet.manifests.tables import VERDICTS

BINS = 10
# longer without an answer is a break, and no work
_BREAK = timedelta(minutes=10)


def review_status(
    decisions: pl.DataFrame, tasks: pl.DataFrame, config: AgreementConfig | None = None
) -> dict[str, Any]:
    """Where a review stands.

    Args:
        decisions: DECISIONS.
        tasks: TASKS.
        config: the rules' numbers.

    Returns:
        rounds, candidates (= accept + reject + again), accept, reject, again, unanswered (of again: without any
        answer), controls, answers (counted or not), agreement (see `alpha.score_agreement`), reviewers (rows of
        `rate_reviewers` as dicts), by_round (see `count_rounds`), left (see `count_left`).
    """
    config = config or AgreementConfig()
    verdicts = settle_votes(decisions, tasks, config)
    marked = mark_left(decisions, tasks, verdicts, config)
    counts = {str(status): int(count) for status, count in verdicts["status"].value_counts().iter_rows()}
    return {
        "rounds": tasks["round"].n_unique(),
        "candidates": verdicts.height,
        **{status: counts.get(status, 0) for status in VERDICTS.statuses},
        "unanswered": verdicts.filter((pl.col("votes_count") == 0) & (pl.col("status") == "again")).height,
        "controls": tasks.filter("is_control")["candidate_id"].n_unique(),
        "answers": latest_decisions(decisions).height,
        "agreement": score_agreement(decisions, tasks, config),
        "reviewers": reviewer_accuracy(decisions, tasks, config).to_dicts(),
        "by_round": count_rounds(marked),
        "left": count_left(decisions, marked),
    }


def reviewer_accuracy(
    decisions: pl.DataFrame, tasks: pl.DataFrame, config: AgreementConfig | None = None
) -> pl.DataFrame:
    """`rate_reviewers` of a review's answers."""
    config = config or AgreementConfig()
    return rate_reviewers(read_votes(decisions, tasks, several=config.several), config.flags)


def mark_left(
    decisions: pl.DataFrame, tasks: pl.DataFrame, verdicts: pl.DataFrame, config: AgreementConfig
) -> pl.DataFrame:
    """The tasks of all rounds, with what is still to be answered.

    A picture that is settled needs no further answer, whatever its task asked for; a control needs one only while a
    picture of its round does.

    Args:
        decisions: DECISIONS.
        tasks: TASKS.
        verdicts: VERDICTS settled from them.
        config: tells how many answers a task wants that does not say so itself.

    Returns:
        candidate_id, round, wanted (answers), given (answers), is_left (bool), a row a task.
    """
    given = decisions.group_by("candidate_id", "round").agg(given=pl.col("reviewer").n_unique().cast(pl.Int64))
    undecided = verdicts.filter(pl.col("status") == "again")["candidate_id"].cast(pl.String)
    wanted = pl.col("answers_wanted_count").fill_null(config.votes_needed).cast(pl.Int64)
    marked = tasks.select("candidate_id", "round", "is_control", wanted=wanted).join(
        given, on=["candidate_id", "round"], how="left", maintain_order="left"
    )
    marked = marked.with_columns(pl.col("given").fill_null(0))
    is_short = pl.col("given") < pl.col("wanted")
    marked = marked.with_columns(
        is_open=is_short & ~pl.col("is_control") & pl.col("candidate_id").is_in(undecided.implode())
    )
    is_left = pl.col("is_open") | (is_short & pl.col("is_control") & pl.col("is_open").any().over("round"))
    return marked.select("candidate_id", "round", "wanted", "given", is_left=is_left)


def count_rounds(marked: pl.DataFrame) -> list[dict[str, int]]:
    """round, tasks (= finished + left), finished, left, answers (given) of each round, from `mark_left`."""
    counted = marked.group_by("round").agg(tasks=pl.len(), left=pl.col("is_left").sum(), answers=pl.col("given").sum())
    return counted.with_columns(finished=pl.col("tasks").cast(pl.Int64) - pl.col("left")).sort("round").to_dicts()


def count_left(decisions: pl.DataFrame, marked: pl.DataFrame) -> dict[str, Any]:
    """What is left of the rounds that were pushed.

    Args:
        decisions: DECISIONS.
        marked: from `mark_left`.

    Returns:
        answers (still wanted), per_hour (answers per hour of one reviewer at work: breaks of more than ten minutes are
        not counted; null with fewer than two answers), hours (of one reviewer, for what is left; null likewise).
    """
    left = int(marked.filter("is_left").select((pl.col("wanted") - pl.col("given")).sum()).item())
    gap = pl.col("at").diff().over("reviewer", order_by="at")
    gaps = decisions.sort("at").select(gap=gap).drop_nulls().filter(pl.col("gap") <= _BREAK)["gap"]
    seconds = gaps.dt.total_milliseconds().sum() / 1000 if gaps.len() else 0
    per_hour = gaps.len() / seconds * 3600 if seconds else None
    return {"answers": left, "per_hour": per_hour, "hours": left / per_hour if per_hour else None}


def selection_histogram(
    decisions: pl.DataFrame, tasks: pl.DataFrame, config: AgreementConfig | None = None
) -> pl.DataFrame:
    """Selection frequency, as ImageNetV2 has it: which share of a picture's answers say yes to the proposed class.

    Returns:
        low, high (ends of the bin, 0 to 1; the last includes 1), count (pictures with an answer, controls left out).
    """
    votes = counted_votes(decisions, tasks, config or AgreementConfig()).filter(~pl.col("is_control"))
    asked = pl.col("asked_wnid")
    yes = (pl.col("vote") == asked).fill_null(value=False) | pl.col("wnids").list.contains(asked).fill_null(value=False)
    share = votes.group_by("candidate_id").agg(share=yes.mean())["share"]
    place = (share * BINS).floor().clip(0, BINS - 1).cast(pl.Int64).alias("place")
    counts = dict(place.value_counts().iter_rows())
    return pl.DataFrame(
        {
            "low": [bin_ / BINS for bin_ in range(BINS)],
            "high": [(bin_ + 1) / BINS for bin_ in range(BINS)],
            "count": [counts.get(bin_, 0) for bin_ in range(BINS)],
        }
    )


def confused_pairs(decisions: pl.DataFrame, tasks: pl.DataFrame, most: int = 20) -> pl.DataFrame:
    """Which class is named instead of which proposed one, controls left out.

    Returns:
        asked_wnid, vote (a wnid or a refusal), answers (that say so), pictures; the commonest first.
    """
    votes = read_votes(decisions, tasks).filter(~pl.col("is_control")).drop_nulls("vote")
    other = votes.filter(pl.col("vote") != pl.col("asked_wnid"))
    pairs = other.group_by("asked_wnid", "vote").agg(answers=pl.len(), pictures=pl.col("candidate_id").n_unique())
    return pairs.sort(["answers", "asked_wnid", "vote"], descending=[True, False, False]).head(most)


def agreement_over_time(
    decisions: pl.DataFrame, tasks: pl.DataFrame, config: AgreementConfig | None = None, points: int = 12
) -> pl.DataFrame:
    """Krippendorff's alpha after each twelfth of the answers, in the order they were given.

    Returns:
        answers (so far), at (of the last of them), alpha, low, high (null where it cannot be told yet).
    """
    config = config or AgreementConfig()
    ordered = decisions.sort("at", "annotation_id")
    rows = []
    for count in sorted({round(ordered.height * part / points) for part in range(1, points + 1)} - {0}):
        so_far = ordered.head(count)
        found = score_agreement(so_far, tasks, config)
        rows.append({"answers": count, "at": so_far["at"][-1], **{key: found[key] for key in ("alpha", "low", "high")}})
    schema = {name: pl.Float64() for name in ("alpha", "low", "high")}
    return pl.DataFrame(rows, schema={"answers": pl.Int64(), "at": pl.Datetime("us", "UTC"), **schema})
