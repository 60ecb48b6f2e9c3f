"""Fréchet distance of two sets of features, exact in float64 for any number of images and dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.manifests.errors import BadInput

VERSION = "1"
CHUNK_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean and covariance of a set of features, the covariance as a factor.

    Attributes:
        mean: [D] float64.
        factor: [R, D] float64 with factor.T @ factor = covariance (divided by n - 1), R = min(n, D).
        n: images.
    """

    mean: np.ndarray
    factor: np.ndarray
    n: int


def fit_gaussian(features: np.ndarray) -> Gaussian:
    """Mean and covariance factor of features, read in pieces.

    The factor comes from a QR decomposition of the centred rows, never from a square root of the covariance, so small
    directions keep their full precision and n < D needs no special case.

    Args:
        features: [n, D] any float; a memory map stays on disk.

    Raises:
        BadInput: fewer than 2 rows, or a value is not finite.
    """
    n, dim = features.shape
    if n < 2:
        raise BadInput(f"a Fréchet distance needs at least 2 images on each side; got {n}.")
    chunks = range(0, n, CHUNK_ROWS)
    total = sum(np.asarray(features[start : start + CHUNK_ROWS], dtype=np.float64).sum(axis=0) for start in chunks)
    mean = np.asarray(total) / n  # [D]
    if not np.isfinite(mean).all():
        raise BadInput("features hold a value that is not finite; extract them again.")
    factor = np.zeros((0, dim))
    for start in chunks:
        centred = np.asarray(features[start : start + CHUNK_ROWS], dtype=np.float64) - mean
        factor = np.concatenate([factor, centred])
        if len(factor) > dim:
            factor = np.asarray(np.linalg.qr(factor, mode="r"))
    return Gaussian(mean=mean, factor=factor / np.sqrt(n - 1), n=n)


def frechet_distance(one: Gaussian, two: Gaussian) -> float:
    """|m1 - m2|² + tr S1 + tr S2 - 2 tr (S1 S2)^½ of two Gaussians.

    tr (S1 S2)^½ is the sum of the singular values of F1 F2ᵀ, where S = FᵀF.

    Returns:
        The distance (squared 2-Wasserstein), at least 0.

    Source: Heusel et al. 2017, "GANs trained by a two time-scale update rule", section 3; equal to scipy's `sqrtm` form
        and to torch-fidelity 0.4.0 within a relative 1e-6 where n > D.
    """
    return _distance(one, two, _svd(one.factor @ two.factor.T)[0].sum())


def score_frechet(features: np.ndarray, reference: Gaussian) -> Estimate:
    """Fréchet distance of images to a reference, with each image's influence on it.

    The reference counts as fixed. The distance rises as images get fewer (about as 1 / n), so compare equal n only.

    Args:
        features: [N, D] of the images.
        reference: `fit_gaussian` of the split's own images.

    Raises:
        BadInput: the dimensions differ or there are too few images.

    Source of the influence: derivative of the distance, 2 (m1 - m2)ᵀ d + dᵀ (I - A) d with d = x - m1 and A the
        optimal transport map of the Gaussians, S2^½ (S2^½ S1 S2^½)^-½ S2^½.
    """
    if features.shape[1] != len(reference.mean):
        raise BadInput(f"features of {features.shape[1]} and {len(reference.mean)} dimensions are no pair.")
    own = fit_gaussian(features)
    singular, right = _svd(own.factor @ reference.factor.T)  # [R], [R, R2]
    kept = singular > singular[0] * 1e-10 if len(singular) else np.zeros(0, bool)
    transport = reference.factor.T @ (right[kept].T / np.sqrt(singular[kept]))  # [D, K]
    influence = np.empty(len(features))
    for start in range(0, len(features), CHUNK_ROWS):
        centred = np.asarray(features[start : start + CHUNK_ROWS], dtype=np.float64) - own.mean  # [n, D]
        spread = np.square(centred).sum(axis=1) - np.square(centred @ transport).sum(axis=1)
        influence[start : start + CHUNK_ROWS] = 2 * centred @ (own.mean - reference.mean) + spread
    return Estimate(_distance(own, reference, singular.sum()), influence - influence.mean(), "log")


def _distance(one: Gaussian, two: Gaussian, cross: np.floating) -> float:
    means = np.square(one.mean - two.mean).sum()
    return max(0.0, float(means + np.square(one.factor).sum() + np.square(two.factor).sum() - 2 * cross))


def _svd(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values and right vectors; LAPACK's slower driver where the fast one does not converge."""
    try:
        _, singular, right = np.linalg.svd(matrix, full_matrices=False)
    except np.linalg.LinAlgError:
        from scipy.linalg import svd

        _, singular, right = svd(matrix, full_matrices=False, lapack_driver="gesvd")
    return singular, right
