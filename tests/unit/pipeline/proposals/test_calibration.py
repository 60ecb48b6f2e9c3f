"""Calibration finds again what made worlds were made with, and belongs to one encoder and its class texts."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from relaionet.flows.curation.calibration import describe_calibration
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.pipeline.proposals.calibration import (
    Calibration,
    calibration_digest,
    check_calibration,
    read_calibration,
    uncalibrated,
)
from relaionet.pipeline.proposals.calibration_fit import CalibrateConfig, Examples, fit_calibration
from relaionet.pipeline.proposals.caption_errors import Captions
from relaionet.pipeline.proposals.probabilities import log_probabilities, probability_blocks

LABELS = read_labels()[:40]
WNIDS = [label.wnid for label in LABELS]
NOTHING = Examples(vectors=np.zeros((0, 24), dtype=np.float32), wnids=[])
NO_CAPTIONS = Captions(vectors=np.zeros((0, 24), dtype=np.float32), named=[], words=[])


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def a_world(count: int, scale: float, seed: int = 0, bias: np.ndarray | float = 0.0):
    """Pictures whose true class is drawn from the softmax of this scale, so that this scale is the right one."""
    rng = np.random.default_rng(seed)
    label_vectors = unit(rng.normal(size=(40, 24)))
    vectors = unit(label_vectors[rng.integers(40, size=count)] + 0.6 * rng.normal(size=(count, 24)))
    logits = scale * (vectors.astype(np.float64) @ label_vectors.T.astype(np.float64)) + bias
    chance = np.exp(log_probabilities(logits))
    true = np.array([rng.choice(40, p=row / row.sum()) for row in chance])
    return vectors, label_vectors, true


def own(label_vectors: np.ndarray, scale: float = 100.0, **more: float) -> Calibration:
    return uncalibrated(encoder="e", fingerprint="f", label_vectors=label_vectors, logit_scale=scale, **more)


def caption(true: np.ndarray, error: float, seed: int = 1) -> Captions:
    rng = np.random.default_rng(seed)
    named = np.where(rng.random(len(true)) < error, rng.integers(40, size=len(true)), true)
    return [(WNIDS[place],) for place in named]


def test_the_scale_is_found_again_from_labels() -> None:
    vectors, label_vectors, true = a_world(1500, 9.0)
    examples = Examples(vectors=vectors, wnids=[WNIDS[place] for place in true], sources={"made": 1500})
    found = fit_calibration(examples, NO_CAPTIONS, label_vectors, LABELS, CalibrateConfig(), own(label_vectors))
    assert found.logit_scale == pytest.approx(9.0, rel=0.06)
    assert found.basis == "labelled"
    assert found.reliability is not None
    assert found.reliability.ece < found.reliability.ece_if_true_high * 1.2
    assert found.reliability_before.ece > 3 * found.reliability.ece
    assert found.class_bias == {}


def test_scale_and_wrong_captions_are_found_again_together_without_a_label() -> None:
    vectors, label_vectors, true = a_world(2500, 12.0)
    named = caption(true, 0.25)
    captions = Captions(vectors=vectors, named=named, words=["sure"] * len(named))
    found = fit_calibration(NOTHING, captions, label_vectors, LABELS, CalibrateConfig(), own(label_vectors))
    assert found.basis == "captions"
    assert found.logit_scale == pytest.approx(12.0, rel=0.12)
    assert found.caption_errors["sure"] == pytest.approx(0.25, abs=0.04)
    assert "caption" in found.assumption


def test_kinds_of_captions_have_errors_of_their_own() -> None:
    vectors, label_vectors, true = a_world(1600, 12.0)
    named = caption(true[:800], 0.1) + caption(true[800:], 0.6, seed=5)
    captions = Captions(vectors=vectors, named=named, words=["sure"] * 800 + ["possible"] * 800)
    examples = Examples(vectors=vectors, wnids=[WNIDS[place] for place in true])
    found = fit_calibration(examples, captions, label_vectors, LABELS, CalibrateConfig(), own(label_vectors))
    assert found.caption_errors["sure"] == pytest.approx(0.1, abs=0.04)
    assert found.caption_errors["possible"] == pytest.approx(0.6, abs=0.06)
    assert found.caption_errors["several"] == 0.2
    assert found.captions_count == {"sure": 800, "possible": 800, "several": 0}


def favouring(vectors: np.ndarray, label_vectors: np.ndarray, tilt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same pictures and classes as an encoder sees them that adds 0.6 × tilt to the cosine of each class."""
    pictures = np.hstack([0.8 * vectors, np.full((len(vectors), 1), 0.6)])
    classes = np.hstack([np.sqrt(1 - tilt[:, None] ** 2) * label_vectors, tilt[:, None]])
    return pictures.astype(np.float32), classes.astype(np.float32)


def test_offsets_of_classes_are_used_where_the_encoder_favours_some() -> None:
    tilt = np.where(np.arange(40) < 20, 0.2, -0.2)
    vectors, label_vectors, true = a_world(1500, 9.0)
    vectors, label_vectors = favouring(vectors, label_vectors, tilt)
    examples = Examples(vectors=vectors, wnids=[WNIDS[place] for place in true])
    none = Captions(vectors=vectors[:0], named=[], words=[])
    found = fit_calibration(examples, none, label_vectors, LABELS, CalibrateConfig(), own(label_vectors))
    values = np.array([found.class_bias[wnid] for wnid in WNIDS])
    # what was added to a cosine is taken off the logit
    scale = 9 / (0.8 * np.sqrt(1 - 0.04))
    assert values[20:].mean() - values[:20].mean() == pytest.approx(scale * 0.6 * 0.4, rel=0.25)
    config = CalibrateConfig(class_bias=False)
    without = fit_calibration(examples, none, label_vectors, LABELS, config, own(label_vectors))
    assert without.class_bias == {}
    assert found.reliability.right_frac > without.reliability.right_frac + 0.03


def test_a_sigmoid_encoder_has_its_offset_fitted() -> None:
    vectors, label_vectors, true = a_world(800, 9.0)
    examples = Examples(vectors=vectors, wnids=[WNIDS[place] for place in true])
    found = fit_calibration(
        examples, NO_CAPTIONS, label_vectors, LABELS, CalibrateConfig(), own(label_vectors, 100.0, logit_bias=-10.0)
    )
    assert found.activation == "sigmoid"
    logits = found.logit_scale * (vectors.astype(np.float64) @ label_vectors.T.astype(np.float64)) + found.logit_bias
    # as many pairs are right as the sigmoids say
    assert (1 / (1 + np.exp(-logits))).sum() == pytest.approx(800, rel=1e-3)


def test_with_too_little_to_learn_from_nothing_is_fitted_and_that_is_said() -> None:
    vectors, label_vectors, true = a_world(30, 9.0)
    examples = Examples(vectors=vectors, wnids=[WNIDS[place] for place in true])
    found = fit_calibration(examples, NO_CAPTIONS, label_vectors, LABELS, CalibrateConfig(), own(label_vectors, 55.0))
    assert (found.basis, found.logit_scale, found.thresholds) == ("encoder", 55.0, None)
    assert not found.is_fitted
    assert found.assumption == "nothing was fitted, and an encoder's own scores are no probabilities"


def test_without_probabilities_nothing_is_said_of_how_often_captions_are_wrong() -> None:
    vectors, label_vectors, true = a_world(60, 9.0)
    captions = Captions(vectors=vectors, named=caption(true, 0.5), words=["sure"] * 50 + ["possible"] * 10)
    found = fit_calibration(NOTHING, captions, label_vectors, LABELS, CalibrateConfig(), own(label_vectors))
    assert (found.basis, found.captions_count) == ("encoder", {"sure": 50, "possible": 10, "several": 0})
    assert found.caption_errors == own(label_vectors).caption_errors
    told = describe_calibration(found)
    assert told.startswith("no probabilities: 0 labelled pictures and 50 captions that name one class are too few")
    assert "%" not in told


def test_a_calibration_on_nothing_is_not_that_of_the_same_numbers_fitted() -> None:
    """So that proposals made from one are not taken for those of the other."""
    _, label_vectors, _ = a_world(1, 9.0)
    mine = own(label_vectors)
    digests = {basis: calibration_digest(replace(mine, basis=basis)) for basis in ("labelled", "captions", "review")}
    assert calibration_digest(mine) not in digests.values()
    assert digests["labelled"] == digests["captions"] != digests["review"]


def test_it_is_refused_for_another_encoder_and_other_class_texts() -> None:
    _, label_vectors, _ = a_world(1, 9.0)
    mine = own(label_vectors)
    assert check_calibration(replace(mine, logit_scale=7.0), mine).logit_scale == 7.0
    with pytest.raises(BadInput, match="cosines of two encoders"):
        check_calibration(replace(mine, fingerprint="other"), mine)
    with pytest.raises(BadInput, match="other class texts"):
        check_calibration(own(label_vectors[::-1]), mine)


def test_it_is_stored_whole_and_its_digest_follows_what_counts() -> None:
    vectors, label_vectors, true = a_world(200, 9.0)
    examples = Examples(vectors=vectors, wnids=[WNIDS[place] for place in true])
    found = fit_calibration(examples, NO_CAPTIONS, label_vectors, LABELS, CalibrateConfig(), own(label_vectors))
    back = read_calibration(json.loads(json.dumps(asdict(found))))
    assert back == found
    assert calibration_digest(replace(found, logit_scale=8.0)) != calibration_digest(found)
    assert calibration_digest(replace(found, encoder="renamed")) == calibration_digest(found)
    with pytest.raises(BadInput, match="no calibration"):
        read_calibration({"logit": 3})


def test_a_label_that_is_not_searched_is_named() -> None:
    vectors, label_vectors, _ = a_world(1, 9.0)
    examples = Examples(vectors=vectors, wnids=["n99999999"])
    with pytest.raises(BadInput, match="n99999999"):
        fit_calibration(examples, NO_CAPTIONS, label_vectors, LABELS, CalibrateConfig(), own(label_vectors))


def test_no_probability_is_surer_than_the_pictures_can_show() -> None:
    vectors, label_vectors, true = a_world(99, 400.0)
    examples = Examples(vectors=vectors, wnids=[WNIDS[place] for place in true])
    found = fit_calibration(examples, NO_CAPTIONS, label_vectors, LABELS, CalibrateConfig(), own(label_vectors))
    # all right, at any scale: one failure in a hundred is still possible
    assert found.lapse == pytest.approx(1 / 100)
    _, chances = next(probability_blocks(vectors, label_vectors, found.logit_scale, lapse=found.lapse))
    assert chances.max() <= 0.99 + 0.01 / 40 + 1e-12
    np.testing.assert_allclose(chances.sum(axis=1), 1)
