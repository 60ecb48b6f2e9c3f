"""Proposals: probabilities are the softmax's, the rule is the documented one, and every row comes out."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import HITS, PROPOSALS, check_table, count_statuses
from relaionet.pipeline.propose import ProposeConfig, propose_labels

LABELS = [read_labels()[index] for index in (4, 134, 517, 9, 700, 20)]
AXES = np.eye(6, dtype=np.float32)
CPU = {"device": "cpu"}


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


def propose(rows: pl.DataFrame, vectors: np.ndarray, **settings: float) -> pl.DataFrame:
    return check_table(propose_labels(rows, vectors, AXES, LABELS, ProposeConfig(**CPU, **settings)), PROPOSALS)


def test_scores_are_the_softmax_over_all_labels() -> None:
    vectors = pictures({0: 1, 1: 0.5}, {2: 1, 3: 0.9}, {5: -1})
    table = propose(rows_of(None, None, None), vectors, logit_scale=7.0, top_count=3)
    logits = 7 * vectors.astype(np.float64) @ AXES.T
    full = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    best = -np.sort(-full, axis=1)
    np.testing.assert_allclose(table["score"], best[:, 0], rtol=1e-5)
    np.testing.assert_allclose(table["margin"], best[:, 0] - best[:, 1], atol=1e-6)
    np.testing.assert_allclose(table["top_scores"].to_list(), best[:, :3], rtol=1e-5)
    assert table["top_wnids"][0].to_list()[:2] == [LABELS[0].wnid, LABELS[1].wnid]


def test_large_scales_neither_overflow_nor_exceed_one() -> None:
    table = propose(rows_of(None), pictures({0: 1}), logit_scale=10_000.0)
    assert table["score"].to_list() == [1.0]


def test_the_picture_alone_decides_where_it_is_clear() -> None:
    table = propose(rows_of(LABELS[3].wnid), pictures({0: 1}))
    assert table.select("wnid", "class_index", "status").row(0) == (LABELS[0].wnid, 4, "ok")
    assert table["agrees_with_caption"].to_list() == [False]


def test_an_unclear_picture_says_why() -> None:
    close = pictures({0: 1, 1: 0.999})
    table = propose(rows_of(None, LABELS[5].wnid), np.concatenate([close, close]), top_count=2, min_score=0.4)
    assert table["status"].to_list() == ["unclear", "unclear"]
    assert table["wnid"].is_null().all()
    assert table["class_index"].is_null().all()
    assert table["reason"].to_list() == [
        "two classes are too close to each other; the caption names none",
        "two classes are too close to each other; the picture does not support the caption's class",
    ]
    assert "no class is probable" in propose(rows_of(None), close, min_score=0.9)["reason"][0]


def test_a_supported_caption_decides() -> None:
    close = pictures({0: 1, 1: 0.999})
    table = propose(rows_of(LABELS[1].wnid), close)
    assert table.select("wnid", "status", "agrees_with_caption").row(0) == (LABELS[1].wnid, "ok", False)
    assert table["top_wnids"][0][0] == LABELS[0].wnid
    assert propose(rows_of(LABELS[1].wnid), close, agree_min_score=0.6)["status"].to_list() == ["unclear"]


def test_a_search_that_found_the_picture_supports_its_caption() -> None:
    vectors = pictures({0: 1, 1: 0.999, 2: 0.99})
    rows, config = rows_of(LABELS[2].wnid), ProposeConfig(top_count=2, min_score=0.9, **CPU)
    hit = {"class_index": [517], "wnid": [LABELS[2].wnid], "candidate_id": ["c0"], "cosine": [0.5], "rank": [0]}
    hits = pl.DataFrame(hit).cast(dict(HITS.schema))
    without = propose_labels(rows, vectors, AXES, LABELS, config, hits=HITS.empty())
    assert without["status"].to_list() == ["unclear"]
    assert propose_labels(rows, vectors, AXES, LABELS, config, hits=hits)["wnid"].to_list() == [LABELS[2].wnid]


def test_a_caption_of_a_class_not_searched_decides_nothing() -> None:
    table = propose(rows_of(read_labels()[999].wnid), pictures({0: 1, 1: 0.999}), min_score=0.6)
    assert table["status"].to_list() == ["unclear"]
    assert table["agrees_with_caption"].to_list() == [False]


@settings(max_examples=30, deadline=None)
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
        propose_labels(rows, vectors, AXES[:1], LABELS[:1], ProposeConfig())
    with pytest.raises(BadInput, match="min_score is 40"):
        propose(rows, vectors, min_score=40)
    with pytest.raises(BadInput, match="one encoder"):
        propose_labels(rows, vectors[:, :5], AXES, LABELS, ProposeConfig(**CPU))
