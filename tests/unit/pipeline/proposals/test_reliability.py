"""Calibration error: closed forms, what true probabilities show, and that the correction takes off the bias."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.pipeline.proposals.reliability import measure_reliability
from tests.depth import deep


def draw(count: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.beta(4, 1.5, count)
    return scores, rng.random(count) < (scores - shift).clip(0, 1)


def test_known_numbers() -> None:
    scores = np.array([0.2] * 10 + [0.9] * 10)
    right = np.array([True] * 4 + [False] * 6 + [True] * 9 + [False])
    found = measure_reliability(scores, right, bins_count=2)
    assert [(one.score, one.right_frac, one.count) for one in found.bins] == [
        (pytest.approx(0.2), 0.4, 10), (pytest.approx(0.9), 0.9, 10)
    ]  # fmt: skip
    assert found.ece == pytest.approx(0.1)
    assert found.brier == pytest.approx((4 * 0.64 + 6 * 0.04 + 9 * 0.01 + 0.81) / 20)
    expected = -(4 * np.log(0.2) + 6 * np.log(0.8) + 9 * np.log(0.9) + np.log(0.1)) / 20
    assert found.nll == pytest.approx(expected)


def test_of_true_probabilities_the_plain_error_is_above_nothing_and_the_corrected_one_nearly_nothing() -> None:
    found = [measure_reliability(*draw(400, seed), draws_count=60) for seed in range(40)]
    plain, corrected = (np.mean([getattr(one, name) for one in found]) for name in ("ece", "rms_debiased"))
    assert plain > 0.04
    assert corrected < 0.6 * plain
    # the share that true probabilities stay below is what it is called
    assert 0.85 <= np.mean([one.ece < one.ece_if_true_high for one in found]) <= 1.0


def test_a_real_error_is_kept_by_the_correction() -> None:
    found = [measure_reliability(*draw(3000, seed, shift=0.1), draws_count=60) for seed in range(5)]
    for one in found:
        assert one.rms_debiased == pytest.approx(0.1, abs=0.03)
        assert one.low <= one.rms_debiased <= one.high
        assert one.ece > one.ece_if_true_high


@settings(max_examples=deep(25), deadline=None)
@given(count=st.integers(1, 200), seed=st.integers(0, 99), bins=st.integers(1, 20))
def test_bins_hold_every_statement_once_and_order_does_not_matter(count: int, seed: int, bins: int) -> None:
    scores, right = draw(count, seed)
    found = measure_reliability(scores, right, bins_count=bins, draws_count=5)
    assert sum(one.count for one in found.bins) == count
    assert sum(one.count * one.right_frac for one in found.bins) == pytest.approx(right.sum())
    assert 0 <= found.ece <= 1
    assert 0 <= found.rms_debiased <= 1
    order = np.random.default_rng(seed).permutation(count)
    again = measure_reliability(scores[order], right[order], bins_count=bins, draws_count=5)
    assert (again.ece, again.brier) == (pytest.approx(found.ece), pytest.approx(found.brier))


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        measure_reliability(np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match="0 to 1"):
        measure_reliability(np.array([1.2]), np.array([True]))
