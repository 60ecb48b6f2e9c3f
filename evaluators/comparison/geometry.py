"""The shape of one set: how densely its pictures lie, over how many directions, and how alike those of a class are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import CHUNK_ROWS, fit_gaussian
from relaionet.evaluators.metrics.precision_recall import find_nearest
from relaionet.manifests.errors import BadInput

VERSION = "1"
LEAST = 1e-6
"""Distances count as at least this part of the median: pictures that are the same are not infinitely dense."""


def measure_density(features: np.ndarray, k: int = 3) -> Estimate:
    """Mean of −log distance to the k-th nearest picture of the same set; more is denser.

    It rises with the number of pictures, so compare sets of one size only.

    Args:
        features: [N, D].
        k: which neighbour.

    Returns:
        The mean, with what leaving out each picture changes: its own distance is gone, and those it was a neighbour of
        reach to their next one.

    Raises:
        BadInput: there are no more than k + 1 pictures.

    Source: "Rethinking FID Through the Geometry of the Reference Dataset", arXiv 2605.29335, distribution density.
    """
    n = len(features)
    if n <= k + 1:
        raise BadInput(f"the density with k = {k} needs more than {k + 1} pictures; got {n}.")
    rows = np.asarray(features, dtype=np.float32)
    distances, places = find_nearest(rows, rows, k + 2)  # the picture itself comes first
    floor = max(LEAST * float(np.median(distances[:, k])), np.finfo(np.float64).tiny)
    logs = -np.log(np.maximum(distances[:, k:], floor))  # [N, 2]
    lost = np.zeros(n)
    np.add.at(lost, places[:, 1 : k + 1], (logs[:, 0] - logs[:, 1])[:, None])
    influence = logs[:, 0] + lost
    return Estimate(float(logs[:, 0].mean()), influence - influence.mean())


def measure_rank(features: np.ndarray) -> Estimate:
    """Effective rank of the covariance: the exponential of the entropy of its eigenvalues' shares.

    It rises with the number of pictures until there are many times more of them than dimensions.

    Args:
        features: [N, D].

    Returns:
        1 to D, with each picture's influence: an eigenvalue's derivative is the square of the picture's part along its
        direction, less the eigenvalue.

    Raises:
        BadInput: there are fewer than 2 pictures, or a value is not finite.

    Source: Roy and Vetterli 2007, "The effective rank: a measure of effective dimensionality"; for reference sets
        arXiv 2605.29335.
    """
    fitted = fit_gaussian(features)
    _, singular, directions = np.linalg.svd(fitted.factor, full_matrices=False)  # [R], [R, D]
    shares, kept = spread_shares(np.square(singular))
    if not kept.any():
        return Estimate(1.0, np.zeros(len(features)))
    total = float(np.square(singular).sum())
    logs, directions = np.log(shares[kept]), directions[kept]
    rank = float(np.exp(-(shares[kept] * logs).sum()))
    influence = np.empty(len(features))
    for start in range(0, len(features), CHUNK_ROWS):
        centred = np.asarray(features[start : start + CHUNK_ROWS], dtype=np.float64) - fitted.mean
        parts = np.square(centred @ directions.T)  # [n, R]
        # Σ (dλ − share · dtotal) · −log share / total; the share's own part of the sum is 0 to first order
        shift = parts - shares[kept] * parts.sum(axis=1, keepdims=True)
        influence[start : start + CHUNK_ROWS] = -rank * (shift @ logs) / total
    return Estimate(rank, influence - influence.mean(), "log")


def spread_shares(eigenvalues: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of a covariance's eigenvalues in their sum, and which of them are more than rounding.

    Args:
        eigenvalues: [R], at least 0.
    """
    total = float(eigenvalues.sum())
    if not total > 0:
        return np.zeros(len(eigenvalues)), np.zeros(len(eigenvalues), bool)
    shares = eigenvalues / total
    return shares, shares > 1e-14


def rank_of_covariance(covariance: np.ndarray) -> float:
    """Effective rank of a covariance that is known, [D, D]."""
    shares, kept = spread_shares(np.maximum(np.linalg.eigvalsh(covariance), 0))
    return float(np.exp(-(shares[kept] * np.log(shares[kept])).sum())) if kept.any() else 1.0


def measure_similarity(features: np.ndarray, wnids: Sequence[str]) -> tuple[Estimate, dict[str, Estimate]]:
    """Mean cosine of two different pictures of one class: the more varied a class, the less.

    Args:
        features: [N, D], rows sorted by class, two or more of each.
        wnids: class of each row.

    Returns:
        The mean over the classes, weighed by their pictures, and that of each class.

    Raises:
        BadInput: a class has one picture.

    Source: Shirali and Hardt 2023, "What makes ImageNet look unlike LAION", section 3 (there of CLIP embeddings).
    """
    found, start = {}, 0
    names, counts = np.unique(np.asarray(wnids), return_counts=True)
    for wnid, count in zip(names.tolist(), counts.tolist(), strict=True):
        if count < 2:
            raise BadInput(f"the likeness within a class needs 2 pictures of it; {wnid} has {count}.")
        found[wnid] = _similarity(np.asarray(features[start : start + count], dtype=np.float64))
        start += count
    values = np.array([one.value for one in found.values()])
    spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    # one pair tells nothing of its own error: that the classes differ among themselves stands for it, which is more
    pair = np.array([spread, -spread])
    influence = [one.influence if len(one.influence) > 2 else pair for one in found.values()]
    return Estimate(float(np.dot(counts, values)) / len(features), np.concatenate(influence)), found


def _similarity(rows: np.ndarray) -> Estimate:
    """Mean cosine of the pairs of some rows, [n, D]; of one pair without influences."""
    count = len(rows)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    units = rows / np.where(norms > 0, norms, 1)
    with_others = (units @ units.sum(axis=0) - np.square(units).sum(axis=1)) / (count - 1)  # [n]
    value = float(with_others.mean())
    if count == 2:
        return Estimate(value, np.full(2, np.nan))
    # as much as leaving the picture out changes, which is more than its derivative where there are few
    return Estimate(value, 2 * (with_others - value) * (count - 1) / (count - 2))
