"""A run with nothing to fit probabilities on: it shows none, asks about everything, and fits them on its own review."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from relaionet.annotations.agreement.settle import AgreementConfig
from relaionet.flows.curation.calibration import load_calibration
from relaionet.flows.pages.proposals import write_proposals_report
from relaionet.flows.reviewing.refit import refit_probabilities
from relaionet.flows.reviewing.verdicts import settle_run
from relaionet.flows.runs.run import Run
from relaionet.manifests.tables import DECISIONS, PROPOSALS, ROUTED, TASKS, VERDICTS
from relaionet.pipeline.proposals.propose import SCORES
from relaionet.pipeline.proposals.reliability import measure_reliability
from relaionet.pipeline.proposals.review_budget import RouteConfig
from tests.unit.flows.reviewing.nothing_to_fit import curate_from_vectors, make_run, said

COUNT = 900
SAVING = RouteConfig(policy="doubt", agree_sample_frac=0.1)


def answer(run: Run, truth: dict[str, str], first: int) -> None:
    """Two people answer the first tasks, in the order they stand, by the truth; the answers are settled."""
    tasks = run.store.read_all(TASKS).sort("position").head(first)
    start, rows = datetime(2026, 1, 1, tzinfo=UTC), []
    for number, (one, asked) in enumerate(tasks.select("candidate_id", "proposed_wnid").iter_rows()):
        for who in ("r-1", "r-2"):
            is_it = truth[one] == asked
            rows.append({
                "candidate_id": one, "round": 1, "reviewer": who, "choice": "yes" if is_it else "other",
                "other_wnid": None if is_it else truth[one], "wnids": None, "seconds": 3.0,
                "at": start + timedelta(seconds=number), "annotation_id": len(rows),
            })  # fmt: skip
    run.store.write(pl.DataFrame(rows, schema=dict(DECISIONS.schema)), DECISIONS, f"{first}")
    settle_run(run, AgreementConfig())


def page_of(run: Run, route: RouteConfig) -> str:
    return write_proposals_report(run, "mine", 3, route).read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, str], list[dict[str, object]]]:
    """A run before a review and after 30, 200, 210 and 260 answered tasks: what it had each time."""
    run, recipe, truth = make_run(tmp_path_factory.mktemp("run"), COUNT)
    curate_from_vectors(run, recipe, SAVING)
    seen = [look(run, refitted=False)]
    for first in (30, 200, 210, 260):
        answer(run, truth, first)
        refitted = refit_probabilities(run)
        seen.append(look(run, refitted=refitted))
    return run, truth, seen


def look(run: Run, *, refitted: bool) -> dict[str, object]:
    tables = {table.name: run.store.read_all(table) for table in (PROPOSALS, ROUTED, TASKS, VERDICTS)}
    return tables | {
        "refitted": refitted,
        "calibration": load_calibration(run),
        "page": page_of(run, SAVING),
        "said": said(run),
    }


def test_what_nothing_was_fitted_on_is_no_probability_and_is_shown_as_none(whole) -> None:
    before = whole[2][0]
    proposals = before["proposals"]
    assert all(proposals[name].null_count() == COUNT for name in SCORES)
    assert before["calibration"].basis == "encoder"
    assert "no probabilities: 0 labelled pictures and 0 captions" in before["said"]
    page = re.sub(r"data:[^\"]*|<style>.*?</style>|<script>.*?</script>", "", before["page"], flags=re.DOTALL)
    assert "No probabilities are shown" in page
    assert not re.search(r"\b[01]\.\d\d", re.sub(r"<[^>]*>", " ", page)), "a number that looks like one"
    assert "It was fitted on" not in page


def test_everything_is_asked_about_as_if_nothing_were_known(whole) -> None:
    """Also by a recipe that would save answers."""
    before = whole[2][0]
    assert before["proposals"]["status"].to_list() == ["ok"] * COUNT
    assert before["routed"]["answers_wanted_count"].to_list() == [3] * COUNT
    assert before["routed"]["information_bits"].null_count() == COUNT
    assert before["tasks"]["answers_wanted_count"].to_list() == [3] * COUNT


def test_the_first_reviewed_tasks_fit_the_probabilities_by_themselves(whole) -> None:
    _, truth, (before, few, fitted, more, again) = whole
    assert [one["refitted"] for one in (few, fitted, more, again)] == [False, True, False, True]
    assert few["calibration"] == before["calibration"]
    assert (fitted["calibration"].basis, fitted["calibration"].sources) == ("review", {"this review": 200})
    assert fitted["calibration"].logit_scale == pytest.approx(14.0, rel=0.15)
    assert again["calibration"].examples_count == 260
    unseen = fitted["proposals"].join(
        fitted["verdicts"].filter(pl.col("votes_count") > 0), on="candidate_id", how="anti"
    )
    right = np.array([truth[one] == wnid for one, wnid in unseen.select("candidate_id", "wnid").iter_rows()])
    found = measure_reliability(unseen["label_score"].to_numpy().clip(0, 1), right)
    assert found.count == COUNT - 200
    assert abs(found.mean_score - found.right_frac) < 0.05
    assert found.ece < max(0.06, found.ece_if_true_high * 1.3)
    assert "what this review settled" in fitted["page"]
    assert "No probabilities are shown" not in fitted["page"]
    assert "by the reviewers" not in fitted["page"], "what was fitted on answers is not measured by them"


def test_a_refit_leaves_what_was_asked_as_it_was_asked(whole) -> None:
    before, *_, again = whole[2]
    assert again["tasks"].equals(before["tasks"])
    assert again["proposals"]["status"].to_list() == ["ok"] * COUNT, "asked about, so no row is unclear"
    assert again["verdicts"].filter(status="accept").height == 260


def test_curating_again_keeps_the_fit_and_the_questions(tmp_path: Path) -> None:
    run, recipe, truth = make_run(tmp_path, 300, seed=1)
    curate_from_vectors(run, recipe)
    tasks = run.store.read_all(TASKS)
    answer(run, truth, 120)
    assert refit_probabilities(run)
    fitted, proposals = load_calibration(run), run.store.read_all(PROPOSALS)
    curate_from_vectors(run, recipe, SAVING)
    assert load_calibration(run) == fitted
    assert run.store.read_all(PROPOSALS).equals(proposals)
    assert run.store.read_all(ROUTED)["label_score"].null_count() == 0
    assert run.store.read_all(TASKS).equals(tasks), "a `yes` is to the class that was asked about"
    # where a pull could not fit, the next run of curate does
    (tmp_path / "other").mkdir()
    fresh, recipe, truth = make_run(tmp_path / "other", 300, seed=1)
    curate_from_vectors(fresh, recipe)
    answer(fresh, truth, 120)
    curate_from_vectors(fresh, recipe)
    assert load_calibration(fresh).basis == "review"


def test_a_refit_that_cannot_be_made_stops_no_pull(tmp_path: Path) -> None:
    run, recipe, truth = make_run(tmp_path, 120, seed=2)
    curate_from_vectors(run, recipe)
    answer(run, truth, 80)
    (tmp_path / "sure.py").unlink()
    assert not refit_probabilities(run)
    assert "80 settled pictures" in said(run)
    assert load_calibration(run).basis == "encoder"
