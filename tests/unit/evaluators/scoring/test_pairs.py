"""Differences of two sets where they are alike, where one lacks images, and where nothing was seen to vary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import Gaussian, fit_gaussian, score_frechet
from relaionet.evaluators.metrics.kernel import score_cmmd, score_kernel
from relaionet.evaluators.metrics.pairs import subtract_pairs
from relaionet.evaluators.protocols import find_protocol
from relaionet.evaluators.scoring.compare import compare_metric, compare_sets, compare_shares
from relaionet.evaluators.scoring.influences import Influences, keep_influences, read_influences, write_influences
from relaionet.evaluators.scoring.measure import measure_set
from relaionet.evaluators.scoring.mmhm import score_board
from relaionet.evaluators.scoring.score import Setting, list_scores
from tests.depth import deep
from tests.unit.evaluators.scoring.test_score import make_set

COUNT, DIM = 120, 24
CLASSES = tuple(f"c{row % 4}" for row in range(COUNT))
IDS = [str(row) for row in range(COUNT)]


def keep(label: str, **estimates: Estimate) -> Influences:
    return Influences(label, "paper", IDS[: len(next(iter(estimates.values())).influence)], CLASSES, estimates)


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((COUNT, DIM))


@pytest.fixture(scope="module")
def gaussian(reference: np.ndarray) -> Gaussian:
    return fit_gaussian(reference)


def draw_alike(own: float, shift: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Two sets that share what their seeds make; by symmetry neither is better."""
    for seed in range(150):
        rng = np.random.default_rng(1 + seed)
        base = rng.standard_normal((COUNT, DIM)) + shift
        yield base + own * rng.standard_normal((COUNT, DIM)), base + own * rng.standard_normal((COUNT, DIM))


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("metric", ["FD", "KD", "CMMD"])
def test_alike_sets_are_told_apart_no_more_often_than_they_may(
    metric: str, shift: float, reference: np.ndarray, gaussian: Gaussian
) -> None:
    def score(rows: np.ndarray) -> Estimate:
        if metric == "FD":
            return score_frechet(rows, gaussian, classes=CLASSES)
        if metric == "KD":
            return score_kernel(rows, reference, strata=CLASSES)
        return score_cmmd(rows / np.linalg.norm(rows, axis=1, keepdims=True), reference, strata=CLASSES)

    found = []
    for one, two in draw_alike(0.1, shift):
        found.append(compare_metric(keep("a", x=score(one)), keep("b", x=score(two)), "x"))
    often = np.mean([one.p_value < 0.05 for one in found])
    errors = np.mean([one.high - one.low for one in found]) / 3.92
    assert 0.005 <= often <= 0.1
    assert errors == pytest.approx(np.std([one.difference for one in found]), rel=0.2)


def test_what_both_have_falls_out_of_the_excess_of_a_difference(gaussian: Gaussian) -> None:
    one, two = next(draw_alike(0.1, 0.0))
    first, second = score_frechet(one, gaussian), score_frechet(two, gaussian)
    order = np.arange(COUNT)
    apart = subtract_pairs(first.pairs, second.pairs, order)
    assert apart is not None
    assert apart.excess(COUNT) < 0.05 * (first.excess + second.excess)
    itself = subtract_pairs(first.pairs, first.pairs, order)
    assert itself is not None
    assert itself.excess(COUNT) == 0
    assert subtract_pairs(first.pairs, None, order) is None


def test_the_order_of_the_images_changes_no_difference(tmp_path, gaussian: Gaussian) -> None:
    one, two = next(draw_alike(0.4, 0.2))
    kept = [keep(name, FD=score_frechet(x, gaussian, classes=CLASSES)) for name, x in (("a", one), ("b", two))]
    order = np.random.default_rng(3).permutation(COUNT)
    classes = tuple(CLASSES[row] for row in order)
    mixed = Influences(
        "b", "paper", [IDS[row] for row in order], classes,
        {"FD": score_frechet(two[order], gaussian, classes=classes)},
    )  # fmt: skip
    straight, turned = compare_sets(kept, "s"), compare_sets([kept[0], mixed], "s")
    for column in ("difference", "low", "high", "p_value"):
        # of more images than pairs are kept for, other pairs stand for all
        assert turned[column][0] == pytest.approx(straight[column][0], rel=0.02, abs=1e-3)
    write_influences(tmp_path / "a.npz", kept[0])
    again = compare_sets([read_influences(tmp_path / "a.npz"), kept[1]], "s")
    for column in ("difference", "low", "high", "p_value"):
        assert again[column][0] == pytest.approx(straight[column][0], rel=1e-4, abs=1e-6)


def test_sets_are_compared_on_the_requests_both_answered() -> None:
    reference = make_set(seed=2)
    images = {"a": make_set(seed=1), "b": make_set(seed=3, noise=1.4).take(range(1, 200)), "c": make_set(seed=4)}
    sets = [keep_influences(measure_set(x, reference), name) for name, x in images.items()]
    asked: list[tuple[str, int]] = []

    def rescore(label: str, ids: frozenset[str]) -> Influences:
        asked.append((label, len(ids)))
        own = images[label]
        return keep_influences(
            measure_set(own.take([row for row, name in enumerate(own.ids) if name in ids]), reference), label
        )

    rows = compare_sets(sets, "s", rescore).filter(metric="FD")
    assert dict(rows.select(pl.concat_str("one", "other"), "n").iter_rows()) == {"ab": 199, "ac": 200, "bc": 199}
    assert sorted(asked) == [("a", 199), ("c", 199)]  # once each, and the set that lacks an image as it is
    cut = measure_set(images["a"].take(range(1, 200)), reference).estimates["FD"].value
    apart = cut - sets[1].estimates["FD"].value
    assert rows.row(0, named=True)["difference"] == pytest.approx(apart, rel=1e-9)
    assert compare_sets(sets, "s")["one"].unique().to_list() == ["a"]  # and nobody to score them anew: left out
    assert compare_sets(sets, "s")["other"].unique().to_list() == ["c"]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60))
@settings(max_examples=deep(100), deadline=None)
def test_shares_are_compared_exactly(both: list[tuple[bool, bool]]) -> None:
    one, two = np.array(both).T
    found, turned = compare_shares(one, two), compare_shares(two, one)
    more, fewer = int((one & ~two).sum()), int((two & ~one).sum())
    wanted = binomtest(more, more + fewer).pvalue if more + fewer else 1.0
    assert found.p_value == pytest.approx(wanted, rel=1e-9)
    assert found.difference == pytest.approx(one.mean() - two.mean())
    assert found.low <= found.difference <= found.high
    assert (turned.difference, turned.low, turned.high) == pytest.approx((-found.difference, -found.high, -found.low))


def test_all_right_against_all_wrong_of_four_images_proves_little() -> None:
    right, wrong = (Estimate(value, np.zeros(4), "fraction") for value in (1.0, 0.0))
    found = compare_metric(keep("a", accuracy=right), keep("b", accuracy=wrong), "accuracy")
    assert found.p_value == pytest.approx(2 * 0.5**4)
    assert found.low < 0.5  # not 1 to 1


@pytest.mark.parametrize("count", [3, 8, 40])
def test_where_nothing_varied_there_is_no_interval_and_no_p_of_zero(count: int) -> None:
    one, two = Estimate(5.0, np.zeros(count)), Estimate(4.0, np.zeros(count))
    found = compare_metric(
        replace(keep("a", rating=one), wnids=("c",) * count), replace(keep("b", rating=two), wnids=("c",) * count),
        "rating",
    )  # fmt: skip
    assert (found.difference, found.p_value) == (1.0, 2.0 ** (2 - count))
    assert np.isnan([found.low, found.high]).all()
    same = compare_metric(*(replace(keep(name, rating=one), wnids=("c",) * count) for name in "ab"), "rating")
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)


def board_of(noises: dict[str, float]) -> tuple[pl.DataFrame, list[Influences]]:
    reference, sets, scores = make_set(seed=2), [], []
    for seed, (name, noise) in enumerate(noises.items()):
        ours = make_set(seed=10 + seed, noise=noise, cosine=0.3 - 0.1 * (noise - 1))
        measured = measure_set(ours, reference)
        sets.append(keep_influences(measured, name))
        scores.append(list_scores(measured, Setting(generator=name, split="s")))
    return pl.concat(scores), sets


def test_mmhm_has_differences_and_ties_like_every_metric() -> None:
    protocol = replace(find_protocol("miniature"), name=make_set(seed=1).protocol.name)
    scores, sets = board_of({"good": 1.0, "as good": 1.0, "worse": 1.6, "worst": 2.5})
    mmhm, differences = score_board(scores, sets, protocol, split="s")
    rows = {(one["one"], one["other"]): one for one in differences.filter(metric="MMHM").iter_rows(named=True)}
    assert len(rows) == 6
    assert rows["good", "as good"]["p_holm"] > 0.05
    assert rows["good", "worst"]["p_holm"] < 0.05
    values = dict(mmhm.select("generator", "value").iter_rows())
    for (one, other), row in rows.items():
        assert row["difference"] == pytest.approx(values[one] - values[other])
        assert row["low"] <= row["difference"] <= row["high"]
        assert row["n"] == 200
    turned, again = score_board(scores[::-1], sets[::-1], protocol, split="s")
    assert dict(turned.select("generator", "value").iter_rows()) == pytest.approx(values)
    for row in again.filter(metric="MMHM").iter_rows(named=True):
        straight = rows[row["other"], row["one"]]
        assert row["difference"] == pytest.approx(-straight["difference"])
        assert row["low"] == pytest.approx(-straight["high"], abs=0.03)
    # a set of other requests has an MMHM, and is compared with none
    fewer = [*sets[:3], replace(sets[3], ids=[f"other {row}" for row in range(200)])]
    assert score_board(scores, fewer, protocol, split="s")[1].filter(metric="MMHM").height == 3
