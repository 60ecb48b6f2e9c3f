"""Warnings about a scored set: images missing or left over, too few images, uneven classes, copies of each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import polars as pl

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.lazy_rows import view_rows
from relaionet.manifests.tables import ALIVE

VERSION = "1"
LOOKED_AT = 2_000
"""Images looked at for copies, evenly from the set."""
COMPARED_WITH = 10_000
"""Images each of them is compared with, at most."""
CHUNK_ROWS = 512
REASONS_SHOWN = 3
"""Reasons for missing images that are told, most frequent first."""
FEW = 4
"""Nearest in float32 whose distances are then taken exactly."""
COPY_FRAC = 0.1
"""A distance this small a part of the usual one between neighbours is a copy's."""
ODD_FRAC = 0.01
"""More copies than this are worth a warning."""


def find_warnings(samples: FeatureSet, reference: FeatureSet) -> list[str]:
    """What a reader of the scores should know about the images behind them.

    Args:
        samples: a scored set.
        reference: the split's own images.

    Returns:
        Plain sentences; none where nothing is odd.
    """
    return [*reference.notes, *_doubt_number(samples), *_doubt_balance(samples), *_doubt_copies(samples, reference)]


def say_losses(samples: pl.DataFrame, unused: int = 0) -> list[str]:
    """What a reader of the scores should know about images that are not among those scored.

    Args:
        samples: SAMPLES of a set, failed ones with their reasons.
        unused: images that were there and that no request got.

    Returns:
        Plain sentences; none where every request has its image and none is left over.
    """
    lost = samples.filter(pl.col("status") != ALIVE)
    said = []
    if lost.height:
        reasons = lost["reason"].value_counts(sort=True).sort("count", "reason", descending=[True, False])
        told = [f"{count:,} × {reason}" for reason, count in reasons.head(REASONS_SHOWN).iter_rows()]
        more = reasons["count"][REASONS_SHOWN:].sum()
        told += [f"{more:,} for other reasons"] * bool(more)
        said.append(
            f"{lost.height:,} of {samples.height:,} images are missing ({'; '.join(told)}): numbers of fewer images "
            "are not those of the whole set, and say nothing of those that are missing."
        )
    if unused:
        said.append(
            f"images left over (unused): {unused:,}, which no request of this split asks for; of a class with more "
            "images than requests the first by name are taken."
        )
    return said


def say_lacking(lacking: Mapping[str, str]) -> list[str]:
    """Metrics that a set has not, and why, in a sentence for each reason.

    Args:
        lacking: metric -> why.
    """
    reasons = dict.fromkeys(lacking.values())
    names = {reason: ", ".join(name for name, why in lacking.items() if why == reason) for reason in reasons}
    return [f"without {names[reason]}: {reason.rstrip('.')}." for reason in reasons]


def _doubt_number(samples: FeatureSet) -> list[str]:
    n, dim, name = len(samples), samples.features.shape[1], samples.protocol.fd_name
    if n < 2 or n >= 2 * dim:
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
    usual, _ = _find_nearest(view_rows(real, np.unique(rows)), real, skip_same=True)
    scale = float(np.median(usual)) * COPY_FRAC
    warnings = []
    for share, text in (
        (float((near_own < scale).mean()), "nearly equal another image of the set: the generator repeats itself"),
        (float((near_real < scale).mean()), "nearly equal an image of the split: it may have been trained on"),
    ):
        if share > ODD_FRAC:
            warnings.append(f"{100 * share:.1f} % of the {len(own):,} images looked at {text}.")
    return warnings


def _some(features: np.ndarray, count: int) -> np.ndarray:
    """At most `count` rows, evenly from the set, left where they are."""
    return view_rows(features, np.linspace(0, len(features) - 1, min(len(features), count)).astype(np.int64))


def _find_nearest(one: np.ndarray, two: np.ndarray, *, skip_same: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each row of `one` to the nearest of `two`, and which it is; `two` is read in pieces.

    With `skip_same`, each row of `one` is once among those of `two` and is left out: the second nearest counts.
    """
    one = np.asarray(one, np.float32)
    roughly = np.full((len(one), min(FEW, len(two))), np.inf)  # [n, few] squared, less the row's own square
    places = np.zeros(roughly.shape, np.int64)
    for start in range(0, len(two), CHUNK_ROWS):
        piece = np.asarray(two[start : start + CHUNK_ROWS], np.float32)
        _keep_nearest(one, piece, start, roughly, places)
    exact = np.empty_like(roughly)
    for start in range(0, len(one), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        apart = np.asarray(two[places[part]], np.float64) - one[part, None]  # [c, few, D]
        exact[part] = np.sqrt(np.square(apart).sum(axis=-1))
    pick = np.argsort(exact, axis=1, kind="stable")[:, 1 if skip_same else 0, None]
    return np.take_along_axis(exact, pick, axis=1)[:, 0], np.take_along_axis(places, pick, axis=1)[:, 0]


def _keep_nearest(one: np.ndarray, piece: np.ndarray, first: int, roughly: np.ndarray, places: np.ndarray) -> None:
    """Put those rows of a piece that are nearer than the ones kept so far in their place.

    Args:
        one: [n, D] rows whose nearest are wanted.
        piece: [c, D] rows first to first + c of the others.
        first: of the piece.
        roughly: [n, few] squared distances less the row's own square, changed.
        places: [n, few] their rows, changed.
    """
    squares, few = np.square(piece, dtype=np.float64).sum(axis=1), roughly.shape[1]
    for start in range(0, len(one), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        found = squares - 2 * (one[part] @ piece.T).astype(np.float64)  # [c, p]
        best = np.argpartition(found, min(few, found.shape[1]) - 1, axis=1)[:, :few]
        both = np.concatenate([roughly[part], np.take_along_axis(found, best, axis=1)], axis=1)
        rows = np.concatenate([places[part], best + first], axis=1)
        kept = np.argpartition(both, few - 1, axis=1)[:, :few]
        roughly[part], places[part] = np.take_along_axis(both, kept, axis=1), np.take_along_axis(rows, kept, axis=1)
