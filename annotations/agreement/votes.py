"""Answers as votes: what each one supports, as a table and as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from relaionet.annotations.agreement.dawid_skene import MAYBE, NO, YES, Answers
from relaionet.annotations.agreement.decisions import latest_decisions
from relaionet.manifests.tables import DECISIONS, TASKS, fill_later, shape_table

REFUSALS = ("several", "drawing", "unsafe", "broken", "none")
REFUSED = "refused"
Several = Literal["reject", "accept"]
SEVERAL: tuple[Several, ...] = ("reject", "accept")


def read_votes(decisions: pl.DataFrame, tasks: pl.DataFrame, *, several: Several = "reject") -> pl.DataFrame:
    """What each counted answer supports: the latest of each reviewer to each picture.

    Args:
        decisions: DECISIONS of all rounds.
        tasks: TASKS of all rounds.
        several: what an answer that names several classes supports: no class, or one of them (`stand_for`).

    Returns:
        candidate_id, reviewer (both as pl.Enum, so that a million rows are sorted and joined as numbers), seconds, at,
        choice, vote (a wnid, a refusal, or null for unsure), wnids (every class named, where several are), asked_wnid
        (the proposed class of the newest round), is_control, control_wnid; sorted by candidate_id and reviewer.
    """
    about = shape_table(tasks, TASKS).select("candidate_id", "round", "proposed_wnid", "is_control", "control_wnid")
    ids = pl.Enum(about["candidate_id"].unique().sort())
    names = pl.Enum(decisions["reviewer"].unique().sort())
    about = about.with_columns(pl.col("candidate_id").cast(ids))
    coded = fill_later(decisions, DECISIONS).with_columns(
        pl.col("candidate_id").cast(ids, strict=False), pl.col("reviewer").cast(names),
        wnids=pl.when(choice="several").then("wnids"),
    )  # fmt: skip
    newest = (
        about.sort("round").unique("candidate_id", keep="last").select("candidate_id", asked_wnid="proposed_wnid")
    )  # fmt: skip
    vote = (
        pl.when(pl.col("choice") == "yes").then("proposed_wnid")
        .when(pl.col("choice") == "other").then("other_wnid")
        .when(pl.col("choice").is_in(REFUSALS)).then("choice")
    )  # fmt: skip
    votes = (
        latest_decisions(coded.drop_nulls("candidate_id"))
        .join(about, on=["candidate_id", "round"], how="inner", maintain_order="left")
        .join(newest, on="candidate_id", how="left", maintain_order="left")
        .select(
            "candidate_id", "reviewer", "seconds", "at", "choice", vote.alias("vote"), "wnids", "asked_wnid",
            "is_control", "control_wnid",
        )
    )  # fmt: skip
    return votes if votes["wnids"].null_count() == votes.height else stand_for(votes, several)


def stand_for(votes: pl.DataFrame, several: Several) -> pl.DataFrame:
    """The one vote of each answer that names several classes.

    On a control such an answer is for the true class where it names it: it was seen. Elsewhere it is a refusal, or,
    where pictures of several classes are accepted, for the class asked about where that is named, else for the one of
    its classes that most answers to the picture name (the first in class order where several do).

    Args:
        votes: as `read_votes` gives them, a refusal for each such answer.
        several: `reject` or `accept`.
    """
    named, asked, true = pl.col("wnids"), pl.col("asked_wnid"), pl.col("control_wnid")
    seen = pl.col("is_control") & named.list.contains(true)
    if several == "reject":
        return votes.with_columns(vote=pl.when(seen).then(true).otherwise("vote"))
    votes = votes.join(_most_named(votes), on=["candidate_id", "reviewer"], how="left", maintain_order="left")
    vote = (
        pl.when(seen).then(true)
        .when(named.list.contains(asked)).then(asked)
        .when(named.is_not_null()).then("most")
        .otherwise("vote")
    )  # fmt: skip
    return votes.with_columns(vote=vote).drop("most")


def _most_named(votes: pl.DataFrame) -> pl.DataFrame:
    """candidate_id, reviewer, most: of the classes an answer names, the one most answers to the picture name."""
    said = votes.with_columns(shown=shown_classes()).drop_nulls("shown").explode("shown")
    counts = said.group_by("candidate_id", "shown").agg(count=pl.len())
    mine = said.drop_nulls("wnids").join(counts, on=["candidate_id", "shown"])
    mine = mine.sort("candidate_id", "reviewer", "count", "shown", descending=[False, False, True, False])
    first = mine.unique(["candidate_id", "reviewer"], keep="first", maintain_order=True)
    return first.select("candidate_id", "reviewer", most="shown")


def shown_classes() -> pl.Expr:
    """Every class an answer says the picture shows; null where it says of none that it does."""
    single = pl.col("vote").is_not_null() & ~pl.col("vote").is_in(REFUSALS)
    return pl.when(pl.col("wnids").is_not_null()).then("wnids").when(single).then(pl.concat_list("vote"))


@dataclass(frozen=True, kw_only=True)
class VoteCodes:
    """Votes as numbers, and what the numbers stand for.

    Attributes:
        answers: the numbers.
        pictures: candidate_id, asked_wnid, is_control, by number of the picture.
        alternatives: picture (its number), key (a wnid, or `refused`), by number of the alternative.
        reviewers: names, by number of the reviewer.
    """

    answers: Answers
    pictures: pl.DataFrame
    alternatives: pl.DataFrame
    reviewers: list[str]


def encode_votes(votes: pl.DataFrame) -> VoteCodes:
    """Votes for `estimate_posteriors`: yes, no or maybe to the class asked about, and what a no names instead.

    Args:
        votes: from `read_votes`.

    Returns:
        The numbers; refusals of different kinds are one alternative.
    """
    votes = votes.sort("candidate_id", "reviewer").with_columns(
        picture=pl.col("candidate_id").rle_id().cast(pl.Int64), key=vote_key()
    )
    reviewers = votes["reviewer"].unique().sort()
    fits = pl.col("control_wnid") == pl.col("asked_wnid")
    pictures = votes.group_by("picture").agg(pl.col("candidate_id", "asked_wnid", "is_control", "control_wnid").first())
    pictures = pictures.sort("picture").with_columns(fits=pl.when("is_control").then(fits.cast(pl.Float64)))
    said = pl.when(pl.col("key").is_null()).then(MAYBE).when(pl.col("key") == pl.col("asked_wnid")).then(YES)
    told = votes.select(
        "picture",
        "key",
        answer=said.otherwise(NO).cast(pl.Int64),
        who=pl.col("reviewer").cast(pl.String).rank("dense").cast(pl.Int64),
    )
    alternatives = told.filter(pl.col("answer") == NO).select("picture", "key").unique().sort("picture", "key")
    numbered = alternatives.with_row_index("named").with_columns(pl.col("named").cast(pl.Int64))
    named = told.select("picture", "key").join(numbered, on=["picture", "key"], how="left", maintain_order="left")
    truth = alternatives.join(pictures.select("picture", "control_wnid"), on="picture", maintain_order="left")
    return VoteCodes(
        answers=Answers(
            picture=told["picture"].to_numpy(),
            reviewer=told["who"].to_numpy() - 1,
            answer=told["answer"].to_numpy(),
            named=named["named"].fill_null(-1).to_numpy(),
            alternative_picture=alternatives["picture"].to_numpy(),
            is_refusal=(alternatives["key"] == REFUSED).to_numpy(),
            fits=pictures["fits"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
            is_true=(truth["key"] == truth["control_wnid"]).fill_null(value=False).to_numpy().astype(np.bool_),
            reviewers_count=reviewers.len(),
        ),
        pictures=pictures.select("candidate_id", "asked_wnid", "is_control"),
        alternatives=alternatives,
        reviewers=reviewers.to_list(),
    )


def vote_key() -> pl.Expr:
    """The vote, with refusals of every kind as one."""
    return pl.when(pl.col("vote").is_in(REFUSALS)).then(pl.lit(REFUSED)).otherwise("vote")
