"""Votes of several reviewers -> one verdict per picture.

Rules, in order:

1. One answer per reviewer and picture counts, the latest. Answers of a reviewer who is flagged (`reviewer_quality`) are
   kept but not counted.
2. An answer supports its class (`yes` the proposed one, `other` the one named) or one of the refusals (several,
   drawing, unsafe, broken, none); `unsure` supports nothing but counts as an answer. Refusals of different kinds stand
   together against a class.
3. Each of these has a posterior, given how reliable each reviewer proved (`dawid_skene.estimate_posteriors`). The one
   with the highest settles the picture if its posterior is at least `min_confidence` and at least `support_min`
   answers support it (or as many as the picture was to get, where that is fewer) and no other class has as many. A
   class that is named in place of the proposed one also needs the posterior it would have, had it been proposed
   (`alternatives`). Where one answer is all that is asked for (`votes_needed = 1`), what every answer to a picture says
   settles it, whatever its posterior: a single person's answers tell nothing of how reliable he is.
4. Otherwise more answers are asked for (`next_round`), up to `votes_max`; then it is rejected as undecided. Equal
   posteriors are at most one half, so a tie never settles anything and is never broken by chance.
5. Where the rules accept pictures of several classes (`several = "accept"`), an answer that names several is no
   refusal: it supports the class asked about where it names that, else one of those it names (`votes.stand_for`). Of a
   picture that any answer names several classes of, each class is then a question of its own (`class_sets`): those
   whose posterior is at least `min_confidence` and which at least as many answers name as a label needs are shown. A
   picture settled on a label has them beside it; one that is not settled otherwise, and not refused, is accepted with
   them: as the class asked about where that is among them, else as the surest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from relaionet.annotations.agreement.alternatives import hold_to_yes
from relaionet.annotations.agreement.class_sets import score_shown
from relaionet.annotations.agreement.dawid_skene import PosteriorConfig, Posteriors, estimate_posteriors
from relaionet.annotations.agreement.reviewer_quality import FlagConfig, rate_reviewers
from relaionet.annotations.agreement.votes import (
    REFUSALS,
    REFUSED,
    SEVERAL,
    Several,
    VoteCodes,
    encode_votes,
    read_votes,
    shown_classes,
    vote_key,
)
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import LATER
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.tables import TASKS, VERDICTS, shape_table

VERSION = "2"
_WORDS = {
    "several": "shows several classes", "drawing": "a drawing or text only", "unsafe": "unsafe or private",
    "broken": "a broken picture", "none": "shows none of the classes",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AgreementConfig:
    """How votes are settled.

    Attributes:
        votes_needed: answers a picture normally gets, where its task does not say; with 1, one answer settles it.
        votes_max: answers after which an undecided picture is rejected.
        support_min: answers that must support what a picture is settled as.
        min_confidence: posterior a settled answer needs, above 0.5, up to 1.
        posterior: how reviewers are weighed.
        flags: which reviewers are not counted.
        bootstrap_count: resamples for the interval of Krippendorff's alpha.
        seed: of the resampling.
        several: what becomes of a picture that reviewers say shows several classes: `reject` takes such answers for
            refusals, whatever they name; `accept` takes the picture with every class that is settled.
    """

    votes_needed: int = 3
    votes_max: int = 6
    support_min: int = 2
    min_confidence: float = 0.85
    posterior: PosteriorConfig = field(default_factory=PosteriorConfig)
    flags: FlagConfig = field(default_factory=FlagConfig)
    bootstrap_count: int = 200
    seed: int = 0
    several: Several = field(default="reject", metadata=LATER)

    def __post_init__(self) -> None:
        """Refuse what is no way to take such pictures.

        Raises:
            BadInput: `several` is neither.
        """
        if self.several not in SEVERAL:
            raise BadInput(f"agreement.several = '{self.several}': expected 'reject' or 'accept'.")


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
    votes = read_votes(decisions, tasks, several=config.several)
    seen = votes.group_by("candidate_id").agg(seen_count=pl.len())
    votes = drop_flagged(votes, config)
    best = _find_best(votes, config).filter(~pl.col("is_control")).drop("is_control")
    given = votes.group_by("candidate_id").agg(
        votes_count=pl.len().cast(pl.Int32),
        reviewers="reviewer",
        told=pl.col("vote").fill_null("unsure").unique().sort(),
        kind=pl.col("vote").filter(pl.col("vote").is_in(REFUSALS)).mode().sort().first(),
    )
    asked = _asked_pictures(tasks, config).with_columns(pl.col("candidate_id").cast(votes["candidate_id"].dtype))
    rows = asked.join(best, on="candidate_id", how="left", maintain_order="left")
    for more in (given, seen):
        rows = rows.join(more, on="candidate_id", how="left", maintain_order="left")
    return shape_table(_name_classes(_apply_rules(rows, config), votes, config), VERDICTS)


def counted_votes(decisions: pl.DataFrame, tasks: pl.DataFrame, config: AgreementConfig) -> pl.DataFrame:
    """`read_votes`, without the answers of flagged reviewers."""
    return drop_flagged(read_votes(decisions, tasks, several=config.several), config)


def drop_flagged(votes: pl.DataFrame, config: AgreementConfig) -> pl.DataFrame:
    """Votes without those of reviewers who are not counted."""
    rated = rate_reviewers(votes, config.flags)
    return votes.filter(pl.col("reviewer").is_in(rated.filter("counted")["reviewer"].to_list()))


def _asked_pictures(tasks: pl.DataFrame, config: AgreementConfig) -> pl.DataFrame:
    """candidate_id, proposed_wnid (newest), wanted (answers it was to get first); by candidate_id."""
    asked = shape_table(tasks, TASKS).filter(~pl.col("is_control")).sort("round")
    wanted = pl.col("answers_wanted_count").first().fill_null(config.votes_needed).clip(1)
    return (
        asked.group_by("candidate_id").agg(pl.col("proposed_wnid").last(), wanted=wanted).sort("candidate_id")
    )  # fmt: skip


def posteriors_table(codes: VoteCodes, found: Posteriors) -> pl.DataFrame:
    """candidate_id, key (a wnid or `refused`), posterior: of the class asked about and of every alternative named."""
    pictures = codes.pictures.with_row_index("picture").with_columns(pl.col("picture").cast(pl.Int64))
    asked = pictures.select("picture", key="asked_wnid").with_columns(posterior=pl.Series(found.fits))
    named = codes.alternatives.with_columns(posterior=pl.Series(found.alternative))
    about = pictures.select("picture", "candidate_id")
    both = pl.concat([asked, named]).join(about, on="picture", maintain_order="left")
    return both.select("candidate_id", "key", "posterior")


def _find_best(votes: pl.DataFrame, config: AgreementConfig) -> pl.DataFrame:
    """Per picture that was answered: best (key), confidence, yes_count, rival_count (of another class), is_control."""
    codes = encode_votes(votes)
    learned = estimate_posteriors(codes.answers, config.posterior)
    table = posteriors_table(codes, learned)
    support = votes.group_by("candidate_id", vote_key().alias("key")).agg(yes_count=pl.len().cast(pl.Int32))
    support = support.with_columns(
        is_sole=_is_sole("yes_count", pl.col("yes_count").sum().over("candidate_id"), config)
    )
    table = table.join(support, on=["candidate_id", "key"], how="left").with_columns(
        pl.col("yes_count").fill_null(0), pl.col("is_sole").fill_null(value=False)
    )
    order = ["candidate_id", "is_sole", "posterior", "yes_count", "key"]
    best = (
        table.sort(order, descending=[False, True, True, True, False])
        .unique("candidate_id", keep="first", maintain_order=True)
        .join(_rival_classes(table), on="candidate_id")
    )
    best = hold_to_yes(best, votes, codes, learned, config.posterior)
    about = codes.pictures.select("candidate_id", "is_control")
    rival = pl.when(pl.col("yes_count") == pl.col("most")).then("second").otherwise("most")
    best = best.with_columns(rival_count=pl.when(pl.col("key") == REFUSED).then("most").otherwise(rival))
    return best.rename({"key": "best", "posterior": "confidence"}).join(about, on="candidate_id")


def _is_sole(said: str, votes_count: pl.Expr, config: AgreementConfig) -> pl.Expr:
    """Every answer to a picture says so, where one answer is all that is asked for."""
    return (pl.col(said) == votes_count) & pl.lit(config.votes_needed == 1)


def _enough(config: AgreementConfig) -> pl.Expr:
    """Answers that must support what a picture is settled as."""
    return pl.min_horizontal(pl.lit(min(config.support_min, config.votes_needed)), "wanted")


def _rival_classes(table: pl.DataFrame) -> pl.DataFrame:
    """candidate_id, most and second: answers for the class with the most and for the next one, 0 without one."""
    classes = pl.col("yes_count").filter(pl.col("key") != REFUSED).sort(descending=True)
    found = table.group_by("candidate_id").agg(most=classes.first(), second=classes.slice(1, 1).first())
    return found.with_columns(pl.col("most", "second").fill_null(0))


def _apply_rules(rows: pl.DataFrame, config: AgreementConfig) -> pl.DataFrame:
    """VERDICTS rows of pictures with what was found about each."""
    rows = rows.with_columns(
        pl.col("votes_count", "yes_count", "seen_count").fill_null(0),
        pl.col("confidence").fill_null(0.0),
        reviewers=pl.col("reviewers").list.sort().fill_null([]),
    )
    sure = (pl.col("confidence") >= config.min_confidence) | pl.col("is_sole").fill_null(value=False)
    settled = sure & (pl.col("yes_count") >= _enough(config))
    rows = rows.with_columns(is_refused=settled & (pl.col("best") == REFUSED))
    settled &= (
        (pl.col("best") == REFUSED) | (pl.col("rival_count") == 0) | (pl.col("yes_count") > pl.col("rival_count"))
    )
    accept = settled & (pl.col("best") != REFUSED)
    given_up = pl.col("votes_count") >= config.votes_max
    rejected = pl.when(settled | given_up).then(pl.lit("reject"))
    status = pl.when(accept).then(pl.lit("accept")).otherwise(rejected.otherwise(pl.lit("again")))
    was = pl.when(pl.col("best") != pl.col("proposed_wnid")).then(pl.format("was {}", "proposed_wnid"))
    reason = (
        pl.when(accept).then(was)
        .when(settled).then(pl.col("kind").replace_strict(_WORDS, default=None))
        .when(given_up).then(pl.format("undecided after {} answers", "votes_count"))
    )  # fmt: skip
    share = pl.when(pl.col("votes_count") > 0).then(pl.col("yes_count") / pl.col("votes_count")).otherwise(0.0)
    rows = rows.with_columns(wnid=pl.when(accept).then("best"), status=status, reason=reason, selection_frac=share)
    open_rows = rows.filter(pl.col("status") == "again").select(
        "candidate_id", pl.col("told").fill_null([]), "votes_count", "seen_count", "wanted"
    )
    why = [_why_again(told, count, seen, wanted) for _, told, count, seen, wanted in open_rows.iter_rows()]
    reasons = open_rows.select("candidate_id", why=pl.Series(why, dtype=pl.String))
    rows = rows.join(reasons, on="candidate_id", how="left", maintain_order="left")
    return rows.with_columns(reason=pl.coalesce("reason", "why"))


def _name_classes(rows: pl.DataFrame, votes: pl.DataFrame, config: AgreementConfig) -> pl.DataFrame:
    """The rows with `wnids`; `yes_count` of accepted ones is every answer that names the class, among others too."""
    rows = rows.with_columns(wnids=pl.lit(None, pl.List(pl.String)))
    if votes["wnids"].null_count() == votes.height:
        return rows
    if config.several == "accept":
        rows = _accept_sets(rows, score_shown(votes, config.posterior), config)
    labels = rows.filter(status="accept").select("candidate_id", "wnid")
    said = votes.select("candidate_id", shown=shown_classes()).join(labels, on="candidate_id")
    naming = said.group_by("candidate_id").agg(naming=pl.col("shown").list.contains(pl.col("wnid")).sum())
    rows = rows.join(naming, on="candidate_id", how="left", maintain_order="left")
    rows = rows.with_columns(yes_count=pl.coalesce("naming", "yes_count"))
    share = pl.when(pl.col("votes_count") > 0).then(pl.col("yes_count") / pl.col("votes_count")).otherwise(0.0)
    return rows.with_columns(selection_frac=share)


def _accept_sets(rows: pl.DataFrame, shown: pl.DataFrame, config: AgreementConfig) -> pl.DataFrame:
    """The rows with the classes that are sure to be shown, beside the label or in place of a doubt about it."""
    about = rows.select(
        "candidate_id", "proposed_wnid", "is_refused", "votes_count", label="wnid", enough=_enough(config)
    )
    sole = _is_sole("named_count", pl.col("votes_count"), config)
    sure = (
        shown.join(about, on="candidate_id")
        .filter(((pl.col("posterior") >= config.min_confidence) | sole) & (pl.col("named_count") >= pl.col("enough")))
        .filter(~pl.col("is_refused").fill_null(value=False))
        .with_columns(is_first=pl.col("wnid") == pl.coalesce("label", "proposed_wnid"))
        .sort(
            ["candidate_id", "is_first", "posterior", "named_count", "wnid"],
            descending=[False, True, True, True, False],
        )
    )
    sets = sure.group_by("candidate_id", maintain_order=True).agg(
        first="wnid",
        surest=pl.col("posterior").first(),
        label=pl.col("label").first(),
        was=pl.col("proposed_wnid").first(),
    )
    settled = pl.coalesce("label", pl.col("first").list.first())
    every = pl.concat_list("first", settled).list.unique().list.sort()
    sets = sets.select(
        "candidate_id", settled=settled, every=pl.when(every.list.len() > 1).then(every),
        sureness=pl.when(pl.col("label").is_null()).then("surest"),
        again=pl.when(settled != pl.col("was")).then(pl.format("was {}", "was")),
    )  # fmt: skip
    rows = rows.join(sets, on="candidate_id", how="left", maintain_order="left")
    found = pl.col("settled").is_not_null()
    return rows.with_columns(
        wnid=pl.coalesce("settled", "wnid"), wnids="every", confidence=pl.coalesce("sureness", "confidence"),
        status=pl.when(found).then(pl.lit("accept")).otherwise("status"),
        reason=pl.when(found).then("again").otherwise("reason"),
    )  # fmt: skip


def _why_again(told: Sequence[str], count: int, seen: int, wanted: int) -> str:
    if not told:
        return "answered only by reviewers who are not counted" if seen else "no answers yet"
    if len(told) == 1 and count < wanted:
        return f"{count} of {wanted} answers so far"
    names = [labels_by_wnid()[vote].name if vote in labels_by_wnid() else vote for vote in told]
    if len(told) == 1:
        return f"all say {names[0]}, but not reliably enough" if told[0] != "unsure" else "all are unsure"
    return "answers differ: " + ", ".join(names)
