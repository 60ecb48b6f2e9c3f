"""Accuracy over images of several classes: any of them is right, none leaves the image out, as a plain count has it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.evaluators.features.feature_sets import join_shown
from relaionet.evaluators.metrics.accuracy import CHUNK_ROWS, score_accuracy, score_predictions
from relaionet.evaluators.scoring.by_class import score_classes
from relaionet.evaluators.scoring.measure import match_rows, measure_set
from relaionet.evaluators.scoring.score import Setting, score_generator, score_real
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from tests.depth import deep
from tests.unit.evaluators.scoring.test_score import CLASSES, make_set, values

WNIDS = [label.wnid for label in read_labels()]


def count_plainly(logits, sets, classes, top):
    """Right and counted images, one at a time."""
    right = counted = 0
    for row, shown in zip(logits, sets, strict=True):
        known = [wnid for wnid in shown if wnid in classes]
        if known:
            order = sorted(range(len(classes)), key=lambda place: (-row[place], place))
            counted += 1
            right += any(classes[place] in known for place in order[:top])
    return right, counted


@settings(max_examples=deep(50), deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcdez"), max_size=4, unique=True), min_size=1, max_size=40),
    st.integers(0, 1000),
    st.sampled_from([1, 2, 5]),
)
def test_accuracy_of_sets_equals_a_plain_count(sets, seed, top):
    logits = np.random.default_rng(seed).integers(0, 4, (len(sets), 5)).astype(np.float32)  # with ties
    right, counted = count_plainly(logits, sets, "abcde", top)
    found = score_accuracy(logits, sets, "abcde", top=top)
    if not counted:
        assert found is None
        return
    assert found.value == pytest.approx(right / counted)
    left_out = [not set(some) & set("abcde") for some in sets]
    assert found.influence[left_out].tolist() == [0] * sum(left_out)
    assert found.influence.sum() == pytest.approx(0, abs=1e-9)


def test_a_set_of_one_is_the_class_alone():
    rng = np.random.default_rng(2)
    logits, wnids = rng.normal(size=(CHUNK_ROWS + 77, 5)), rng.choice(list("abcdez"), CHUNK_ROWS + 77).tolist()
    alone, sets = (score_accuracy(logits, names, "abcde") for names in (wnids, [(name,) for name in wnids]))
    assert (alone.value, alone.interval()) == (sets.value, sets.interval())
    assert np.array_equal(alone.influence, sets.influence)
    twice = score_accuracy(logits, [(name, name) for name in wnids], "abcde")
    assert twice.value == alone.value


def with_shown(images, further):
    """The set with a further class in every second row."""
    shown = tuple(tuple(sorted({wnid, further})) if place % 2 else (wnid,) for place, wnid in enumerate(images.wnids))
    return images.__class__(**{**images.__dict__, "shown": shown, "digest": images.digest + " several"})


def test_an_evaluation_counts_any_class_of_a_row_and_a_part_says_how():
    samples, reference = make_set(60, seed=1, noise=8.0), make_set(60, seed=2)
    plain = values(score_generator(samples, reference, generator="g", split="s"))
    several = with_shown(samples, CLASSES[0])
    found = values(score_generator(several, with_shown(reference, CLASSES[0]), generator="g", split="s"))
    expected = np.mean([
        CLASSES[row.argmax()] in shown for row, shown in zip(samples.logits, several.shown, strict=True)
    ])  # fmt: skip
    assert found["accuracy"] == pytest.approx(expected)
    assert found["accuracy"] > plain["accuracy"]
    assert {name: value for name, value in found.items() if name != "accuracy"} == {
        name: value for name, value in plain.items() if name != "accuracy"
    }
    assert values(score_real(several, "s"))["accuracy"] == pytest.approx(expected)
    parts = score_classes(measure_set(several, reference), Setting(generator="g", split="s")).filter(metric="accuracy")
    assert parts["n"].sum() == 60, "by class a row counts once, under its label"
    assert (parts["value"] * parts["n"]).sum() / 60 == pytest.approx(expected)


def test_sets_follow_their_images():
    several = with_shown(make_set(20), CLASSES[0])
    some = several.take([3, 0, 7])
    assert some.shown == (several.shown[3], several.shown[0], several.shown[7])
    assert make_set(20).take([1]).shown is None
    fewer, _ = match_rows(several.take(range(5, 15)), make_set(20))
    assert fewer.shown == several.shown[5:15]
    made = pl.DataFrame({"sample_id": [several.ids[1], f"{several.ids[1]}-2", several.ids[2]], "wnid": ["x"] * 3})
    assert join_shown(made, several)["wnids"].to_list() == [list(several.shown[place]) for place in (1, 1, 2)]
    assert join_shown(made, make_set(20)).columns == made.columns


@settings(max_examples=deep(50), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.sets(st.integers(0, 9), max_size=4)), min_size=1, max_size=60))
def test_predictions_by_class_equal_a_plain_count(rows):
    guesses, sets = [guess for guess, _ in rows], [{WNIDS[one] for one in some} for _, some in rows]
    counted = [(WNIDS[guess], some) for guess, some in zip(guesses, sets, strict=True) if some]
    if not counted:
        with pytest.raises(BadInput, match="has a class"):
            score_predictions(guesses, sets)
        return
    found = score_predictions(guesses, sets)
    assert found.value == pytest.approx(sum(guess in some for guess, some in counted) / len(counted))
    assert (found.images_count, found.left_out_count) == (len(counted), len(rows) - len(counted))
    for row in found.by_class.to_dicts():
        here = [guess in some for guess, some in counted if row["wnid"] in some]
        assert (row["value"], row["images_count"]) == (pytest.approx(np.mean(here)), len(here))
        assert row["low"] <= row["value"] <= row["high"]
    assert set(found.by_class["wnid"]) == set().union(*sets)
    names = score_predictions(np.array(guesses), [sorted(some) for some in sets])
    assert names.value == found.value
    assert names.by_class.equals(found.by_class)
