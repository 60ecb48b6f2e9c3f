"""The Inception Score of a set does not follow the order its images lie in, which is that of their classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.listing import protocol_lines
from relaionet.evaluators.metrics.inception_score import score_inception
from relaionet.evaluators.protocols import PROTOCOLS, Protocol, find_protocol
from relaionet.evaluators.scoring.score import score_real

CLASSES, EACH = 40, 300


def draw_logits() -> np.ndarray:
    """[12000, 40] of images that a classifier is sure of, in order of class."""
    labels = np.repeat(np.arange(CLASSES), EACH)
    logits = np.random.default_rng(0).normal(0, 1, (len(labels), CLASSES)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += 8
    return logits


def score_under(protocol: Protocol, order: np.ndarray) -> float:
    """Inception Score as an evaluation finds it."""
    labels = np.repeat(np.arange(CLASSES), EACH)[order]
    images = FeatureSet(
        protocol=protocol, ids=tuple(f"{row:064x}" for row in range(len(labels))),
        wnids=tuple(f"n{label:08d}" for label in labels), features=np.zeros((len(labels), 2), np.float32),
        logits=draw_logits()[order], classes=None, digest="0",
        cosines={name: np.full(len(labels), 0.3) for name in ("CLIP Score", "PickScore")},
    )  # fmt: skip
    scores = score_real(images, "split")
    return float(scores.filter(metric="IS")["value"].item())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_classes_in_order_score_as_in_any_order(name: str) -> None:
    order = np.arange(CLASSES * EACH)
    by_class, any_order = (
        score_under(find_protocol(name), one) for one in (order, np.random.default_rng(1).permutation(order))
    )
    assert by_class == pytest.approx(any_order, rel=0.02)
    assert by_class > CLASSES / 2


@pytest.mark.parametrize("runs", [{"is_split_images": 400}, {"is_split_images": 5_000}, {"is_splits": 30}])
def test_neither_do_runs_of_a_protocol_of_ones_own(runs: dict[str, int]) -> None:
    protocol = replace(find_protocol("tf1"), name="mine", **runs)
    order = np.arange(CLASSES * EACH)
    by_class, backwards = score_under(protocol, order), score_under(protocol, order[::-1])
    assert by_class == pytest.approx(backwards, rel=0.02)
    assert by_class > CLASSES / 2


def test_as_they_come_a_run_of_few_classes_has_the_score_of_few() -> None:
    """What the shuffle is for; ADM's own evaluator does this to a set in order of class."""
    logits = draw_logits()
    kept = score_inception(logits, split_images=5_000, seed=None).value
    assert kept < 0.5 * score_inception(logits, split_images=5_000, seed=2020).value


def test_the_seed_is_part_of_the_protocol_and_said() -> None:
    (line,) = (line for line in protocol_lines() if line.startswith("adm "))
    assert "IS in runs of 5,000 images, shuffled by seed 2020" in line
    logits = draw_logits()
    one, two = (score_inception(logits, split_images=5_000, seed=seed).value for seed in (1, 2))
    assert one != two
    assert one == score_inception(logits, split_images=5_000, seed=1).value
