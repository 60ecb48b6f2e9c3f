"""The report of a review: one HTML page on agreement, reviewers, and the pictures they do not agree about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.annotations.agreement.decisions import SIMULATED, latest_decisions
from relaionet.annotations.agreement.next_round import plan_answers
from relaionet.annotations.agreement.settle import settle_votes
from relaionet.annotations.agreement.status import (
    agreement_over_time,
    confused_pairs,
    review_status,
    selection_histogram,
)
from relaionet.flows.curation.recipe import read_run_recipe
from relaionet.flows.pages.charts.agreement import draw_histogram, draw_time
from relaionet.flows.pages.frame import count_card
from relaionet.flows.pages.proposals import write_proposals_report
from relaionet.flows.pages.thumbnails import show_stored
from relaionet.flows.pages.write import is_made_of, write_page
from relaionet.flows.reviewing.verdicts import FLAG_WORDS
from relaionet.flows.runs.finished import OWN_CODE, ROOMS, describe_tree
from relaionet.flows.runs.run import Run
from relaionet.manifests.files import digest_of, file_sha256
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.tables import DECISIONS, TASKS
from relaionet.manifests.words import format_count, say_count

if TYPE_CHECKING:
    from relaionet.annotations.agreement.settle import AgreementConfig
    from relaionet.flows.reviewing.settings import ReviewSettings

PAGE = "review.html"
MOST_PICTURES, THUMBNAIL_PX = 24, 200
ANSWER_WORDS = {
    "yes": "yes", "several": "several objects", "drawing": "drawing or text", "unsafe": "unsafe or private",
    "broken": "broken", "none": "none of the classes", "unsure": "cannot tell",
}  # fmt: skip


def write_review_report(run: Run, settings: ReviewSettings, status: Mapping[str, Any]) -> Path:
    """Write `review.html` into the run's folder: it loads nothing from anywhere.

    Args:
        run: with TASKS, and DECISIONS where some were pulled.
        settings: of its review.
        status: from `review_status`.

    Returns:
        The page.
    """
    path, made_of = run.root / PAGE, _made_of(run, settings)
    if is_made_of(path, made_of):
        return path
    decisions, tasks = run.store.read_all(DECISIONS), run.store.read_all(TASKS)
    rules = settings.agreement
    context = {
        "made_of": made_of,
        "title": settings.name,
        "cards": make_cards(status),
        "status": status,
        "simulated": any(row["reviewer"].startswith(SIMULATED) for row in status["reviewers"]),
        "reviewers": [row | {"flag_words": [FLAG_WORDS[flag] for flag in row["flags"]]} for row in status["reviewers"]],
        "time": draw_time(agreement_over_time(decisions, tasks, rules)),
        "bars": draw_histogram(selection_histogram(decisions, tasks, rules)),
        "pairs": [
            row | {"asked": say_vote(row["asked_wnid"]), "said": say_vote(row["vote"])}
            for row in confused_pairs(decisions, tasks).to_dicts()
        ],
        "undecided": list_undecided(run, decisions, tasks, rules),
    }
    return write_page(path, "review.html", **context)


def _made_of(run: Run, settings: ReviewSettings) -> str:
    """Digest of all that the page shows: answers, tasks, rules, and the code that draws it."""
    tables = [
        [file_sha256(run.store.path(table, shard)) for shard in run.store.shards(table)] for table in (DECISIONS, TASKS)
    ]
    return digest_of("review page", tables, settings, [describe_tree(OWN_CODE / room) for room in ROOMS])


def write_reviewed_pages(run: Run, settings: ReviewSettings) -> None:
    """Write the pages that tell of answers anew, once some were settled: that of the review, that of the proposals.

    Args:
        run: a run whose answers were settled.
        settings: of its review.
    """
    recipe = read_run_recipe(run.root)
    decisions, tasks = run.store.read_all(DECISIONS), run.store.read_all(TASKS)
    write_review_report(run, settings, review_status(decisions, tasks, settings.agreement))
    write_proposals_report(run, recipe.name, recipe.overlap, recipe.route)


def say_vote(vote: str) -> str:
    """A class or a refusal in words."""
    label = labels_by_wnid().get(vote)
    return label.name if label is not None else ANSWER_WORDS.get(vote, vote)


def make_cards(status: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(value, what it is, detail) of the numbers at the top."""
    left, found, rounds = status["left"], status["agreement"], say_count(status["rounds"], "round")
    cards = [
        count_card(status["candidates"], "picture asked about", "pictures asked about", rounds),
        (format_count(status["accept"]), "accepted", ""),
        (format_count(status["reject"]), "rejected", ""),
        (format_count(status["again"]), "undecided", f"{status['unanswered']:,} without an answer"),
        count_card(status["answers"], "answer", detail=say_count(len(status["reviewers"]), "reviewer")),
    ]
    if found["alpha"] is not None:
        interval = f"{found['low']:.2f} to {found['high']:.2f}" if found["low"] is not None else ""
        cards.append((f"{found['alpha']:.2f}", "Krippendorff's α", interval))
    hours = f"about {left['hours']:.1f} h at the present speed" if left["hours"] else ""
    return [*cards, count_card(left["answers"], "answer left", "answers left", hours)]


def list_undecided(
    run: Run, decisions: pl.DataFrame, tasks: pl.DataFrame, rules: AgreementConfig
) -> list[dict[str, Any]]:
    """The undecided pictures that were answered, those first that a further answer is most likely to settle."""
    verdicts = settle_votes(decisions, tasks, rules)
    answered = verdicts.filter(pl.col("votes_count") > 0)
    plan = plan_answers(answered, decisions, tasks, rules).head(MOST_PICTURES)
    about = (
        tasks.sort("round").unique("candidate_id", keep="last").select("candidate_id", "image_path", "proposed_wnid")
    )
    given = latest_decisions(decisions).select(
        "candidate_id", said=pl.coalesce("other_wnid", "choice")
    ).group_by("candidate_id").agg("said")  # fmt: skip
    rows = plan.join(about, on="candidate_id", maintain_order="left").join(
        given, on="candidate_id", how="left", maintain_order="left"
    )
    return [
        {
            "uri": show_stored(run.images, row["image_path"], THUMBNAIL_PX), "name": say_vote(row["proposed_wnid"]),
            "said": count_answers(row["said"] or []), "settle_prob": row["settle_prob"],
            "wanted": row["answers_wanted_count"], "id": row["candidate_id"][:12],
        }
        for row in rows.to_dicts()
    ]  # fmt: skip


def count_answers(said: Sequence[str]) -> str:
    """Answers in words, each with how often it was given."""
    counts = {one: said.count(one) for one in dict.fromkeys(sorted(said, key=lambda one: (-said.count(one), one)))}
    return ", ".join(f"{count} × {say_vote(one)}" if count > 1 else say_vote(one) for one, count in counts.items())
