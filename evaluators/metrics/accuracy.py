"""Accuracy: how often a fixed classifier finds the class that was asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from relaionet.evaluators.metrics.estimate import Z_95

VERSION = "1"


def score_accuracy(
    logits: np.ndarray, wnids: Sequence[str], classes: Sequence[str]
) -> tuple[float, float, float] | None:
    """Fraction of images whose first class is the requested one, with Wilson's 95 % interval.

    Args:
        logits: [N, C].
        wnids: [N] requested classes.
        classes: [C] wnid of each logit.

    Returns:
        Value, lower and upper end, each 0 to 1; None where no requested class is among the classifier's.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    place = {wnid: index for index, wnid in enumerate(classes)}
    wanted = np.array([place.get(wnid, -1) for wnid in wnids])
    known = wanted >= 0
    count = int(known.sum())
    if not count:
        return None
    share = float((np.asarray(logits)[known].argmax(axis=1) == wanted[known]).mean())
    middle = (share + Z_95**2 / (2 * count)) / (1 + Z_95**2 / count)
    half = Z_95 * math.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2)) / (1 + Z_95**2 / count)
    return share, max(0.0, middle - half), min(1.0, middle + half)
