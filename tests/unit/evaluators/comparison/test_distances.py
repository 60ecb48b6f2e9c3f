"""Distances of two sets: equal to plain forms, symmetric, unbiased, and with intervals that hold closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import scipy.linalg

from relaionet.evaluators.comparison.compare import CompareConfig, compare_pair
from relaionet.evaluators.comparison.draws import DrawConfig, draw_equal_mix
from relaionet.evaluators.comparison.geometry import measure_density, measure_rank, measure_similarity
from relaionet.evaluators.comparison.sets import ComparedSet
from relaionet.manifests.errors import BadInput
from tests.depth import deep
from tests.unit.evaluators.comparison.worlds import ONE_DRAW, World, make_set, plain_kernel, wnids

FAST = CompareConfig(draw=DrawConfig(draws=2), mix="equal")


def value_of(rows: pl.DataFrame, metric: str, about: str = "both", part: str = "", mix: str = "equal") -> dict:
    return rows.filter(metric=metric, about=about, part=part, mix=mix).row(0, named=True)


def test_every_number_equals_a_plain_form_of_it() -> None:
    one, other = World(4, 6, shift=0.3, noise=1.2).draw((9, 9), 1)
    rows = compare_pair(one, other, CompareConfig(draw=ONE_DRAW, mix="equal")).rows
    x, y = (side.features["made"].astype(np.float64) for side in (one, other))
    a, b = np.cov(x.T), np.cov(y.T)
    root = scipy.linalg.sqrtm(a @ b).real
    frechet = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * root)
    assert value_of(rows, "FD")["value"] == pytest.approx(frechet, rel=1e-6)
    classes = [plain_kernel(x[start : start + 9], y[start : start + 9]) for start in range(0, 36, 9)]
    assert value_of(rows, "class KD")["value"] == pytest.approx(np.mean(classes), rel=1e-9)
    for wnid, value in zip(wnids(4), classes, strict=True):
        assert value_of(rows, "class KD", part=wnid)["value"] == pytest.approx(value, rel=1e-9)
        assert value_of(rows, "class KD", part=wnid)["n"] == 9
    for about, points, covariance in (("A", x, a), ("B", y, b)):
        apart = np.linalg.norm(points[:, None] - points, axis=-1)
        assert value_of(rows, "log density", about)["value"] == pytest.approx(
            -np.log(np.sort(apart, axis=1)[:, 3]).mean(), rel=1e-5
        )
        shares = np.linalg.eigvalsh(covariance) / np.trace(covariance)
        assert value_of(rows, "effective rank", about)["value"] == pytest.approx(
            np.exp(-(shares * np.log(shares)).sum()), rel=1e-6
        )
        units = points / np.linalg.norm(points, axis=1, keepdims=True)
        cosines = [
            (block := units[at : at + 9] @ units[at : at + 9].T).sum() - np.trace(block) for at in range(0, 36, 9)
        ]
        assert value_of(rows, "similarity", about)["value"] == pytest.approx(np.mean(cosines) / 72, rel=1e-6)
    inside = np.linalg.norm(x[:, None] - y, axis=-1) <= np.sort(np.linalg.norm(y[:, None] - y, axis=-1), axis=1)[:, 3]
    assert value_of(rows, "precision")["value"] == pytest.approx(inside.any(axis=1).mean())


def test_exchanging_the_sets_exchanges_a_and_b_and_nothing_else() -> None:
    one, other = World(5, 8, shift=0.2).draw((6, 11), 3)
    there, back = (compare_pair(*pair, FAST).rows for pair in ((one, other), (other, one)))
    named = {"A": "B", "B": "A"}
    crossed = {"precision": "recall", "recall": "precision"}
    assert there.height == back.height
    for row in there.iter_rows(named=True):
        about, metric = named.get(row["about"], row["about"]), crossed.get(row["metric"], row["metric"])
        found = value_of(back, metric, about, row["part"])
        sign = -1 if about == "A − B" else 1
        assert found["value"] == sign * row["value"]
        assert (found["low"], found["high"]) == (
            (row["low"], row["high"]) if sign == 1 else (-row["high"], -row["low"])
        )
        assert (found["n"], found["floor"], found["one"]) == (row["n"], row["floor"], row["other"])


def test_the_order_of_rows_changes_no_number() -> None:
    one, other = World(4, 8, shift=0.2).draw((5, 9), 4)
    order = np.random.default_rng(0).permutation(len(one.ids))
    turned = ComparedSet(
        name=one.name, digest=one.digest, ids=[one.ids[row] for row in order], wnids=[one.wnids[row] for row in order],
        keys=[one.keys[row] for row in order], features={"made": one.features["made"][order]},
    )  # fmt: skip
    assert compare_pair(one, other, FAST).rows.equals(compare_pair(turned, other, FAST).rows)


def test_a_set_against_itself_is_not_told_apart_from_itself() -> None:
    one, _ = World(8, 16).draw((12, 12), 5)
    found = compare_pair(one, one, CompareConfig(draw=DrawConfig(draws=3)))
    for row in found.rows.filter(part="").iter_rows(named=True):
        if row["metric"] in ("KD", "class KD") or row["about"] == "A − B":
            assert row["low"] <= 0 <= row["high"], row
        if row["metric"] == "FD":
            assert row["low"] <= row["floor"] <= row["high"] or row["value"] < row["floor"]
    assert any("96 pictures are in both sets" in line for line in found.drawn)
    assert value_of(found.rows, "KD")["n"] == 48


def test_shuffled_classes_leave_the_whole_where_it_was_and_part_the_classes() -> None:
    one, other = World(10, 16, shift=0.1).draw((12, 15), 6)
    mixed = np.random.default_rng(1).permutation(one.wnids).tolist()
    shuffled = make_set(one.features["made"], mixed, "shuffled")
    plain, turned = (compare_pair(side, other, FAST).rows for side in (one, shuffled))
    for metric in ("FD", "KD"):
        found = value_of(turned, metric)
        assert found["low"] <= value_of(plain, metric)["value"] <= found["high"]
    assert value_of(turned, "class KD")["low"] > value_of(plain, "class KD")["high"]


@pytest.mark.parametrize(
    ("world", "per_class", "draws"),
    [
        (World(20, 8), (2, 3), 3),
        (World(20, 8, shift=0.4, noise=1.1), (3, 3), 1),
        (World(6, 12, class_shift=0.3), (12, 20), 2),
    ],
    ids=["the same, two pictures a class", "shifted, three pictures a class", "every class moved on its own"],
)
def test_intervals_hold_the_closed_forms(world: World, per_class: tuple[int, int], draws: int) -> None:
    """Of many worlds drawn anew; a plain 95 % would let 60 of 60 miss none or up to 8 by chance alone."""
    times, held, values = deep(60), {"KD": 0, "class KD": 0}, {"KD": [], "class KD": []}
    truth = {"KD": world.kernel_distance(), "class KD": world.class_distance()}
    config = CompareConfig(draw=DrawConfig(draws=draws), mix="equal")
    for seed in range(times):
        rows = compare_pair(*world.draw(per_class, seed), config).rows
        for metric, answer in truth.items():
            row = value_of(rows, metric)
            held[metric] += row["low"] <= answer <= row["high"]
            values[metric].append(row["value"])
    for metric, answer in truth.items():
        assert held[metric] >= 0.86 * times, (metric, held)
        error = np.std(values[metric]) / np.sqrt(times)
        assert abs(np.mean(values[metric]) - answer) < 4 * error, metric


@pytest.mark.parametrize(
    "find",
    [measure_density, measure_rank, lambda rows: measure_similarity(rows, ["n1"] * len(rows))[0]],
    ids=["density", "rank", "similarity"],
)
def test_intervals_of_shapes_are_as_wide_as_new_draws_differ(find) -> None:
    spread = 3 / np.sqrt(1 + np.arange(12))
    found = [find(np.random.default_rng(seed).normal(size=(80, 12)) * spread + 1) for seed in range(deep(80))]
    differ = np.std([one.value for one in found])
    said = np.sqrt(np.mean([one.standard_error() ** 2 for one in found]))
    assert 0.8 * differ < said < 1.4 * differ


def test_two_pictures_of_a_class_have_an_interval_together_and_none_alone() -> None:
    rng = np.random.default_rng(2)
    rows = compare_pair(
        *(make_set(rng.normal(size=(20, 6)) + 1, np.repeat(wnids(10), 2).tolist(), name) for name in "ab"), FAST
    ).rows
    whole, single = value_of(rows, "similarity", "A"), value_of(rows, "similarity", "A", wnids(1)[0])
    assert whole["low"] < whole["value"] < whole["high"]
    assert single["low"] is None
    assert single["method"] == "no interval"


def test_what_one_set_lacks_is_said_and_left_out() -> None:
    rng, names = np.random.default_rng(3), wnids(4)
    one = make_set(rng.normal(size=(13, 5)), [names[0]] * 6 + [names[1]] * 6 + [names[2]], "one")
    other = make_set(rng.normal(size=(14, 5)), [names[0]] * 5 + [names[2]] * 4 + [names[3]] * 5, "other")
    found = compare_pair(one, other)
    assert dict(found.counts) == {names[0]: 5}
    said = " ".join(found.lacks)
    assert "1 class of 6 pictures in one alone" in said
    assert "1 class of 5 pictures in other alone" in said
    assert "1 class that both sets have with fewer than 2 pictures" in said
    assert value_of(found.rows, "KD")["n"] == 5
    assert value_of(found.rows, "KD", mix="any")["n"] == 13


def test_sets_that_cannot_be_compared_are_refused_in_words() -> None:
    rng, names = np.random.default_rng(4), wnids(8)
    one, other = (make_set(rng.normal(size=(8, 5)), names[at : at + 1] * 8, f"s{at}") for at in (0, 1))
    with pytest.raises(BadInput, match="no class is in both"):
        compare_pair(one, other, CompareConfig(mix="equal"))
    found = compare_pair(one, other)
    assert set(found.rows["mix"]) == {"any"}
    assert "no class is in both sets" in found.lacks[-1]
    singles = [make_set(rng.normal(size=(8, 5)), names, f"t{at}") for at in (0, 1)]
    with pytest.raises(BadInput, match="none with 2 pictures to draw on each side"):
        compare_pair(*singles, CompareConfig(mix="equal"))
    with pytest.raises(BadInput, match="too few"):
        compare_pair(make_set(rng.normal(size=(3, 5)), names[:3], "few"), one)
    with pytest.raises(BadInput, match="no representation"):
        compare_pair(one, replace(other, features={"another": other.features["made"]}))


def test_drawing_from_more_pictures_narrows_the_interval() -> None:
    """What the second set has beyond the draw's size counts, as its draws differ."""
    world = World(5, 8, shift=0.5)
    one, other = world.draw((10, 60), 7)
    few = draw_equal_mix(one.labelled, other.labelled, ONE_DRAW)
    assert few.n == 50
    widths = []
    for draws in (1, 6):
        row = value_of(compare_pair(one, other, CompareConfig(draw=DrawConfig(draws=draws), mix="equal")).rows, "KD")
        widths.append(row["high"] - row["low"])
    assert widths[1] < widths[0]
