"""The least probability at which a class is proposed, per class, from examples whose class is known.

The wanted precision is that of all proposals at or above the threshold. Over all classes it must be reached by the
lower end of an exact interval (Clopper and Pearson 1934). A class has few examples of its own, so its precision is
shrunk: to its own right and wrong examples come `strength` imagined ones that are as right as the lower end of all
classes is. A class without examples so has the threshold of all, one whose proposals proved wrong a higher one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STEPS = 100
HIGHEST = 0.99


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Where classes begin to be proposed.

    Attributes:
        score: least probability for classes that have none of their own, 0 to 1.
        by_wnid: least probability of the classes that the examples say something of.
        reached: the wanted precision was reached over all classes; else `score` is where the lower end is highest.
        precision: share right at or above `score`, of all examples.
        precision_low: lower end of its interval.
    """

    score: float
    by_wnid: dict[str, float]
    reached: bool
    precision: float
    precision_low: float


def find_thresholds(
    scores: np.ndarray, right: np.ndarray, proposed: Sequence[str], wanted: float, *, confidence: float = 0.95,
    strength: float = 20.0,
) -> Thresholds:  # fmt: skip
    """Find the thresholds.

    Args:
        scores: [N] probability of the class proposed, N at least 1.
        right: [N] whether it was right.
        proposed: wnid proposed, of each.
        wanted: precision, 0 to 1.
        confidence: of the one-sided interval over all classes.
        strength: imagined examples that each class is shrunk with.

    Returns:
        Thresholds in steps of 1/100, at most 0.99.
    """
    right = np.asarray(right, dtype=bool)
    steps = np.arange(STEPS) / STEPS
    low, precision = _curve(scores, right, steps, confidence)
    fit = np.flatnonzero(low >= wanted)
    place = int(fit[0]) if len(fit) else int(np.argmax(low))
    names = np.asarray(proposed)
    by_wnid = {}
    for wnid in sorted(set(proposed)):
        own = names == wnid
        count, count_right = _reaching(scores[own], steps), _reaching(scores[own][right[own]], steps)
        shrunk = (count_right + strength * low) / (count + strength)
        enough = np.flatnonzero(shrunk >= min(wanted, float(low[place])))
        by_wnid[wnid] = float(steps[enough[0]]) if len(enough) else HIGHEST
    return Thresholds(
        score=float(steps[place]), by_wnid=by_wnid, reached=bool(len(fit)), precision=float(precision[place]),
        precision_low=float(low[place]),
    )  # fmt: skip


def _reaching(scores: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """How many scores are at or above each step, [STEPS]."""
    return len(scores) - np.searchsorted(np.sort(scores), steps, side="left")


def _curve(
    scores: np.ndarray, right: np.ndarray, steps: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lower end and share right at or above each step; 0 where nothing reaches it."""
    from scipy.stats import beta

    count, hits = _reaching(scores, steps), _reaching(scores[right], steps)
    low = np.where(hits > 0, beta.ppf(1 - confidence, np.maximum(hits, 1), count - hits + 1), 0.0)
    return low, hits / np.maximum(count, 1)
