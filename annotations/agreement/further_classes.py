"""Which further classes a picture shows beside its label, from the answers that name several.

A further class is a question of its own, as in ReaL: does the picture show it? Who names it says yes; who names other
classes alone says no, whether he was asked about one of them (`yes`), named one in its place (`other`) or several. Who
says that there are several and names none, or that he cannot tell, or refuses the picture, says nothing of it. Each
question has a posterior, given how reliably each reviewer names further classes and leaves out others, found by the
same estimate that settles labels, over all these questions together.

Only classes that an answer `several` names are asked about: who would call the picture something else disagrees about
its label, and says nothing of a second class.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from relaionet.annotations.agreement.dawid_skene import NO, YES, Answers, PosteriorConfig, estimate_posteriors
from relaionet.annotations.agreement.votes import shown_classes


def score_further(votes: pl.DataFrame, labels: pl.DataFrame, config: PosteriorConfig | None = None) -> pl.DataFrame:
    """How sure it is that pictures show further classes.

    Args:
        votes: from `votes.read_votes`, of the reviewers who are counted.
        labels: candidate_id, wnid: what the pictures were settled as.
        config: how reviewers are weighed.

    Returns:
        candidate_id, wnid (a class that an answer names beside others, not the label), posterior (0 to 1), named_count
        (answers that name it); sorted by both.
    """
    said = votes.select("candidate_id", "reviewer", "wnids", shown=shown_classes()).drop_nulls("shown")
    named = said.drop_nulls("wnids").select("candidate_id", wnid="wnids").explode("wnid").unique()
    asked = named.join(labels, on="candidate_id", how="semi").join(labels, on=["candidate_id", "wnid"], how="anti")
    asked = asked.sort("candidate_id", "wnid").with_row_index("pair").with_columns(pl.col("pair").cast(pl.Int64))
    told = asked.join(said.drop("wnids"), on="candidate_id").sort("pair", "reviewer")
    told = told.select(
        "pair", who=pl.col("reviewer").rank("dense").cast(pl.Int64) - 1,
        answer=pl.when(pl.col("shown").list.contains(pl.col("wnid"))).then(YES).otherwise(NO).cast(pl.Int64),
    )  # fmt: skip
    none = np.zeros(0, np.int64)
    found = estimate_posteriors(
        Answers(
            picture=told["pair"].to_numpy(), reviewer=told["who"].to_numpy(), answer=told["answer"].to_numpy(),
            named=np.full(told.height, -1), alternative_picture=none, is_refusal=none.astype(bool),
            fits=np.full(asked.height, np.nan), is_true=none.astype(bool),
            reviewers_count=told["who"].n_unique(),
        ),
        config,
    )  # fmt: skip
    count = told.group_by("pair").agg(named_count=(pl.col("answer") == YES).sum().cast(pl.Int32))
    rows = asked.with_columns(posterior=pl.Series(found.fits)).join(count, on="pair", maintain_order="left")
    return rows.select("candidate_id", "wnid", "posterior", "named_count")
