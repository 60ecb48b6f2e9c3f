"""Which classes a picture shows, where answers name several: each class is a question of its own, as in ReaL.

A picture that shows two classes has no single truth that other answers would contradict: who names the second alone is
not wrong about the first. So every class that any answer names is asked about by itself. Who names it, alone or among
others, says yes; who names other classes alone, or refuses the picture, says no; who cannot tell says maybe; who says
that there are several and names none says nothing of any one. The posteriors come from the estimate that settles labels
(`dawid_skene`), over the questions of all pictures together, so that it is known how reliably each reviewer names what
is there and leaves out what is not. Of a control the true class is known, and that the class asked about is not there.

The same in Beyer et al. 2020, section 3: the rater's answer to a pair of image and label.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from relaionet.annotations.agreement.dawid_skene import MAYBE, NO, YES, Answers, PosteriorConfig, estimate_posteriors
from relaionet.annotations.agreement.votes import shown_classes

_PAIR = ["candidate_id", "wnid"]


def score_shown(votes: pl.DataFrame, config: PosteriorConfig | None = None) -> pl.DataFrame:
    """How sure it is of each class that answers name that its picture shows it.

    Args:
        votes: from `votes.read_votes`, of the reviewers who are counted.
        config: how reviewers are weighed.

    Returns:
        candidate_id, wnid, posterior (0 to 1), named_count (answers that name it), of the pictures that an answer names
        several classes of and that are no controls; sorted by both.
    """
    said = votes.with_columns(shown=shown_classes())
    bare = (pl.col("choice") == "several") & pl.col("wnids").is_null()
    pairs = _list_pairs(said)
    told = pairs.select("pair", *_PAIR).join(said.filter(~bare), on="candidate_id").sort("pair", "reviewer")
    names = pl.col("shown").list.contains(pl.col("wnid")).fill_null(value=False)
    unsure = pl.col("shown").is_null() & pl.col("vote").is_null()
    told = told.select(
        "pair", who=pl.col("reviewer").cast(pl.String).rank("dense").cast(pl.Int64) - 1,
        answer=pl.when(unsure).then(MAYBE).when(names).then(YES).otherwise(NO).cast(pl.Int64),
    )  # fmt: skip
    none = np.zeros(0, np.int64)
    found = estimate_posteriors(
        Answers(
            picture=told["pair"].to_numpy(), reviewer=told["who"].to_numpy(), answer=told["answer"].to_numpy(),
            named=np.full(told.height, -1), alternative_picture=none, is_refusal=none.astype(bool),
            fits=pairs["fits"].fill_null(float("nan")).to_numpy(), is_true=none.astype(bool),
            reviewers_count=told["who"].n_unique(),
        ),
        config,
    )  # fmt: skip
    count = told.group_by("pair").agg(named_count=(pl.col("answer") == YES).sum().cast(pl.Int32))
    rows = pairs.with_columns(posterior=pl.Series(found.fits)).join(count, on="pair", maintain_order="left")
    asked = votes.filter(pl.col("wnids").is_not_null() & ~pl.col("is_control")).select("candidate_id").unique()
    return rows.join(asked, on="candidate_id", how="semi").select(*_PAIR, "posterior", "named_count").sort(_PAIR)


def _list_pairs(said: pl.DataFrame) -> pl.DataFrame:
    """pair (a number), candidate_id, wnid, fits (1 or 0 where it is known, else null), by candidate and class.

    A picture's pairs are the class it is asked about and every class an answer names.
    """
    of_picture = said.group_by("candidate_id").agg(pl.col("asked_wnid", "is_control", "control_wnid").first())
    asked = of_picture.select("candidate_id", wnid="asked_wnid")
    named = said.drop_nulls("shown").select("candidate_id", wnid="shown").explode("wnid")
    true = of_picture.filter("is_control").select("candidate_id", wnid="control_wnid")
    pairs = pl.concat([asked, named, true]).unique().join(of_picture, on="candidate_id")
    wnid = pl.col("wnid")
    fits = pl.when(wnid == pl.col("control_wnid")).then(1.0).when(wnid == pl.col("asked_wnid")).then(0.0)
    pairs = pairs.select(*_PAIR, fits=pl.when("is_control").then(fits)).sort(_PAIR)
    return pairs.with_row_index("pair").with_columns(pl.col("pair").cast(pl.Int64))
