"""Who is flagged, what that does to the verdicts, and that it can be undone."""

import random

import polars as pl
import pytest
from scipy.stats import binomtest

from relaionet.annotations.agreement.reviewer_quality import FlagConfig, rate_reviewers, wilson_interval
from relaionet.annotations.agreement.settle import AgreementConfig, settle_votes
from relaionet.annotations.agreement.votes import read_votes
from relaionet.manifests.errors import BadInput
from tests.unit.annotations.builders import A, B, key, make_decisions, make_tasks


@pytest.mark.parametrize(("right", "count"), [(0, 1), (1, 1), (3, 10), (10, 10), (57, 80)])
def test_wilson_interval_is_scipys(right, count):
    low, high = wilson_interval(pl.col("right"), pl.col("count"))
    found = pl.DataFrame({"right": [right], "count": [count]}).select(low=low, high=high).row(0)
    expected = binomtest(right, count).proportion_ci(method="wilson")
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_controls_no_interval():
    low, high = wilson_interval(pl.col("right"), pl.col("count"))
    found = pl.DataFrame({"right": [0], "count": [0]}).select(low=low, high=high).row(0)
    assert found == (None, None)


def a_review(seed=0, pictures=60, controls=20):
    """Two careful reviewers, one who always says yes, one who contradicts; half of the pictures are not A."""
    rng = random.Random(seed)
    truth = {i: (A if i % 2 else B) for i in range(pictures + controls)}
    votes = []
    for i, right in truth.items():
        for who in ("careful1", "careful2"):
            said = right if rng.random() < 0.95 else "unsure"
            votes.append((i, who, "yes" if said == A else said))
        votes.append((i, "yes-man", "yes"))
        votes.append((i, "contrary", "none" if right == A else "yes"))
    wrong = [i for i in range(pictures, pictures + controls) if truth[i] == B]
    return votes, make_tasks(pictures, controls, control_of=dict.fromkeys(wrong, B)), truth


def rated(votes, tasks, config=None):
    table = rate_reviewers(read_votes(make_decisions(votes), tasks), config)
    return {row["reviewer"]: row for row in table.to_dicts()}


def test_spammers_are_found_and_careful_reviewers_are_not():
    votes, tasks, _ = a_review()
    found = rated(votes, tasks)
    assert {name: row["flags"] for name, row in found.items()} == {
        "careful1": [], "careful2": [], "contrary": ["chance"], "yes-man": ["same"],
    }  # fmt: skip
    assert [found[name]["counted"] for name in ("careful1", "contrary", "yes-man")] == [True, False, False]
    assert found["careful1"]["low"] <= found["careful1"]["accuracy"] <= found["careful1"]["high"]


def test_without_controls_colleagues_show_who_always_says_the_same():
    votes, tasks, _ = a_review(controls=0)
    assert rated(votes, tasks)["yes-man"]["flags"] == ["same"]


def test_saying_yes_to_what_is_all_right_is_no_flag():
    votes = [(i, who, "yes") for i in range(50) for who in ("r1", "r2", "r3")]
    assert all(row["flags"] == [] for row in rated(votes, make_tasks(50)).values())


def test_a_flag_needs_many_answers():
    votes, tasks, _ = a_review(pictures=4, controls=4)
    assert all(row["flags"] == [] for row in rated(votes, tasks).values())


def test_too_fast_is_said_and_counted():
    votes, tasks, _ = a_review()
    decisions = make_decisions(votes).with_columns(
        seconds=pl.when(pl.col("reviewer") == "careful1").then(0.2).otherwise(2.0)
    )
    row = rate_reviewers(read_votes(decisions, tasks)).filter(reviewer="careful1").to_dicts()[0]
    assert (row["flags"], row["counted"]) == (["fast"], True)


def test_a_flag_is_undone_by_trust_and_by_the_recipe():
    votes, tasks, _ = a_review()
    assert rated(votes, tasks, FlagConfig(trusted=("yes-man",)))["yes-man"]["counted"]
    assert all(row["counted"] for row in rated(votes, tasks, FlagConfig(excluding=())).values())
    assert not rated(votes, tasks, FlagConfig(distrusted=("careful1",)))["careful1"]["counted"]


def test_an_unknown_flag_is_refused_with_the_nearest_name():
    with pytest.raises(BadInput, match="did you mean chance"):
        FlagConfig(excluding=("chanse",))


def test_what_is_not_counted_does_not_move_a_verdict():
    votes, tasks, truth = a_review()
    with_spam = settle_votes(make_decisions(votes), tasks)
    without = settle_votes(make_decisions([vote for vote in votes if vote[1].startswith("careful")]), tasks)
    assert with_spam.equals(without)
    labels = dict(with_spam.filter(status="accept").select("candidate_id", "wnid").iter_rows())
    assert len(labels) > 45
    assert all(labels[key(i)] == right for i, right in truth.items() if key(i) in labels)
    counted = settle_votes(make_decisions(votes), tasks, AgreementConfig(flags=FlagConfig(excluding=())))
    assert counted["votes_count"].to_list() == [4] * 60
