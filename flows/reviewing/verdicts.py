"""Pulled answers settled into verdicts; what they say of the reviewers; the next round for what is undecided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.annotations.agreement import next_round as again
from relaionet.annotations.agreement import settle as agreement
from relaionet.annotations.agreement.krippendorff import score_agreement
from relaionet.annotations.agreement.status import reviewer_accuracy
from relaionet.annotations.tasks.tasks import answered_tasks, make_tasks
from relaionet.flows.curation.known_pictures import read_controls
from relaionet.flows.curation.recipe import read_run_recipe
from relaionet.flows.curation.screens import remark_controls
from relaionet.flows.runs.run import Run, input_digest
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.tables import DECISIONS, TASKS, VERDICTS
from relaionet.manifests.words import name_counted, say_count

if TYPE_CHECKING:
    from relaionet.annotations.agreement.settle import AgreementConfig
    from relaionet.flows.reviewing.settings import ReviewSettings


def settle_run(run: Run, rules: AgreementConfig) -> pl.DataFrame:
    """Settle the answers pulled so far into VERDICTS, and say what came of it; no server is asked."""
    decisions, tasks = run.store.read_all(DECISIONS), run.store.read_all(TASKS)
    digest = digest_of(
        input_digest(run, DECISIONS, "all"), [receipt.sha256 for receipt in run.store.receipts(TASKS)],
        rules, agreement.VERSION,
    )  # fmt: skip
    run.make(VERDICTS, digest, lambda: agreement.settle_votes(decisions, tasks, rules))
    run.count(VERDICTS, "review")
    say_agreement(run, decisions, tasks, rules)
    return run.store.read(VERDICTS)


def say_agreement(run: Run, decisions: pl.DataFrame, tasks: pl.DataFrame, rules: AgreementConfig) -> None:
    """Agreement and reviewers, in a few lines."""
    found = score_agreement(decisions, tasks, rules)
    if found["alpha"] is not None:
        interval = f" (95 %: {found['low']:.3f} to {found['high']:.3f})" if found["low"] is not None else ""
        run.reporter.say(f"  agreement   Krippendorff's alpha {found['alpha']:.3f}{interval}")
    for row in reviewer_accuracy(decisions, tasks, rules).iter_rows(named=True):
        answers = name_counted(row["answered"], "answer")
        run.reporter.say(f"  {row['reviewer']:<28} {row['answered']:>6,} {answers}, {describe_reviewer(row)}")


FLAG_WORDS = {
    "chance": "worse than a coin on controls",
    "same": "always the same answer",
    "fast": "too fast to have looked",
}


def describe_reviewer(row: dict[str, Any]) -> str:
    """A reviewer's controls and flags in words."""
    told = "no controls yet"
    if row["controls"]:
        right = f"{row['right']:,} of {say_count(row['controls'], 'control')} right"
        told = f"{right} (95 %: {row['low']:.2f} to {row['high']:.2f})"
    for flag in row["flags"]:
        told += f"; {FLAG_WORDS[flag]}"
    return told if row["counted"] else f"{told}; NOT COUNTED"


def review_facts(run: Run, rules: AgreementConfig) -> dict[str, Any]:
    """Agreement and reviewers, for the report."""
    decisions, tasks = run.store.read_all(DECISIONS), run.store.read_all(TASKS)
    return {
        "agreement": score_agreement(decisions, tasks, rules),
        "reviewers": reviewer_accuracy(decisions, tasks, rules),
    }


def make_next_round(run: Run, settings: ReviewSettings, *, budget: int | None = None) -> int:
    """Tasks of a further round for the pictures that are undecided, within a budget of answers where there is one.

    Args:
        run: a run whose answers were pulled and settled.
        settings: of the review.
        budget: answers to ask for in all, the most informative first (`again.plan_answers`); None asks about every
            undecided picture as often as `overlap_again` says.

    Returns:
        How many pictures are asked about.

    Raises:
        BadInput: no picture is undecided, all undecided ones still wait for answers, or the budget is below 1.
    """
    verdicts = run.store.read_all(VERDICTS)
    undecided = verdicts.filter(pl.col("status") == "again")
    tasks, decisions = run.store.read_all(TASKS), run.store.read_all(DECISIONS)
    if undecided.is_empty():
        raise BadInput(f"{run.root}: no picture is undecided; pull the answers first, or release.")
    finished = answered_tasks(tasks, decisions, settings.overlap, settings.overlap_again)
    rows = undecided.select("candidate_id").join(finished, on="candidate_id", maintain_order="left")
    if rows.is_empty():
        told = say_count(undecided.height, "undecided picture still waits", "undecided pictures still wait")
        raise BadInput(f"{run.root}: {told} for answers of the rounds there are; finish those and pull first.")
    rows = rows.rename({"proposed_wnid": "wnid", "runner_up_wnids": "top_wnids", "image_path": "path"})
    rows = rows.drop("answers_wanted_count")
    waiting = undecided.height - rows.height
    if budget is not None:
        rows = _within_budget(rows, verdicts, decisions, tasks, settings.agreement, budget)
    left = undecided.height - waiting - rows.height
    beyond = f" + {left:,} beyond the budget" if budget is not None else ""
    run.reporter.say(
        f"  {'again':<12}{undecided.height:>7,} = {rows.height:,} asked again{beyond} + {waiting:,} still open"
    )
    number = int(tasks["round"].max()) + 1  # type: ignore[arg-type, operator]
    controls = remark_controls(run, read_controls(settings.controls, run.images), read_run_recipe(run.root).screen)
    asked = rows.select("candidate_id", *(["answers_wanted_count"] if budget is not None else []))
    digest = digest_of(
        asked.sort("candidate_id").rows(), controls.rows(), settings.tasks, settings.overlap_again, number
    )

    def make() -> pl.DataFrame:
        return make_tasks(rows, controls, round_number=number, overlap=settings.overlap_again, config=settings.tasks)

    run.make(TASKS, digest, make, shard=f"round{number}")
    return rows.height


def _within_budget(
    rows: pl.DataFrame, verdicts: pl.DataFrame, decisions: pl.DataFrame, tasks: pl.DataFrame, rules: AgreementConfig,
    budget: int,
) -> pl.DataFrame:  # fmt: skip
    """The rows a budget reaches, with how many answers each is to get."""
    open_to = verdicts.join(rows.select("candidate_id"), on="candidate_id", how="semi")
    plan = again.plan_answers(open_to, decisions, tasks, rules, budget=budget)
    if plan.is_empty():
        raise BadInput(f"a budget of {budget} answers is too small to settle even one picture; ask for more.")
    return plan.select("candidate_id", "answers_wanted_count").join(rows, on="candidate_id", maintain_order="left")
