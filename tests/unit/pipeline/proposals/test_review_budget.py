"""Routing: nothing is lost, doubt comes first, the budget holds, and the sample says no more than it can."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import ROUTED, check_table
from relaionet.pipeline.proposals.acceptance import bound_wrong, sample_size
from relaionet.pipeline.proposals.review_budget import (
    RouteConfig,
    answers_needed,
    describe_routing,
    information_bits,
    route_rows,
)
from tests.depth import deep


def make_rows(count: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    tiers = rng.choice(["agree", "picture", "caption", "disagree"], count, p=[0.6, 0.2, 0.1, 0.1])
    rows = pl.DataFrame(
        {
            "candidate_id": [hashlib.sha256(f"{seed} {row}".encode()).hexdigest() for row in range(count)],
            "tier": tiers,
            "label_score": np.where(tiers == "agree", 1 - 0.02 * rng.random(count) ** 2, rng.uniform(0.5, 1, count)),
            "group_wnids": [["a", "b"] if rng.random() < 0.1 else [] for _ in range(count)],
        },
        schema_overrides={"label_score": pl.Float32, "group_wnids": pl.List(pl.String), "tier": pl.String},
    )
    in_group = pl.col("group_wnids").list.len() > 0
    return rows.with_columns(member_score=pl.col("label_score") * pl.when(in_group).then(0.6).otherwise(1.0))


def test_by_default_everybody_gets_all_eyes() -> None:
    routed = check_table(route_rows(make_rows(200), 3, RouteConfig()), ROUTED)
    assert routed["answers_wanted_count"].to_list() == [3] * 200
    assert set(routed["status"]) == {"ok"}
    assert not routed["is_sample"].any()
    assert describe_routing(routed, 3, RouteConfig()) == []


@settings(max_examples=deep(30), deadline=None)
@given(
    count=st.integers(0, 120), seed=st.integers(0, 9), budget=st.integers(0, 300), frac=st.floats(0, 1),
    policy=st.sampled_from(["all", "doubt"]),
)  # fmt: skip
def test_every_row_comes_out_and_no_order_matters(count: int, seed: int, budget: int, frac: float, policy: str) -> None:
    rows = make_rows(count, seed)
    config = RouteConfig(policy=policy, budget_answers_count=budget, agree_sample_frac=frac)
    routed = check_table(route_rows(rows, 3, config), ROUTED)
    assert routed["candidate_id"].to_list() == rows["candidate_id"].to_list()
    assert routed["place"].sort().to_list() == list(range(count))
    asked = routed.filter(status="ok")
    assert asked["answers_wanted_count"].is_between(1, 3).all()
    assert routed.filter(pl.col("status") != "ok").select("answers_wanted_count").sum().item() == 0
    assert routed.filter((pl.col("status") != "ok") & pl.col("reason").is_null()).is_empty()
    if budget:
        assert asked["answers_wanted_count"].sum() <= budget
    mixed = rows.sample(fraction=1, shuffle=True, seed=seed)
    assert route_rows(mixed, 3, config).sort("candidate_id").equals(routed.sort("candidate_id"))


def test_the_budget_goes_to_the_most_doubtful() -> None:
    rows = make_rows(300)
    routed = route_rows(rows, 2, RouteConfig(budget_answers_count=200))
    asked, left = routed.filter(status="ok"), routed.filter(status="over_budget")
    assert asked.height == 100
    assert asked["information_bits"].min() >= left["information_bits"].max()
    assert routed.sort("place")["information_bits"].is_sorted(descending=True)


def test_information_is_most_at_even_odds_and_nothing_of_a_guess() -> None:
    scores = np.linspace(0.01, 0.99, 99)
    bits = information_bits(scores, 0.9)
    assert bits.argmax() == 49
    assert bits[49] == pytest.approx(1 + 0.9 * np.log2(0.9) + 0.1 * np.log2(0.1))
    np.testing.assert_allclose(information_bits(scores, 0.5), 0, atol=1e-12)


@pytest.mark.parametrize(("score", "answers"), [(0.999, 1), (0.92, 1), (0.9, 2), (0.5, 3), (0.01, 3)])
def test_agreeing_answers_leave_as_little_doubt_as_asked(score: float, answers: int) -> None:
    config = RouteConfig(policy="doubt", max_error_frac=0.01, reviewer_accuracy=0.9)
    assert answers_needed(score, 3, config) == answers
    # the posterior after as many agreeing answers, written out
    right = score * 0.9**answers / (score * 0.9**answers + (1 - score) * 0.1**answers)
    assert right >= 0.99 or answers == 3
    if answers > 1:
        fewer = answers - 1
        assert score * 0.9**fewer / (score * 0.9**fewer + (1 - score) * 0.1**fewer) < 0.99


def test_pictures_that_show_no_class_are_reckoned_with() -> None:
    rows = make_rows(1).with_columns(
        label_score=pl.lit(0.9999, pl.Float32), member_score=pl.lit(0.9999), group_wnids=pl.lit([], pl.List(pl.String)),
        tier=pl.lit("picture"),
    )  # fmt: skip
    for none_frac, answers in ((0.0, 1), (0.1, 2), (0.5, 3)):
        config = RouteConfig(policy="doubt", none_frac=none_frac)
        assert route_rows(rows, 3, config)["answers_wanted_count"].to_list() == [answers]


def test_members_of_a_group_are_compared_by_all_eyes_and_come_first() -> None:
    rows = make_rows(2).with_columns(
        label_score=pl.lit(0.9999, pl.Float32), tier=pl.lit("agree"), member_score=pl.Series([0.55, 0.9999]),
        group_wnids=pl.Series([["a", "b"], []], dtype=pl.List(pl.String)),
    )  # fmt: skip
    routed = route_rows(rows, 3, RouteConfig(policy="doubt", agree_sample_frac=0.0))
    assert routed["answers_wanted_count"].to_list() == [3, 0]
    assert routed["status"].to_list() == ["ok", "not_sampled"]
    assert routed["place"].to_list() == [0, 1]


def test_the_sample_is_random_comes_before_the_budget_and_gets_all_eyes() -> None:
    rows = make_rows(2000)
    config = RouteConfig(policy="doubt", agree_sample_frac=0.1, budget_answers_count=400)
    routed = route_rows(rows, 3, config)
    sample, left = routed.filter("is_sample"), routed.filter(status="not_sampled")
    assert sample.height == -(-(sample.height + left.height) // 10)
    assert set(sample["answers_wanted_count"]) == {3}
    # drawn without regard to doubt
    assert abs(sample["label_score"].mean() - left["label_score"].mean()) < 0.002
    other = route_rows(rows, 3, RouteConfig(policy="doubt", agree_sample_frac=0.1, seed=1)).filter("is_sample")
    assert set(other["candidate_id"]) != set(sample["candidate_id"])
    said = describe_routing(routed, 3, config)
    assert any("at 95% confidence" in line for line in said)
    assert any("over the budget" in line for line in said)


def test_the_bound_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for count, wrong, sampled in ((200, 12, 40), (1000, 30, 100), (50, 1, 20)):
        labels = np.arange(count) < wrong
        held = 0
        for _ in range(400):
            chosen = rng.permutation(labels)
            found = int(chosen[:sampled].sum())
            held += bound_wrong(count, sampled, found) >= wrong - found
        assert held / 400 >= 0.93


def test_bounds_of_all_and_of_nothing() -> None:
    assert bound_wrong(100, 100, 3) == 0
    assert bound_wrong(100, 0, 0) == 100
    # the rule of three: none wrong of n bounds the share by about 3 / n
    assert bound_wrong(1_000_000, 300, 0) / 1_000_000 == pytest.approx(0.00994, abs=2e-4)
    size = sample_size(10_000, 0.01)
    assert bound_wrong(10_000, size, 0) <= 0.01 * (10_000 - size)
    assert bound_wrong(10_000, size - 1, 0) > 0.01 * (10_000 - size + 1)
    with pytest.raises(BadInput, match="cannot be"):
        bound_wrong(10, 5, 6)


@pytest.mark.parametrize("values", [{"reviewer_accuracy": 0.5}, {"agree_sample_frac": 2.0}, {"confidence": 1.0}])
def test_settings_out_of_range_are_named(values: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=next(iter(values))):
        RouteConfig(**values)


@pytest.mark.parametrize("values", [
    {}, {"policy": "doubt"}, {"agree_sample_frac": 0.0}, {"policy": "doubt", "agree_sample_frac": 0.1},
    {"agree_sample_frac": 0.0, "agree_min_score": 0.0},
])  # fmt: skip
def test_rows_without_a_probability_are_routed_as_if_nothing_were_known(values: dict[str, object]) -> None:
    rows = make_rows(200).with_columns(label_score=pl.lit(None, pl.Float32), member_score=pl.lit(None, pl.Float64))
    routed = check_table(route_rows(rows, 3, RouteConfig(**values)), ROUTED)
    assert routed["answers_wanted_count"].to_list() == [3] * 200
    assert set(routed["status"]) == {"ok"}
    assert routed["label_score"].null_count() == routed["information_bits"].null_count() == 200
    assert routed["place"].sort().to_list() == list(range(200))
    # a budget is spent by chance: the tiers it reaches are those of all
    some = route_rows(rows, 3, RouteConfig(budget_answers_count=300, **values))
    assert some.filter(status="ok").height == 100
    assert "drawn at random" in some.filter(status="over_budget")["reason"][0]
    assert abs((some.filter(status="ok")["tier"] == "agree").mean() - (rows["tier"] == "agree").mean()) < 0.15
