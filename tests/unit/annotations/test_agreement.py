import hashlib
import random
from datetime import UTC, datetime, timedelta

import krippendorff
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.annotations.agreement import (
    AgreementConfig,
    agreement,
    read_votes,
    review_status,
    reviewer_accuracy,
    settle_votes,
)
from relaionet.annotations.posteriors import PosteriorConfig, estimate_posteriors
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import DECISIONS, TASKS, VERDICTS, check_table

A, B, C = (label.wnid for label in read_labels()[:3])


def key(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def make_tasks(count, controls=0):
    return pl.DataFrame(
        [
            {
                "candidate_id": key(i), "round": 1, "position": i, "proposed_wnid": A, "runner_up_wnids": [B],
                "is_control": i >= count, "control_wnid": A if i >= count else None, "image_path": "x", "caption": None,
            }
            for i in range(count + controls)
        ],
        schema=dict(TASKS.schema),
    )  # fmt: skip


def make_decisions(votes):
    """From [(candidate number, reviewer, choice or wnid)]; later ones are later."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        [
            {
                "candidate_id": key(i), "round": 1, "reviewer": who,
                "choice": "other" if said.startswith("n0") else said,
                "other_wnid": said if said.startswith("n0") else None, "seconds": 2.0,
                "at": start + timedelta(seconds=number), "annotation_id": number,
            }
            for number, (i, who, said) in enumerate(votes)
        ],
        schema=dict(DECISIONS.schema),
    )  # fmt: skip


def settle(*votes, config=None):
    rows = settle_votes(make_decisions([(0, f"r{n}", said) for n, said in enumerate(votes)]), make_tasks(1), config)
    return rows.to_dicts()[0]


@pytest.mark.parametrize(
    ("votes", "status", "wnid", "count"),
    [
        ((), "again", None, 0),
        (("yes",), "again", None, 1),
        (("yes", "yes"), "accept", A, 2),
        (("yes", "yes", "drawing"), "accept", A, 3),
        (("yes", B, "drawing"), "again", None, 3),
        ((B, B, "yes"), "accept", B, 3),
        (("several", "drawing", "yes"), "reject", None, 3),
        (("unsafe", "unsafe"), "reject", None, 2),
        (("unsure", "unsure", "unsure"), "again", None, 3),
        (("yes", "yes", "unsure", "unsure"), "again", None, 4),
        (("yes", "yes", B, B), "again", None, 4),
        (("yes", "yes", B, B, "unsure", "broken"), "reject", None, 6),
    ],
)
def test_rules(votes, status, wnid, count):
    row = settle(*votes)
    assert (row["status"], row["wnid"], row["votes_count"]) == (status, wnid, count)
    assert (row["reason"] is None) == (status == "accept" and wnid == A)
    assert 0 <= row["confidence"] <= 1
    assert row["selection_frac"] == (row["yes_count"] / count if count else 0)


def test_reasons_are_words():
    assert settle("several", "several")["reason"] == "shows several classes"
    assert settle("yes", B)["reason"].startswith("answers differ: ")
    assert settle("yes")["reason"] == "1 of 3 answers so far"
    assert settle(*["unsure"] * 6)["reason"] == "undecided after 6 answers"


def test_the_latest_answer_of_a_reviewer_counts_once():
    votes = [(0, "r1", "drawing"), (0, "r2", "yes"), (0, "r1", "yes")]
    row = settle_votes(make_decisions(votes), make_tasks(1)).to_dicts()[0]
    assert (row["status"], row["votes_count"], row["reviewers"]) == ("accept", 2, ["r1", "r2"])


def test_two_unreliable_reviewers_are_not_enough():
    """Reviewers who miss the controls are not believed where they agree alone."""
    votes = [(i, who, "drawing") for i in range(1, 31) for who in ("bad1", "bad2")]
    votes += [(0, "bad1", "yes"), (0, "bad2", "yes")]
    row = settle_votes(make_decisions(votes), make_tasks(1, controls=30)).to_dicts()[0]
    assert row["status"] == "again"
    assert row["reason"] == "the reviewers who agree are not reliable enough"


def random_votes(seed, pictures=40, controls=10, accuracies=(0.95, 0.9, 0.6)):
    rng = random.Random(seed)
    truth = {i: A if i >= pictures else rng.choice([A, A, B, "drawing"]) for i in range(pictures + controls)}
    words = {A: "yes"}
    votes = []
    for i, right in truth.items():
        for n, accuracy in enumerate(accuracies):
            said = right if rng.random() < accuracy else rng.choice([A, B, C, "several", "unsure"])
            votes.append((i, f"r{n}", words.get(said, said)))
    return votes, make_tasks(pictures, controls), truth


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100), shuffle=st.integers(0, 100))
def test_every_row_has_a_verdict_and_order_does_not_matter(seed, shuffle):
    votes, tasks, _ = random_votes(seed)
    decisions = make_decisions(votes)
    verdicts = check_table(settle_votes(decisions, tasks), VERDICTS)
    assert verdicts["candidate_id"].to_list() == sorted(tasks.filter(~pl.col("is_control"))["candidate_id"])
    mixed = decisions.sample(fraction=1, shuffle=True, seed=shuffle)
    assert settle_votes(mixed, tasks.reverse()).equals(verdicts)


def test_weighing_finds_the_better_reviewers_and_the_controls_help():
    votes, tasks, _ = random_votes(3, pictures=200, controls=30)
    _, accuracy = estimate_posteriors(read_votes(make_decisions(votes), tasks))
    assert accuracy["r0"] > accuracy["r1"] > accuracy["r2"]
    assert accuracy["r0"] == pytest.approx(0.95, abs=0.04)
    assert accuracy["r2"] == pytest.approx(0.65, abs=0.1)


def test_posteriors_agree_with_crowd_kit():
    from crowdkit.aggregation import OneCoinDawidSkene

    votes, tasks, _ = random_votes(5, pictures=300, controls=0, accuracies=(0.95, 0.9, 0.85, 0.6))
    table = read_votes(make_decisions(votes), tasks).drop_nulls("vote")
    ours, accuracy = estimate_posteriors(table, PosteriorConfig(prior_right=0.01, prior_wrong=0.01))
    best = ours.sort("posterior").unique("candidate_id", keep="last")
    frame = table.select(pl.col("candidate_id").alias("task"), pl.col("reviewer").alias("worker"), label="vote")
    theirs = OneCoinDawidSkene(n_iter=100).fit(frame.to_pandas())
    same = [theirs.labels_[one] == vote for one, vote in best.select("candidate_id", "vote").iter_rows()]
    assert np.mean(same) > 0.97
    assert sorted(accuracy, key=accuracy.get) == sorted(accuracy, key=lambda who: theirs.skills_[who])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_alpha_is_krippendorffs(seed):
    votes, tasks, _ = random_votes(seed, pictures=15)
    decisions = make_decisions([vote for n, vote in enumerate(votes) if (n * 7 + seed) % 5])
    table = read_votes(decisions, tasks).with_columns(pl.col("vote").fill_null("unsure"))
    counts = table.pivot("vote", index="candidate_id", values="reviewer", aggregate_function="len").fill_null(0)
    matrix = counts.drop("candidate_id").to_numpy()
    expected = krippendorff.alpha(value_counts=matrix, level_of_measurement="nominal")
    found = agreement(decisions, tasks, AgreementConfig(bootstrap_count=20))
    assert found["alpha"] == pytest.approx(expected, abs=1e-9)
    assert found["low"] <= found["high"]


def test_alpha_without_enough_answers_is_null():
    assert agreement(make_decisions([]), make_tasks(3))["alpha"] is None
    same = make_decisions([(i, who, "yes") for i in range(3) for who in ("r1", "r2")])
    assert agreement(same, make_tasks(3))["alpha"] is None


def test_interval_covers_the_value_on_average():
    inside = 0
    truth = agreement(*_frames(999, 3000), AgreementConfig(bootstrap_count=1))["alpha"]
    for seed in range(40):
        found = agreement(*_frames(seed, 60), AgreementConfig(bootstrap_count=100))
        inside += found["low"] <= truth <= found["high"]
    assert inside >= 33


def _frames(seed, pictures):
    votes, tasks, _ = random_votes(seed, pictures=pictures, controls=0)
    return make_decisions(votes), tasks


def test_accuracy_counts_controls_only():
    votes = [(0, "r1", "yes"), (1, "r1", "yes"), (2, "r1", "drawing"), (0, "r2", "yes"), (1, "r2", "unsure")]
    rows = reviewer_accuracy(make_decisions(votes), make_tasks(1, controls=2)).to_dicts()
    assert [(row["reviewer"], row["answered"], row["controls"], row["right"], row["accuracy"]) for row in rows] == [
        ("r1", 1, 2, 1, 0.5),
        ("r2", 1, 1, 0, 0.0),
    ]
    alone = reviewer_accuracy(make_decisions([(0, "r1", "yes")]), make_tasks(1)).to_dicts()
    assert alone[0]["accuracy"] is None


def test_status_adds_up():
    votes, tasks, _ = random_votes(1)
    status = review_status(make_decisions(votes), tasks)
    assert status["candidates"] == 40 == status["accept"] + status["reject"] + status["again"]
    assert status["controls"] == 10
    assert status["answers"] == 150
    empty = review_status(make_decisions([]), tasks)
    assert (empty["again"], empty["unanswered"], empty["reviewers"]) == (40, 40, [])
