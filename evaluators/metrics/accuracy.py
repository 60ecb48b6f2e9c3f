"""Accuracy: how often a fixed classifier finds the class that was asked for, first or among its first few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relaionet.evaluators.metrics.estimate import WILSON, Estimate

VERSION = "2"
CHUNK_ROWS = 4096


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
    places = np.flatnonzero(known)
    pieces = (places[start : start + CHUNK_ROWS] for start in range(0, len(places), CHUNK_ROWS))
    right = np.concatenate([_is_among(logits[piece], wanted[piece][:, None], top) for piece in pieces])
    influence = np.zeros(len(wanted))
    influence[known] = (right - right.mean()) * (len(wanted) / len(right))
    return Estimate(float(right.mean()), influence, "fraction", method=WILSON)


def _is_among(rows: np.ndarray, wanted: np.ndarray, top: int) -> np.ndarray:
    """1 where the wanted class is among the first `top`, else 0, [n] float64; wanted is [n, 1]."""
    own = np.take_along_axis(rows, wanted, axis=1)
    tied = (rows == own) & (np.arange(rows.shape[1]) < wanted)  # of equal logits the first class is named
    found: np.ndarray = ((rows > own).sum(axis=1) + tied.sum(axis=1) < top).astype(np.float64)
    return found
