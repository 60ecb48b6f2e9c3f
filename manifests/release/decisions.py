"""The answers a release rests on, shipped with it, so that anyone can settle them again and check every label.

Pseudonyms only: no name, address or token is ever in it. Answers about pictures that were not released are there too,
as ids, because how reliable a reviewer is was estimated from all of them.
"""

from __future__ import annotations

import polars as pl

from relaionet.manifests.errors import Corrupt
from relaionet.manifests.files import HEX_64
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.release.manifest_check import MAX_WNIDS, PSEUDONYM
from relaionet.manifests.release.rules import check_rows
from relaionet.manifests.tables import TASKS
from relaionet.manifests.tables.schema import Table, columns, fill_later, shape_table
from relaionet.manifests.words import say_count

DECISIONS_FILE = "decisions.parquet"
CHOICES = r"^[a-z_]{1,20}$"

RELEASED_DECISIONS = Table(
    name="decisions",
    columns=columns(
        """
    candidate_id        str   what was asked about; key together with annotation_id and at
    round               i32   review round, from 1
    reviewer            str   pseudonym
    choice              str   yes, other, several, drawing, unsafe, broken, none or unsure
    other_wnid          str   the class chosen instead, where choice is `other`
    seconds             f64   time spent
    at                  time  when the answer was given or last changed, UTC
    annotation_id       i64   number of the answer in its review; an answer changed later is a further row
    proposed_wnid       str   class the reviewer was asked about
    is_control          bool  a hidden control with a known answer
    control_wnid        str   its true class; null where it is no control
    answers_wanted_count i32  answers that round was to bring; null: as many as the stated rules say
    wnids               strs  the classes it shows, where choice is `several` and they were named; null else
    """
    ),
    key=("annotation_id", "at"),
    later=("answers_wanted_count", "wnids"),
)


def join_questions(decisions: pl.DataFrame, tasks: pl.DataFrame) -> pl.DataFrame:
    """RELEASED_DECISIONS: each answer together with what was asked, by candidate, answer and time.

    Args:
        decisions: DECISIONS of all rounds.
        tasks: TASKS of all rounds.
    """
    about = ("proposed_wnid", "is_control", "control_wnid", "answers_wanted_count")
    asked = fill_later(tasks, TASKS).select("candidate_id", "round", *about)
    joined = decisions.join(asked, on=["candidate_id", "round"], how="inner")
    return shape_table(joined.sort("candidate_id", "annotation_id", "at"), RELEASED_DECISIONS)


def check_decisions(rows: pl.DataFrame) -> pl.DataFrame:
    """Return decisions, shaped, if every value is what it claims to be.

    Raises:
        BadInput: a column is missing, or a row breaks a rule.
    """
    wnids = list(labels_by_wnid())
    rules = {
        "candidate_id is no 64 hex digits": pl.col("candidate_id").str.contains(f"^{HEX_64}$"),
        "reviewer is no pseudonym": pl.col("reviewer").str.contains(PSEUDONYM),
        "choice is none": pl.col("choice").str.contains(CHOICES),
        "other_wnid is no ImageNet-1k wnid": pl.col("other_wnid").is_null() | pl.col("other_wnid").is_in(wnids),
        "proposed_wnid is no ImageNet-1k wnid": pl.col("proposed_wnid").is_in(wnids),
        "control_wnid is no ImageNet-1k wnid": pl.col("control_wnid").is_null() | pl.col("control_wnid").is_in(wnids),
        f"wnids are not 1 to {MAX_WNIDS} ImageNet-1k wnids, each once": pl.col("wnids").is_null()
        | (
            pl.col("wnids").list.eval(pl.element().is_in(wnids).fill_null(value=False)).list.all()
            & (pl.col("wnids").list.n_unique() == pl.col("wnids").list.len())
            & pl.col("wnids").list.len().is_between(1, MAX_WNIDS)
        ),
        "is_control, at, round or annotation_id is missing": pl.all_horizontal(
            pl.col("is_control", "at", "round", "annotation_id").is_not_null()
        ),
    }
    return check_rows(rows, RELEASED_DECISIONS, rules)


def count_votes(decisions: pl.DataFrame) -> pl.DataFrame:
    """The last answer of each reviewer to each picture, and the class or classes it names.

    Returns:
        candidate_id, reviewer, choice, wnid (null where the answer does not name one class alone), wnids (where it
        names several; else null), sorted.
    """
    wnid = pl.when(pl.col("choice") == "yes").then("proposed_wnid").when(pl.col("choice") == "other").then("other_wnid")
    return (
        decisions.sort("at", "annotation_id")
        .unique(["candidate_id", "reviewer"], keep="last", maintain_order=True)
        .select("candidate_id", "reviewer", "choice", wnid.alias("wnid"), pl.when(choice="several").then("wnids"))
        .sort("candidate_id", "reviewer")
    )


def check_votes(manifest: pl.DataFrame, decisions: pl.DataFrame) -> None:
    """Check that every row's votes are those the decisions hold.

    An answer is for a row's class where it names that class, alone or among others. A reviewer who is counted for no
    row at all is one whose answers are not counted, and must be so everywhere.

    Args:
        manifest: MANIFEST.
        decisions: RELEASED_DECISIONS.

    Raises:
        Corrupt: votes_count, yes_count or reviewers of a row is not what the decisions say; the message says which.
    """
    voted = manifest.select("candidate_id", "wnid", "votes_count", "yes_count", "reviewers")
    counted = manifest["reviewers"].explode().drop_nulls().unique()
    votes = count_votes(decisions.filter(pl.col("reviewer").is_in(counted.implode())))
    votes = votes.rename({"wnid": "voted", "wnids": "voted_all"})
    names = (pl.col("voted") == pl.col("wnid")).fill_null(value=False)
    names |= pl.col("voted_all").list.contains(pl.col("wnid")).fill_null(value=False)
    found = (
        voted.select("candidate_id", "wnid").join(votes, on="candidate_id", how="inner").group_by("candidate_id").agg(
            pl.len().cast(pl.Int32).alias("votes_found"),
            names.sum().cast(pl.Int32).alias("yes_found"),
            pl.col("reviewer").sort().alias("reviewers_found"),
        )
    )  # fmt: skip
    joined = voted.join(found, on="candidate_id", how="left", maintain_order="left")
    for column, there in (("votes_count", "votes_found"), ("yes_count", "yes_found")):
        wrong = joined.filter(pl.col(column) != pl.col(there).fill_null(0))
        if not wrong.is_empty():
            row = wrong.row(0, named=True)
            raise Corrupt(
                f"manifest: {column} of {row['candidate_id'][:12]}… is {row[column]}, but {DECISIONS_FILE} holds "
                f"{row[there] or 0} ({say_count(wrong.height, 'such row')})."
            )
    for row in joined.select("candidate_id", "reviewers", "reviewers_found").iter_rows(named=True):
        if sorted(row["reviewers"] or []) != (row["reviewers_found"] or []):
            raise Corrupt(f"manifest: reviewers of {row['candidate_id'][:12]}… are not those of {DECISIONS_FILE}.")
