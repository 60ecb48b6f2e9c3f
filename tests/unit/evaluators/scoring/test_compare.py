"""Paired differences, scores by class, and reasons to doubt a set: laws, and answers that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import fit_gaussian, score_frechet
from relaionet.evaluators.metrics.frechet_infinity import score_infinity
from relaionet.evaluators.metrics.lookup import is_lower_better
from relaionet.evaluators.scoring.by_class import score_classes
from relaionet.evaluators.scoring.compare import compare_sets, correct_holm
from relaionet.evaluators.scoring.influences import keep_influences, read_influences, write_influences
from relaionet.evaluators.scoring.measure import measure_set
from relaionet.evaluators.scoring.score import Setting
from relaionet.evaluators.scoring.warnings import find_warnings
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables import CLASS_SCORES, DIFFERENCES, check_table
from tests.depth import deep
from tests.unit.evaluators.scoring.test_score import CLASSES, make_set

SETTING = Setting(generator="g", split="s")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=deep(60), deadline=None)
def test_holms_correction_keeps_the_order_and_never_lowers(values: list[float]) -> None:
    p = np.array(values)
    corrected = correct_holm(p)
    assert (corrected >= p).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()
    assert corrected.min() == pytest.approx(min(1, p.min() * len(p)))


def test_holms_correction_of_a_known_family() -> None:
    np.testing.assert_allclose(correct_holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_sets_that_do_not_differ_are_found_to_differ_as_often_as_they_may(tmp_path: Path) -> None:
    """Two sets of one distribution, 200 times: p < 0.05 in about 5 %; a shared request effect narrows the interval."""
    reference, found, shared = make_set(100, seed=5000), [], []
    for seed in range(200):
        one, two = make_set(100, seed=2 * seed, noise=1.3), make_set(100, seed=2 * seed + 1, noise=1.3)
        easy = np.random.default_rng(9000 + seed).normal(size=100) * 0.2
        paired = [replace(x, cosines={"CLIP Score": x.cosines["CLIP Score"] + easy}) for x in (one, two)]
        kept = [keep_influences(measure_set(x, reference), name) for x, name in zip(paired, "ab", strict=True)]
        rows = compare_sets(kept, "s")
        found.append(dict(rows.select("metric", "p_value").iter_rows()))
        row = rows.filter(metric="CLIP Score").row(0, named=True)
        alone = [x.estimates["CLIP Score"].standard_error(x.wnids) for x in kept]
        shared.append((row["high"] - row["low"]) / 3.92 / np.hypot(*alone))
    for metric in ("FD", "IS", "CLIP Score", "csFD", "KD"):
        often = np.mean([one[metric] < 0.05 for one in found])
        assert 0.005 <= often <= 0.1, (metric, often)
    assert np.mean(shared) < 0.5


def mix(one: Estimate, order: np.ndarray) -> Estimate:
    """The same of the images in another order."""
    pairs = one.pairs and replace(one.pairs, rows=np.argsort(order)[one.pairs.rows])
    return replace(one, influence=one.influence[order], pairs=pairs)


def test_differences_follow_the_request_and_not_the_row(tmp_path: Path) -> None:
    one, two = (keep_influences(measure_set(make_set(seed=seed), make_set(seed=9)), str(seed)) for seed in (1, 2))
    order = np.random.default_rng(0).permutation(len(two.ids))
    mixed = replace(
        two,
        ids=tuple(two.ids[row] for row in order),
        wnids=tuple(two.wnids[row] for row in order),
        estimates={name: mix(x, order) for name, x in two.estimates.items()},
    )
    rows, again = compare_sets([one, two], "s"), compare_sets([one, mixed], "s")
    check_table(rows, DIFFERENCES)
    assert rows["p_value"].to_list() == pytest.approx(again["p_value"].to_list(), rel=1e-9)
    write_influences(tmp_path / "a.npz", one)
    stored = compare_sets([read_influences(tmp_path / "a.npz"), two], "s")
    assert stored["difference"].to_list() == pytest.approx(rows["difference"].to_list(), rel=1e-6)
    assert stored["low"].to_list() == pytest.approx(rows["low"].to_list(), rel=1e-4, abs=1e-6)
    fewer = replace(two, ids=("x", *two.ids[1:]))
    assert compare_sets([one, fewer], "s").is_empty()  # nobody is there to score them on what both answered
    assert compare_sets([], "s").is_empty()
    with pytest.raises(BadInput, match="different protocols"):
        compare_sets([one, replace(two, protocol="paper")], "s")
    (tmp_path / "a.npz").write_bytes(b"x")
    with pytest.raises(Corrupt, match="no influences"):
        read_influences(tmp_path / "a.npz")


def test_each_class_scores_what_it_scores_alone() -> None:
    ours, reference = make_set(seed=1, noise=1.3), make_set(seed=2)
    rows = check_table(score_classes(measure_set(ours, reference), SETTING), CLASS_SCORES)
    for wnid in CLASSES:
        places = [row for row, own in enumerate(ours.wnids) if own == wnid]
        alone = score_frechet(ours.features[places], fit_gaussian(reference.features[places])).value
        assert rows.filter(part=wnid, metric="FD")["value"][0] == pytest.approx(alone, rel=1e-9)
    assert rows["n"].unique().to_list() == [40]
    groups = score_classes(measure_set(ours, reference), SETTING, dict.fromkeys(CLASSES, "all"))
    whole = {name: x.value for name, x in measure_set(ours, reference).estimates.items()}
    for name, value in groups.select("metric", "value").iter_rows():
        if name != "KD":  # by class in the whole, plain in a part
            assert value == pytest.approx(whole[name], rel=1e-9), name
    with pytest.raises(BadInput, match="has a group"):
        score_classes(measure_set(ours, reference), SETTING, {})


def test_a_class_of_one_image_has_no_distance_and_no_interval() -> None:
    ours, reference = make_set(11, seed=1), make_set(11, seed=2)
    rows = score_classes(measure_set(ours, reference), SETTING).filter(pl.col("n") == 2)
    assert rows.filter(metric="FD").height == 4
    few = ours.take([0, 1, 2, 3, 4, 5]), reference.take([0, 1, 2, 3, 4, 5])
    alone = score_classes(measure_set(*few), SETTING).filter(pl.col("n") == 1)
    assert set(alone["metric"]) == {"IS", "CLIP Score", "accuracy"}


def test_doubts_are_said_where_there_is_reason_and_not_elsewhere() -> None:
    reference, fine = make_set(seed=2), make_set(seed=1)
    assert find_warnings(fine, reference) == []
    few = fine.take(range(20))
    assert any("20 images in 16 dimensions" in text for text in find_warnings(few, reference))
    uneven = fine.take([row for row in range(200) if row % 5 == 0 or row < 20])
    assert any("classes are uneven" in text for text in find_warnings(uneven, reference))
    repeats = replace(fine, features=fine.features[np.arange(200) % 100])
    assert any("100.0 %" in text and "repeats itself" in text for text in find_warnings(repeats, reference))
    learnt = np.concatenate([reference.features[:50] + 1e-4, fine.features[50:]])
    assert any(
        "25.0 %" in text and "trained on" in text for text in find_warnings(replace(fine, features=learnt), reference)
    )


def test_sets_made_with_other_models_are_refused() -> None:
    ours, reference = make_set(seed=1), make_set(seed=2)
    with pytest.raises(BadInput, match="different models or choices"):
        measure_set(replace(ours, made_with={"": "a"}), replace(reference, made_with={"": "b"}))
    with pytest.raises(BadInput, match="different models or choices"):
        measure_set(replace(ours, made_with={"": "a", "sFID": "x"}), replace(reference, made_with={"": "a"}))


def test_directions_of_all_forms_of_distance() -> None:
    for name in ("FID", "csFID (relative)", "FD∞", "CMMD", "FD:encoder:x", "FID to adm", "sFID"):
        assert is_lower_better(name), name
    for name in ("IS", "csIS (relative)", "precision", "PickScore", "top-5", "my rater"):
        assert not is_lower_better(name), name


def test_a_difference_without_bias_leaves_out_the_reference_both_share() -> None:
    """FD∞ of two sets against one reference, all three drawn anew: the error of the difference is what it varies by."""
    differences, errors, alone = [], [], []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        real = rng.normal(size=(300, 8))
        one, two = (score_infinity(rng.normal(size=(300, 8)) * spread + 0.3, real) for spread in (1.2, 1.3))
        apart = Estimate(one.value - two.value, one.influence - two.influence, excess=one.excess + two.excess)
        differences.append(apart.value)
        errors.append(apart.standard_error())
        alone.append(np.hypot(one.standard_error(), two.standard_error()))
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.35)
    assert np.mean(errors) < 0.9 * np.mean(alone)
