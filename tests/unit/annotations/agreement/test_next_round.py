"""The next round's plan: within its budget, the most informative first, and right about what it promises."""

import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.annotations.agreement.next_round import plan_answers, settle_probability
from relaionet.annotations.agreement.settle import AgreementConfig, settle_votes
from relaionet.manifests.errors import BadInput
from tests.depth import deep
from tests.unit.annotations.builders import A, B, key, make_decisions, make_tasks


def undecided(seed=0, pictures=80):
    rng = random.Random(seed)
    votes = []
    for i in range(pictures):
        answers = rng.choice([("yes", "none"), ("yes", "yes"), ("unsure", "unsure"), ("yes", B), (B, "none"), ("yes",)])
        votes += [(i, f"r{n}", said) for n, said in enumerate(answers)]
    decisions, tasks = make_decisions(votes), make_tasks(pictures)
    return settle_votes(decisions, tasks), decisions, tasks


@settings(max_examples=deep(20), deadline=None)
@given(seed=st.integers(0, 50), budget=st.integers(1, 200))
def test_a_budget_is_kept_and_spent_on_the_most_informative(seed, budget):
    verdicts, decisions, tasks = undecided(seed)
    whole = plan_answers(verdicts, decisions, tasks)
    assert set(whole["candidate_id"]) == set(verdicts.filter(status="again")["candidate_id"])
    worth = (whole["settle_prob"] / whole["answers_wanted_count"]).to_list()
    assert worth == sorted(worth, reverse=True)
    plan = plan_answers(verdicts, decisions, tasks, budget=budget)
    assert plan["answers_wanted_count"].sum() <= budget
    assert plan.equals(whole.head(plan.height))
    if plan.height < whole.height:
        assert whole.head(plan.height + 1)["answers_wanted_count"].sum() > budget
    assert whole["answers_wanted_count"].min() >= 1
    assert whole["settle_prob"].is_between(0, 1).all()


def test_order_of_the_tables_does_not_matter():
    verdicts, decisions, tasks = undecided()
    plan = plan_answers(verdicts, decisions, tasks)
    mixed = decisions.sample(fraction=1, shuffle=True, seed=1)
    assert plan_answers(verdicts.reverse(), mixed, tasks.reverse()).equals(plan)


def test_one_answer_short_comes_before_hopeless():
    votes = [(0, "r1", "yes"), (1, "r1", "unsure"), (1, "r2", "unsure"), (1, "r3", "unsure")]
    decisions, tasks = make_decisions(votes), make_tasks(2)
    plan = plan_answers(settle_votes(decisions, tasks), decisions, tasks)
    assert plan["candidate_id"].to_list() == [key(0), key(1)]
    assert plan["answers_wanted_count"][0] == 1


def test_what_has_all_its_answers_is_not_asked_again():
    votes = [(0, f"r{n}", "yes" if n % 2 else "none") for n in range(6)]
    decisions, tasks = make_decisions(votes), make_tasks(1)
    verdicts = settle_votes(decisions, tasks).with_columns(status=pl.lit("again"))
    assert plan_answers(verdicts, decisions, tasks).is_empty()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_probability_is_the_share_of_simulated_reviews_that_settle(count):
    """The closed form against drawing the further answers by the model it states."""
    config, accuracy, rng = AgreementConfig(), 0.9, random.Random(count)
    rows = pl.DataFrame({"confidence": [0.7], "yes_count": [1], "rival_count": [1]})
    settled, draws = 0, 20_000
    for _ in range(draws):
        lead_is_right = rng.random() < 0.7
        for_lead = sum((rng.random() < accuracy) == lead_is_right for _ in range(count))
        odds = 0.7 / 0.3 * (accuracy / (1 - accuracy)) ** (2 * for_lead - count)
        sure = odds / (1 + odds)
        settled += (sure >= config.min_confidence and 1 + for_lead >= config.support_min) or (
            1 - sure >= config.min_confidence and 1 + count - for_lead >= config.support_min
        )
    assert settle_probability(rows, count, config, accuracy)[0] == pytest.approx(settled / draws, abs=0.015)


@pytest.mark.parametrize(("about", "said"), [({"budget": 0}, "budget"), ({"accuracy": 0.5}, "accuracy")])
def test_senseless_numbers_are_refused(about, said):
    with pytest.raises(BadInput, match=said):
        plan_answers(*undecided(), **about)


def test_an_unknown_class_counts_like_any_other():
    votes = [(0, "r1", A), (0, "r2", B)]
    decisions, tasks = make_decisions(votes), make_tasks(1)
    assert plan_answers(settle_votes(decisions, tasks), decisions, tasks).height == 1
