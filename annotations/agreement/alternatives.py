"""A class that reviewers name in place of the proposed one needs what *yes* to it would have needed.

The class asked about and the classes named instead are judged unlike each other: that a proposal fits depends on how
many proposals do, that reviewers name the same class by chance on how many they choose from. Where few proposals fit,
two who name another class would be sure of it by answers that leave a *yes* open. So such a picture is judged once more
as if it had been asked about with the class it would be settled as, by what is known of the reviewers; the lower of the
two posteriors counts.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from relaionet.annotations.agreement.dawid_skene import PosteriorConfig, Posteriors, judge_as_learned
from relaionet.annotations.agreement.votes import REFUSED, VoteCodes, encode_votes


def hold_to_yes(
    best: pl.DataFrame, votes: pl.DataFrame, codes: VoteCodes, learned: Posteriors, config: PosteriorConfig
) -> pl.DataFrame:
    """The surest answers, none that names another class surer than `yes` to that class would be.

    Args:
        best: candidate_id, key (a wnid or `refused`), posterior and more, a row a picture.
        votes: from `votes.read_votes`, of the reviewers who are counted.
        codes: the same as numbers.
        learned: what was estimated from them.
        config: of that estimate.

    Returns:
        The same rows in the same order.
    """
    asked = codes.pictures.select("candidate_id", "asked_wnid", "is_control")
    named = best.join(asked, on="candidate_id").filter(
        ~pl.col("is_control") & (pl.col("key") != pl.col("asked_wnid")) & (pl.col("key") != REFUSED)
    )
    if named.is_empty():
        return best
    again = votes.drop("asked_wnid").join(named.select("candidate_id", asked_wnid="key"), on="candidate_id")
    turned = encode_votes(again)
    who = [codes.reviewers.index(name) for name in turned.reviewers]
    known = replace(learned, confusion=learned.confusion[who], naming=learned.naming[who])
    found = judge_as_learned(turned.answers, known, config)
    asked_so = turned.pictures.select("candidate_id", as_asked=pl.Series(found.fits))
    rows = best.join(asked_so, on="candidate_id", how="left", maintain_order="left")
    return rows.with_columns(posterior=pl.min_horizontal("posterior", "as_asked")).drop("as_asked")
