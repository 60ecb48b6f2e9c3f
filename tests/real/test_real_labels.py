"""ReaL's own votes and labels: multi-label accuracy as a plain count has it, and sets settled as ours are."""

import json

import numpy as np
import pytest

from relaionet.evaluators.metrics.accuracy import score_accuracy, score_predictions
from relaionet.manifests.labels import read_labels
from relaionet.pipeline.adoption.real_labels import read_real_labels
from tests.measure.labels.sets import MAYBE, compare_sets, read_pictures, right_by_experts, settle_sets
from tests.measure.real_votes import FOLDER, read_real_votes

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/real"),
]

WNIDS = [label.wnid for label in read_labels()]
TOLERANCE = 1e-12


@pytest.fixture(scope="module")
def voted():
    """(scores [N, 1000] of the images that were voted on, their numbers); the votes stand in for a classifier."""
    votes = read_real_votes()
    numbers = np.array([int(name[15:23]) for name in votes.image])
    images, place = np.unique(numbers, return_inverse=True)
    scores = np.random.default_rng(0).random((images.size, 1000), dtype=np.float32) * 0.5
    np.add.at(scores, (place[votes.pair], votes.label[votes.pair]), votes.answer.astype(np.float32) - 1)
    return scores, images.tolist()


def count_plainly(predictions, numbers):
    """Right and counted images, and the same by class, straight from real.json as its authors do it."""
    real = json.loads((FOLDER / "real.json").read_text())
    right, by_class = [], {}
    for guess, number in zip(predictions, numbers, strict=True):
        shown = real[number - 1]
        if shown:
            right.append(guess in shown)
            for index in shown:
                by_class.setdefault(WNIDS[index], []).append(guess in shown)
    return right, by_class


def test_multi_label_accuracy_is_what_a_plain_count_of_reals_own_labels_gives(voted):
    scores, numbers = voted
    shown = read_real_labels(FOLDER / "real.json")
    assert sum(not some for some in shown.values()) == 3163
    sets = [shown[number] for number in numbers]
    predictions = scores.argmax(axis=1)
    right, by_class = count_plainly(predictions.tolist(), numbers)
    assert 15_000 < len(right) < len(numbers), "some of the images have no label and are left out"
    found = score_predictions(predictions, sets)
    assert (found.images_count, found.left_out_count) == (len(right), len(numbers) - len(right))
    assert found.value == pytest.approx(sum(right) / len(right), abs=TOLERANCE)
    assert {row["wnid"]: (row["value"], row["images_count"]) for row in found.by_class.to_dicts()} == {
        wnid: (pytest.approx(sum(some) / len(some), abs=TOLERANCE), len(some)) for wnid, some in by_class.items()
    }
    # what an evaluation makes of the same scores
    estimate = score_accuracy(scores, sets, WNIDS)
    assert estimate is not None
    assert estimate.value == pytest.approx(sum(right) / len(right), abs=TOLERANCE)
    low, high = estimate.interval()
    assert (low, high) == (pytest.approx(found.low, abs=1e-4), pytest.approx(found.high, abs=1e-4))
    assert 0.5 < found.value < 1


def test_a_raters_own_answers_score_as_a_plain_count(voted):
    """One who voted often, in place of a classifier: his first yes to each image."""
    votes, _ = read_real_votes(), voted
    rater = np.bincount(votes.rater).argmax()
    mine = votes.pair[(votes.rater == rater) & (votes.answer == 2)]
    first = {}
    for pair in mine.tolist():
        first.setdefault(int(votes.image[pair][15:23]), int(votes.label[pair]))
    shown = read_real_labels(FOLDER / "real.json")
    numbers = sorted(first)
    right, _ = count_plainly([first[number] for number in numbers], numbers)
    found = score_predictions([WNIDS[first[number]] for number in numbers], [shown[number] for number in numbers])
    assert found.value == pytest.approx(sum(right) / len(right), abs=TOLERANCE)
    assert len(right) > 1000


def test_sets_are_settled_near_the_published_labels():
    """Measured (docs/guides/agreement.md): 0.595 and 0.747 of the images get the very set, 0.997 and 0.971 of what is
    settled is published, and experts agree with 0.865 and 0.889 of the decisions, with 0.910 of the published ones."""
    published = read_pictures().published
    assert len(published) == 17_285
    for read, same, precision, experts in (
        (read_pictures(), 0.58, 0.99, 0.855),
        (read_pictures(MAYBE), 0.735, 0.96, 0.88),
    ):
        found = settle_sets(read)
        told = compare_sets(found, published)
        assert told["same"] > same
        assert told["precision"] > precision
        assert right_by_experts(found)[0] > experts
        assert sum(len(some) > 1 for some in found) > 1000
