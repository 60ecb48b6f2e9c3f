"""Do probabilities come true? Calibration error with its bias taken off, Brier score, log loss, and the diagram.

Each number is about statements "this is right with probability p" and whether it was right.

* `ece`: mean distance of probability and share right over bins of equal size, weighted by size. It is never 0: with few
  examples per bin the share right wanders from its mean although every probability is true.
* `rms_debiased`: root of the mean squared distance over the same bins, less the variance of each bin's share; that mean
  square is without bias, so that it can fall below 0, and then the root is 0.
* `ece_if_true_high`: what 95 % of sets of this size would stay below if every probability were true. An `ece` under it
  is no evidence against the probabilities.

Sources: Naeini et al. 2015 (ECE); bins of equal mass and the correction, Kumar et al. 2019, sections 4 and 5; Bröcker
and Smith 2007 (consistency bars by resampling).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 15
DRAWS = 500
LEAST = 1e-6  # probabilities of exactly 0 or 1 would make the log loss infinite


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """One bin of the diagram.

    Attributes:
        score: mean probability, 0 to 1.
        right_frac: share that was right.
        count: statements.
        low: 2.5 % of shares right that this bin would show if its probabilities were true.
        high: 97.5 % likewise.
    """

    score: float
    right_frac: float
    count: int
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How true probabilities are.

    Attributes:
        count: statements.
        right_frac: share that was right.
        mean_score: mean probability.
        ece: calibration error, 0 to 1.
        rms_debiased: root mean square calibration error with its bias taken off, 0 to 1.
        low: 2.5 % of `rms_debiased` over resamples.
        high: 97.5 % likewise.
        ece_if_true_high: 95 % of `ece` if every probability were true.
        brier: mean squared distance of probability and outcome.
        nll: mean log loss of the outcome, nats.
        bins: of the diagram, by score.
    """

    count: int
    right_frac: float
    mean_score: float
    ece: float
    rms_debiased: float
    low: float
    high: float
    ece_if_true_high: float
    brier: float
    nll: float
    bins: tuple[ReliabilityBin, ...]


def measure_reliability(
    scores: np.ndarray, right: np.ndarray, *, bins_count: int = BINS, draws_count: int = DRAWS, seed: int = 0
) -> Reliability:
    """Compare probabilities with outcomes.

    Args:
        scores: [N] probabilities, 0 to 1, N at least 1.
        right: [N] whether it was right.
        bins_count: bins of equal size; fewer where there are fewer than 5 statements per bin.
        draws_count: resamples for the intervals.
        seed: of the resamples.

    Raises:
        ValueError: there are no statements, or numbers outside 0 to 1.
    """
    scores, right = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if not len(scores) or len(scores) != len(right) or not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("reliability needs as many outcomes as scores, at least one, all scores in 0 to 1.")
    order = np.argsort(scores, kind="stable")
    scores, right = scores[order], right[order]
    edges = _edges(len(scores), bins_count)
    rng = np.random.default_rng(seed)
    if_true = [_shares(scores, rng.random(len(scores)) < scores, edges) for _ in range(draws_count)]  # [draws, B]
    weight, mean, share = np.diff(edges), _mean(scores, edges), _mean(right, edges)
    errors = [abs(shares - mean) @ weight / len(scores) for shares in if_true]
    resampled = [_resampled_error(scores, right, edges, rng) for _ in range(draws_count)]
    low, high = np.quantile(if_true, (0.025, 0.975), axis=0)
    clipped = scores.clip(LEAST, 1 - LEAST)
    return Reliability(
        count=len(scores), right_frac=float(right.mean()), mean_score=float(scores.mean()),
        ece=float(abs(share - mean) @ weight / len(scores)), rms_debiased=_debiased_error(mean, share, weight),
        low=float(np.quantile(resampled, 0.025)), high=float(np.quantile(resampled, 0.975)),
        ece_if_true_high=float(np.quantile(errors, 0.95)), brier=float(((scores - right) ** 2).mean()),
        nll=float(-np.where(right > 0, np.log(clipped), np.log1p(-clipped)).mean()),
        bins=tuple(
            ReliabilityBin(score=float(m), right_frac=float(s), count=int(n), low=float(a), high=float(b))
            for m, s, n, a, b in zip(mean, share, weight, low, high, strict=True)
        ),
    )  # fmt: skip


def _edges(count: int, bins_count: int) -> np.ndarray:
    """Starts of the bins and the end, [B + 1]."""
    bins = max(1, min(bins_count, count // 5))
    return np.linspace(0, count, bins + 1).round().astype(np.int64)


def _mean(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.add.reduceat(values, edges[:-1]) / np.diff(edges)


def _shares(_scores: np.ndarray, outcomes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return _mean(outcomes.astype(np.float64), edges)


def _debiased_error(mean: np.ndarray, share: np.ndarray, weight: np.ndarray) -> float:
    variance = share * (1 - share) / np.maximum(weight - 1, 1)
    square = ((share - mean) ** 2 - variance) @ weight / weight.sum()
    return float(np.sqrt(max(square, 0.0)))


def _resampled_error(scores: np.ndarray, right: np.ndarray, edges: np.ndarray, rng: np.random.Generator) -> float:
    chosen = np.sort(rng.integers(len(scores), size=len(scores)))  # rows are in order of score, so this is too
    return _debiased_error(_mean(scores[chosen], edges), _mean(right[chosen], edges), np.diff(edges))
