"""What routing saves on the miniature: answers asked for, and how right what is released is.

    python -m tests.measure.routing --run runs/demo [--seeds 3]

A finished run of the miniature is routed anew by several policies; simulated reviewers (right in 97, 95, 93, 96 and 90
of 100 answers) answer, undecided pictures are asked about again with one more answer, up to three rounds, and the votes
are settled as in a review. No Label Studio is started: what is measured is the rule, not the server. The truth of the
synthetic world says what a reviewer sees and what is right. Numbers are about the miniature and about reviewers whose
mistakes are independent.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.annotations.agreement.decisions import read_decisions
from relaionet.annotations.agreement.settle import AgreementConfig, settle_votes
from relaionet.annotations.simulated_reviewers import simulate_answer
from relaionet.annotations.tasks.tasks import TasksConfig, answered_tasks, make_tasks, task_data
from relaionet.flows.demo import ANSWERS, REVIEWERS
from relaionet.flows.runs.run import Run
from relaionet.manifests.store import Store
from relaionet.manifests.tables import PROPOSALS, SCREENED, alive
from relaionet.pipeline.proposals.review_budget import RouteConfig, route_rows

OVERLAP = 3
ROUNDS = 3
POLICIES = {
    "all, 3 answers each (default)": RouteConfig(),
    "doubt, 5 % left": RouteConfig(policy="doubt", max_error_frac=0.05),
    "doubt, 1 % left": RouteConfig(policy="doubt"),
    "doubt, 1 % left, all pictures of a class": RouteConfig(policy="doubt", none_frac=0.0),
    "doubt, 1 % left, 20 % of agreeing sampled": RouteConfig(policy="doubt", agree_sample_frac=0.2),
    "all, budget of 900 answers": RouteConfig(budget_answers_count=900),
}


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What one policy came to.

    Attributes:
        answers: given in all rounds, to rows and controls.
        released: rows accepted.
        precision: share of these that is right and releasable.
        recall: share of releasable rows that passed the screens and are released.
        unseen: rows nobody looked at.
    """

    answers: int
    released: int
    precision: float
    recall: float
    unseen: int


def read_world(run: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows to route, with what the world knows of them; and controls."""
    store = Store(run)
    truth = pl.read_parquet(run / "world" / "truth.parquet").filter(pl.col("candidate_id").is_not_null())
    seen = [row["wnid"] or ANSWERS.get(row["kind"]) for row in truth.iter_rows(named=True)]
    known = truth.select("candidate_id", "releasable", true_wnid="wnid").with_columns(seen=pl.Series(seen))
    rows = alive(store.read_all(SCREENED)).select("candidate_id")
    rows = rows.join(store.read_all(PROPOSALS), on="candidate_id", maintain_order="left")
    rows = rows.join(known, on="candidate_id", how="left", maintain_order="left")
    listed = pl.read_parquet(run / "world" / "controls.parquet")
    ids = [f"{place:064x}" for place in range(listed.height)]
    return rows, listed.select("wnid", "path").with_columns(candidate_id=pl.Series(ids))


def simulate(rows: pl.DataFrame, controls: pl.DataFrame, config: RouteConfig, seed: int) -> Saved:
    """Route, ask, ask again, settle, and compare with the truth."""
    routed = route_rows(rows, OVERLAP, config)
    asked = rows.join(alive(routed).select("candidate_id", "answers_wanted_count"), on="candidate_id")
    asked = asked.with_columns(path=pl.lit("x"), caption=pl.lit(None, pl.String))
    seen = dict(rows.select("candidate_id", "seen").iter_rows()) | dict(
        controls.select("candidate_id", "wnid").iter_rows()
    )
    settings = TasksConfig(seed=seed, controls_frac=0.08)
    tasks = make_tasks(asked, controls, overlap=OVERLAP, config=settings)
    answers = ask(tasks, {}, seen, seed)
    for number in range(2, ROUNDS + 2):
        decisions = read_decisions(answers, tasks)
        verdicts = settle_votes(decisions, tasks, AgreementConfig())
        open_ones = verdicts.filter(status="again").select("candidate_id")
        again = answered_tasks(tasks, decisions, OVERLAP, 1).join(open_ones, on="candidate_id", how="semi")
        if number > ROUNDS or again.is_empty():
            break
        again = again.rename({"proposed_wnid": "wnid", "runner_up_wnids": "top_wnids", "image_path": "path"})
        fresh = make_tasks(again.drop("answers_wanted_count"), None, round_number=number, overlap=1, config=settings)
        tasks = pl.concat([tasks, fresh])
        answers += ask(fresh, {(one["candidate_id"], one["user_id"]): one for one in answers}, seen, seed, len(answers))
    accepted = verdicts.filter(status="accept").select("candidate_id", settled="wnid")
    released = rows.join(accepted, on="candidate_id")
    right = released.filter(pl.col("releasable") & (pl.col("settled") == pl.col("true_wnid"))).height
    return Saved(
        answers=len(answers), released=released.height, precision=right / max(released.height, 1),
        recall=right / int(rows["releasable"].sum()), unseen=routed.filter(pl.col("status") != "ok").height,
    )  # fmt: skip


def ask(
    tasks: pl.DataFrame, given: dict[tuple[str, int], Any], seen: dict[str, str | None], seed: int, first: int = 0
) -> list[dict[str, Any]]:
    """Answers of as many reviewers as each task wants, of those who have not answered about the picture, in turns."""
    at, made = datetime(2026, 1, 1, tzinfo=UTC), []
    for row in tasks.iter_rows(named=True):
        start = int(row["candidate_id"][:8], 16) + seed
        order = [(start + turn) % len(REVIEWERS.accuracies) for turn in range(len(REVIEWERS.accuracies))]
        fresh = [user for user in order if (row["candidate_id"], user) not in given]
        for user in fresh[: row["answers_wanted_count"]]:
            data = task_data(row)
            result, seconds = simulate_answer(
                data, seen[row["candidate_id"]], f"simulated-{user}", REVIEWERS.accuracies[user], seed
            )
            number = first + len(made) + 1
            made.append({
                "candidate_id": row["candidate_id"], "round": row["round"], "annotation_id": number, "user_id": user,
                "user_email": f"simulated-{user}@example.invalid", "result": result, "seconds": seconds,
                "updated_at": (at + timedelta(seconds=number)).isoformat(),
            })  # fmt: skip
    return made


def main() -> None:
    """Print what each policy comes to, the mean over seeds."""
    parser = argparse.ArgumentParser(description="What routing saves on the miniature.")
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="a finished `relaionet demo`")
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    rows, controls = read_world(Run(root=chosen.run).root)
    print(f"{rows.height} rows passed the screens; {chosen.seeds} seeds, {OVERLAP} answers each by default")
    print(f"{'policy':<44}{'answers':>8}{'of all':>8}{'released':>10}{'right':>8}{'recall':>8}{'unseen':>8}")
    most = 0.0
    for name, config in POLICIES.items():
        found = [simulate(rows, controls, config, seed) for seed in range(chosen.seeds)]
        answers, released, right, recall, unseen = (
            sum(getattr(one, key) for one in found) / len(found)
            for key in ("answers", "released", "precision", "recall", "unseen")
        )
        most = most or answers
        print(
            f"{name:<44}{answers:>8.0f}{answers / most:>8.0%}{released:>10.0f}{right:>8.1%}{recall:>8.1%}{unseen:>8.0f}"
        )


if __name__ == "__main__":
    main()
