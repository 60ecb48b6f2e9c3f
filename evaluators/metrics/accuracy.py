"""Accuracy: how often a fixed classifier finds the class that was asked for, first or among its first few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relaionet.evaluators.metrics.estimate import Estimate

VERSION = "2"
WILSON = "Wilson"


def score_accuracy(
    logits: np.ndarray, wnids: Sequence[str], classes: Sequence[str], *, top: int = 1
) -> Estimate | None:
    """Fraction of images with the requested class among the classifier's first `top`, with Wilson's 95 % interval.

    Args:
        logits: [N, C].
        wnids: [N] requested classes.
        classes: [C] wnid of each logit.
        top: how many of the classifier's first classes count.

    Returns:
        The fraction, 0 to 1, of the images whose class the classifier knows, and each image's influence; None where it
        knows none of them.
    """
    place = {wnid: index for index, wnid in enumerate(classes)}
    wanted = np.array([place.get(wnid, -1) for wnid in wnids])
    known = wanted >= 0
    if not known.any() or top > len(classes):
        return None
    rows, place_of = np.asarray(logits)[known], wanted[known][:, None]
    own = np.take_along_axis(rows, place_of, axis=1)
    tied = (rows == own) & (np.arange(rows.shape[1]) < place_of)  # of equal logits the first class is named
    right = ((rows > own).sum(axis=1) + tied.sum(axis=1) < top).astype(np.float64)
    influence = np.zeros(len(wanted))
    influence[known] = (right - right.mean()) * (len(wanted) / len(right))
    return Estimate(float(right.mean()), influence, "fraction", method=WILSON)
