"""Alignment: how well each image agrees with the text of the class it was asked for."""

from __future__ import annotations

import numpy as np

from relaionet.evaluators.metrics.estimate import Estimate

VERSION = "1"


def score_alignment(cosines: np.ndarray) -> Estimate:
    """100 × mean cosine of image and text.

    Args:
        cosines: [N] -1 to 1, one per image.

    Returns:
        The score, -100 to 100 (not clamped at 0), and each image's influence.

    Source: Hessel et al. 2021, "CLIPScore", without its clamp and its weight 2.5.
    """
    scores = 100 * np.asarray(cosines, dtype=np.float64)
    return Estimate(float(scores.mean()), scores - scores.mean())
