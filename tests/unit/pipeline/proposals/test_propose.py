"""Proposals: probabilities are Bayes', the rule is the documented one, and every row comes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import find_label, read_labels
from relaionet.manifests.tables import HITS, PROPOSALS, check_table, count_statuses
from relaionet.pipeline.proposals.calibration import Calibration
from relaionet.pipeline.proposals.propose import SCORES, ProposeConfig, propose_labels
from relaionet.pipeline.proposals.thresholds import Thresholds
from tests.depth import deep

LABELS = [read_labels()[index] for index in (4, 134, 517, 9, 700, 20)]
AXES = np.eye(6, dtype=np.float32)
TRUSTING = {"sure": 0.1, "possible": 0.5, "several": 0.2}


def pictures(*weights: dict[int, float]) -> np.ndarray:
    rows = np.zeros((len(weights), 6), dtype=np.float64)
    for row, weight in zip(rows, weights, strict=True):
        row[list(weight)] = list(weight.values())
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def rows_of(*wnids: str | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"candidate_id": [f"c{place}" for place in range(len(wnids))], "wnid": wnids},
        schema_overrides={"wnid": pl.String},
    )


def propose(
    rows: pl.DataFrame, vectors: np.ndarray, *, labels=LABELS, calibration: Calibration | None = None, **settings: float
) -> pl.DataFrame:
    calibration = calibration or Calibration(logit_scale=100.0, caption_errors=TRUSTING, basis="labelled")
    table = propose_labels(rows, vectors, AXES[: len(labels)], labels, ProposeConfig(**settings), calibration)
    return check_table(table, PROPOSALS)


def softmax(vectors: np.ndarray, scale: float) -> np.ndarray:
    logits = scale * vectors.astype(np.float64) @ AXES.T
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_scores_are_the_softmax_over_all_labels() -> None:
    vectors = pictures({0: 1, 1: 0.5}, {2: 1, 3: 0.9}, {5: -1})
    table = propose(rows_of(None, None, None), vectors, logit_scale=7.0, top_count=3)
    full = softmax(vectors, 7)
    best = -np.sort(-full, axis=1)
    np.testing.assert_allclose(table["score"], best[:, 0], rtol=1e-5)
    np.testing.assert_allclose(table["label_score"], best[:, 0], rtol=1e-5)
    np.testing.assert_allclose(table["margin"], best[:, 0] - best[:, 1], atol=1e-6)
    np.testing.assert_allclose(table["top_scores"].to_list(), best[:, :3], rtol=1e-5)
    assert table["top_wnids"][0].to_list()[:2] == [LABELS[0].wnid, LABELS[1].wnid]


def test_a_caption_counts_as_bayes_says() -> None:
    vectors = pictures({0: 1, 1: 0.9}, {0: 1, 1: 0.9}, {0: 1, 1: 0.9})
    rows = rows_of(LABELS[1].wnid, None, None).with_columns(
        possible_wnids=pl.Series([[], [LABELS[1].wnid, LABELS[2].wnid], []], dtype=pl.List(pl.String)),
        other_wnids=pl.Series([[], [], [LABELS[1].wnid, LABELS[3].wnid]], dtype=pl.List(pl.String)),
    )
    table = propose(rows, vectors, logit_scale=8.0, min_margin=0.0)
    prior = softmax(vectors, 8)[0]
    for row, (named, error) in enumerate((((1,), 0.1), ((1, 2), 0.5), ((1, 3), 0.2))):
        # written out: how probable the caption is if the picture shows class c
        likely = [(1 - error) * (c in named) + error * len(named) / 6 for c in range(6)]
        expected = prior * likely / (prior * likely).sum()
        assert table["label_score"][row] == pytest.approx(expected.max(), abs=1e-6)
        assert table["wnid"][row] == LABELS[int(expected.argmax())].wnid
        assert table["caption_score"][row] == pytest.approx(prior[list(named)].sum(), abs=1e-6)
    np.testing.assert_allclose(table["score"], prior.max(), rtol=1e-5)
    alone = propose(rows, vectors, logit_scale=8.0, use_captions=False)
    np.testing.assert_allclose(alone["label_score"], prior.max(), rtol=1e-5)


def test_a_sigmoid_leaves_room_for_none_of_the_classes() -> None:
    found = Calibration(
        activation="sigmoid", logit_scale=10.0, logit_bias=-8.0, caption_errors=TRUSTING, basis="captions"
    )
    vectors = pictures({0: 1}, {0: 1, 1: 1, 2: 1, 3: 1, 4: 1})
    table = propose(rows_of(None, None), vectors, calibration=found)
    odds = np.exp(10 * vectors.astype(np.float64) @ AXES.T - 8)
    expected = odds.max(axis=1) / (1 + odds.sum(axis=1))
    np.testing.assert_allclose(table["score"], expected, rtol=1e-4)
    assert table["status"].to_list() == ["ok", "unclear"]


def test_tiers_say_what_the_proposal_rests_on() -> None:
    one, two = LABELS[0].wnid, LABELS[1].wnid
    sure, close, alike = {0: 1.0}, {0: 1, 1: 0.97}, {0: 1, 1: 0.9999}
    table = propose(
        rows_of(one, None, two, two, None), pictures(sure, sure, close, sure, alike), logit_scale=60.0, min_margin=0.2
    )
    assert table["tier"].to_list() == ["agree", "picture", "caption", "disagree", "unclear"]
    assert table["wnid"].to_list() == [one, one, two, one, None]
    assert table["agrees_with_caption"].to_list() == [True, None, False, False, None]


def test_data_can_ask_more_of_a_class() -> None:
    found = Thresholds(score=0.2, by_wnid={LABELS[0].wnid: 0.999}, reached=True, precision=0.9, precision_low=0.85)
    strict = Calibration(logit_scale=20.0, caption_errors=TRUSTING, thresholds=found, basis="labelled")
    table = propose(rows_of(None, None), pictures({0: 1, 1: 0.8}, {2: 1, 1: 0.8}), calibration=strict)
    assert table["status"].to_list() == ["unclear", "ok"]
    assert table["least_score"].to_list() == pytest.approx([0.999, 0.5])
    assert table["reason"][0].startswith("proposals of this class are too often wrong")


SUNGLASS, SUNGLASSES = find_label("n04355933"), find_label("n04356056")
GROUPED = [SUNGLASS, SUNGLASSES, *LABELS[2:]]


def test_classes_that_cannot_be_told_apart_are_clear_together() -> None:
    close = pictures({0: 1, 1: 0.9999}, {0: 1, 1: 0.9999}, {2: 1, 0: 0.2})
    table = propose(rows_of(None, SUNGLASSES.wnid, None), close, labels=GROUPED)
    assert table["status"].to_list() == ["ok", "ok", "ok"]
    assert table["class_group"].to_list() == ["sunglasses", "sunglasses", None]
    # the caption says which; without one the nearest stands first
    assert table["wnid"].to_list()[:2] == [SUNGLASS.wnid, SUNGLASSES.wnid]
    assert table["group_wnids"].to_list() == [
        [SUNGLASS.wnid, SUNGLASSES.wnid], [SUNGLASSES.wnid, SUNGLASS.wnid], []
    ]  # fmt: skip
    assert table["tier"].to_list()[1] == "agree"
    assert table["label_score"][0] > 0.99 > 0.6 > table["score"][0]
    assert table["member_score"][0] == pytest.approx(table["score"][0])
    assert table["member_score"][2] == table["label_score"][2]
    apart = propose(rows_of(None, None, None), close, labels=GROUPED, use_groups=False)
    assert apart["status"].to_list() == ["unclear", "unclear", "ok"]


def test_large_scales_neither_overflow_nor_exceed_one() -> None:
    table = propose(rows_of(None), pictures({0: 1}), logit_scale=10_000.0)
    assert table["score"].to_list() == [1.0]


def test_the_picture_alone_decides_where_it_is_clear() -> None:
    table = propose(rows_of(LABELS[3].wnid), pictures({0: 1}), logit_scale=30.0)
    assert table.select("wnid", "class_index", "status").row(0) == (LABELS[0].wnid, 4, "ok")
    assert table["agrees_with_caption"].to_list() == [False]


def test_an_unclear_picture_says_why() -> None:
    close = pictures({0: 1, 1: 0.9999})
    far = LABELS[5].wnid
    table = propose(rows_of(None, None), np.concatenate([close, close]), min_score=0.4, logit_scale=50.0)
    assert table["status"].to_list() == ["unclear", "unclear"]
    assert table["wnid"].is_null().all()
    assert table["class_index"].is_null().all()
    assert set(table["reason"]) == {"two classes are too close to each other; the caption names none"}
    assert "no class is probable" in propose(rows_of(None), close, min_score=0.9)["reason"][0]
    torn = propose(rows_of(far), pictures({0: 1, 5: 0.45}), logit_scale=8.0, min_score=0.6)
    assert torn["reason"].to_list() == ["picture and caption name different classes, and neither is probable enough"]


def test_the_search_that_found_the_picture_is_told() -> None:
    rows, config = rows_of(None, None), ProposeConfig()
    hit = {"class_index": [4], "wnid": [LABELS[0].wnid], "candidate_id": ["c0"], "cosine": [0.5], "rank": [3]}
    hits = pl.DataFrame(hit).cast(dict(HITS.schema))
    found = Calibration(logit_scale=100.0)
    table = propose_labels(rows, pictures({0: 1}, {0: 1}), AXES, LABELS, config, found, hits=hits)
    assert table["hit_rank"].to_list() == [3, None]


def test_a_caption_of_a_class_not_searched_decides_nothing() -> None:
    table = propose(rows_of(read_labels()[999].wnid), pictures({0: 1, 1: 0.999}), min_score=0.6)
    assert table["status"].to_list() == ["unclear"]
    assert table["agrees_with_caption"].to_list() == [None]


@settings(max_examples=deep(30), deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(0, 25), cut=st.integers(0, 25))
def test_same_rows_out_in_any_order_and_cut(seed: int, count: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = pictures(*[dict(enumerate(rng.uniform(-1, 1, 6))) for _ in range(count)])
    rows = rows_of(*rng.choice([None, *[label.wnid for label in LABELS]], count).tolist())
    table = propose(rows, vectors, logit_scale=3.0)
    assert table["candidate_id"].to_list() == rows["candidate_id"].to_list()
    assert sum(count_statuses(table).values()) == count
    order = rng.permutation(count)
    parts = [propose(rows[part], vectors[part], logit_scale=3.0) for part in (order[:cut], order[cut:])]
    assert pl.concat(parts).sort("candidate_id").equals(table.sort("candidate_id"))
    ok = table.filter(status="ok")
    assert ok["wnid"].null_count() == 0
    assert (ok["reason"].null_count(), ok["class_index"].null_count()) == (ok.height, 0)


def test_wrong_input_is_named() -> None:
    rows, vectors = rows_of(None), pictures({0: 1})
    with pytest.raises(BadInput, match="1 rows for 2 pictures"):
        propose(rows, np.concatenate([vectors, vectors]))
    with pytest.raises(BadInput, match="at least two"):
        propose_labels(rows, vectors, AXES[:1], LABELS[:1], ProposeConfig(), Calibration(logit_scale=1.0))
    with pytest.raises(BadInput, match="min_score is 40"):
        propose(rows, vectors, min_score=40)
    with pytest.raises(BadInput, match="one encoder"):
        propose_labels(rows, vectors[:, :5], AXES, LABELS, ProposeConfig(), Calibration(logit_scale=1.0))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_what_nothing_was_fitted_on_has_no_probabilities_and_leaves_nothing_unclear(activation: str) -> None:
    """However close two classes are, and whatever least score and margin are asked for."""
    rows = rows_of(LABELS[1].wnid, None, LABELS[4].wnid)
    close = pictures({0: 1, 1: 0.9999}, {2: 1, 3: 0.9999}, {5: 1})
    own = Calibration(activation=activation, logit_scale=20.0, logit_bias=-3.0)
    table = propose(rows, close, calibration=own, min_score=0.99, min_margin=0.9)
    assert all(table[name].null_count() == 3 for name in SCORES)
    assert table["status"].to_list() == ["ok"] * 3
    assert table["wnid"].to_list() == [LABELS[1].wnid, LABELS[2].wnid, LABELS[5].wnid]
    assert table["top_wnids"].list.len().to_list() == [5, 5, 5]
    assert "unclear" not in table["tier"].to_list()
    # a scale that the recipe says is right makes probabilities, and what was fitted does
    known = propose(rows, close, calibration=own, logit_scale=20.0)
    assert all(known[name].null_count() == 0 for name in ("label_score", "score", "margin", "top_scores"))
    assert "unclear" in known["tier"].to_list()
    for basis, unclear in (("labelled", True), ("captions", True), ("review", False)):
        fitted = propose(rows, close, calibration=replace(own, basis=basis))
        assert fitted["label_score"].null_count() == 0
        assert ("unclear" in fitted["status"].to_list()) == unclear
