"""Fréchet distance of two sets of features, exact in float64 for any number of images and dimensions.

Each image's influence is given with it; `estimate.Estimate` makes the interval of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.pairs import choose_rows, make_pairs
from relaionet.manifests.errors import BadInput

VERSION = "2"
CHUNK_ROWS = 2048


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
    product = one.factor @ two.factor.T
    try:
        singular = np.linalg.svd(product, compute_uv=False)
    except np.linalg.LinAlgError:
        singular, _ = _svd(product)
    return _distance(one, two, singular.sum())


def score_frechet(features: np.ndarray, reference: Gaussian, *, classes: Sequence[str] | None = None) -> Estimate:
    """Fréchet distance of images to a reference, with each image's influence on it.

    The reference counts as fixed. The distance rises as images get fewer (about as 1 / n), so compare equal n only.

    Args:
        features: [N, D] of the images.
        reference: `fit_gaussian` of the split's own images.
        classes: requested class of each image, where the interval is to be made within classes.

    Raises:
        BadInput: the dimensions differ or there are too few images.

    Source of the influence: derivative of the distance, 2 (m1 - m2)ᵀ d + dᵀ (I - A) d with d = x - m1 and A the
        optimal transport map of the Gaussians, S2^½ (S2^½ S1 S2^½)^-½ S2^½.
    """
    check_dimensions(features, reference)
    own = fit_gaussian(features)
    singular, right = _svd(own.factor @ reference.factor.T)  # [R], [R, R2]
    kept = singular > singular[0] * 1e-10 if len(singular) else np.zeros(0, bool)
    transport = reference.factor.T @ (right[kept].T / np.sqrt(singular[kept]))  # [D, K], A = transport @ transport.T
    influence = np.empty(len(features))
    for start in range(0, len(features), CHUNK_ROWS):
        centred = np.asarray(features[start : start + CHUNK_ROWS], dtype=np.float64) - own.mean  # [n, D]
        spread = np.square(centred).sum(axis=1) - np.square(centred @ transport).sum(axis=1)
        influence[start : start + CHUNK_ROWS] = 2 * centred @ (own.mean - reference.mean) + spread
    some = choose_rows(len(features))
    weights = _pair_influence((np.asarray(features[some], dtype=np.float64) - own.mean) @ transport, singular[kept])
    pairs = make_pairs(some, weights, classes)
    return Estimate(
        _distance(own, reference, singular.sum()), influence - influence.mean(), "log",
        excess=0.0 if pairs is None else pairs.excess(len(features)), pairs=pairs,
    )  # fmt: skip


def check_dimensions(features: np.ndarray, reference: Gaussian) -> None:
    """Refuse features of another length than the reference's.

    Raises:
        BadInput: they differ.
    """
    if features.shape[1] != len(reference.mean):
        raise BadInput(f"features of {features.shape[1]} and {len(reference.mean)} dimensions are no pair.")


def _pair_influence(moved: np.ndarray, singular: np.ndarray) -> np.ndarray:
    """Second derivative of the distance for each pair of images, [m, m]; not centred.

    Args:
        moved: [m, K] images less their mean, times the transport factor.
        singular: [K] square roots of the eigenvalues of S2^½ S1 S2^½.

    Returns:
        2 Σ_i u_i v_i + Σ_ij u_i v_i u_j v_j / (s_i + s_j) for the rows u and v; the second sum as an integral over t of
        (Σ_i u_i v_i exp(-t s_i))², by the trapezoid rule in log t.
    """
    pairs = 2 * moved @ moved.T
    if not len(singular):
        return pairs
    step, first, last = 0.5, np.log(1e-3 / singular[0]), np.log(30 / max(singular[-1], singular[0] * 1e-6))
    for log_t in np.arange(first, last, step):
        t = np.exp(log_t)
        pairs += step * t * np.square((moved * np.exp(-t * singular)) @ moved.T)
    return pairs


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
