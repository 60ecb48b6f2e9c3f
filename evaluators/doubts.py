"""Reasons to doubt a scored set: too few images, uneven classes, copies of each other, copies of real images."""

from __future__ import annotations

from collections import Counter

import numpy as np

from relaionet.evaluators.feature_sets import FeatureSet

VERSION = "1"
LOOKED_AT = 2_000
"""Images looked at for copies, evenly from the set."""
COMPARED_WITH = 10_000
"""Images each of them is compared with, at most."""
CHUNK_ROWS = 512
COPY_FRAC = 0.1
"""A distance this small a part of the usual one between neighbours is a copy's."""
ODD_FRAC = 0.01
"""More copies than this are worth a warning."""


def find_doubts(samples: FeatureSet, reference: FeatureSet) -> list[str]:
    """What a reader of the scores should know about the images behind them.

    Args:
        samples: a scored set.
        reference: the split's own images.

    Returns:
        Plain sentences; none where nothing is odd.
    """
    return [*_doubt_number(samples), *_doubt_balance(samples), *_doubt_copies(samples, reference)]


def _doubt_number(samples: FeatureSet) -> list[str]:
    n, dim, name = len(samples), samples.features.shape[1], samples.protocol.fd_name
    if n >= 2 * dim:
        return []
    text = (
        f"{n:,} images in {dim:,} dimensions: most of {name} is the bias of few images. Compare it only with sets of "
        f"{n:,} images of the same requests; {samples.protocol.kd_name} has no such bias."
    )
    return [text]


def _doubt_balance(samples: FeatureSet) -> list[str]:
    counts = Counter(samples.wnids)
    most, least = max(counts.values()), min(counts.values())
    if len(counts) < 2 or most < 5 * least:
        return []
    text = (
        f"classes are uneven: the largest has {most:,} images, the smallest {least:,}. Every number is ruled by the "
        "large classes; look at the scores by class."
    )
    return [text]


def _doubt_copies(samples: FeatureSet, reference: FeatureSet) -> list[str]:
    if min(len(samples), len(reference)) < 3:
        return []
    made, real = _some(samples.features, COMPARED_WITH), _some(reference.features, COMPARED_WITH)
    own = _some(made, LOOKED_AT)
    near_own, _ = _find_nearest(own, made, skip_same=True)
    near_real, rows = _find_nearest(own, real, skip_same=False)
    usual, _ = _find_nearest(real[np.unique(rows)], real, skip_same=True)
    scale = float(np.median(usual)) * COPY_FRAC
    doubts = []
    for share, text in (
        (float((near_own < scale).mean()), "nearly equal another image of the set: the generator repeats itself"),
        (float((near_real < scale).mean()), "nearly equal an image of the split: it may have been trained on"),
    ):
        if share > ODD_FRAC:
            doubts.append(f"{100 * share:.1f} % of the {len(own):,} images looked at {text}.")
    return doubts


def _some(features: np.ndarray, count: int) -> np.ndarray:
    """At most `count` rows, evenly from the set."""
    if len(features) <= count:
        return np.asarray(features)
    return np.asarray(features[np.linspace(0, len(features) - 1, count).astype(np.int64)])


def _find_nearest(one: np.ndarray, two: np.ndarray, *, skip_same: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each row of `one` to the nearest of `two`, and which it is.

    With `skip_same`, each row of `one` is once among those of `two` and is left out: the second nearest counts.
    """
    nearest, place = [], []
    squares = np.square(two, dtype=np.float64).sum(axis=1)
    for start in range(0, len(one), CHUNK_ROWS):
        rows = one[start : start + CHUNK_ROWS]
        roughly = squares - 2 * (rows @ two.T).astype(np.float64)  # [c, M], less the row's own square
        few = np.argpartition(roughly, min(3, len(two) - 1), axis=1)[:, :4]
        exact = np.sqrt(np.square(two[few].astype(np.float64) - rows[:, None].astype(np.float64)).sum(axis=-1))
        order = np.argsort(exact, axis=1, kind="stable")
        pick = order[:, 1 if skip_same else 0]
        nearest.append(np.take_along_axis(exact, pick[:, None], axis=1)[:, 0])
        place.append(np.take_along_axis(few, pick[:, None], axis=1)[:, 0])
    return np.concatenate(nearest), np.concatenate(place)
