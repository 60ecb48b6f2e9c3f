"""Our metrics beside scipy's and torch-fidelity's, run here on the same numbers."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kernel_mmd

from relaionet.evaluators.metrics.frechet import fit_gaussian, frechet_distance, score_frechet
from relaionet.evaluators.metrics.inception_score import score_inception
from relaionet.evaluators.metrics.kernel import score_kernel


def draw(n: int, dim: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(dim, dim)) / np.sqrt(dim)
    return (np.abs(rng.normal(size=(n, dim)) @ mix) + shift).astype(np.float32)


@pytest.mark.parametrize(("n", "m", "dim"), [(400, 300, 24), (2000, 2000, 64), (130, 150, 128)])
def test_frechet_equals_torch_fidelity(n: int, m: int, dim: int) -> None:
    one, two = draw(n, dim, 1), draw(m, dim, 2, 0.1)
    statistics = [fid_features_to_statistics(torch.from_numpy(x).double()) for x in (one, two)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    ours = score_frechet(one, fit_gaussian(two)).value
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert ours == pytest.approx(frechet_distance(fit_gaussian(one), fit_gaussian(two)), rel=1e-9)


@pytest.mark.parametrize("dim", [5, 48])
def test_frechet_equals_scipy_sqrtm(dim: int) -> None:
    one, two = draw(500, dim, 3).astype(np.float64), draw(600, dim, 4, 0.2).astype(np.float64)
    cov1, cov2 = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
    root = np.real(scipy.linalg.sqrtm(cov1 @ cov2))
    theirs = np.sum((one.mean(0) - two.mean(0)) ** 2) + np.trace(cov1 + cov2 - 2 * root)
    assert score_frechet(one, fit_gaussian(two)).value == pytest.approx(theirs, rel=1e-8)


def test_frechet_with_fewer_images_than_dimensions_equals_exact_products() -> None:
    one, two = draw(20, 100, 5).astype(np.float64), draw(30, 100, 6, 0.3).astype(np.float64)
    c1, c2 = (one - one.mean(0)) / np.sqrt(19), (two - two.mean(0)) / np.sqrt(29)
    # tr (S1 S2)^1/2 from the eigenvalues of the small product, which has full rank
    small = c1 @ c2.T @ c2 @ c1.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(small), 0, None)).sum()
    theirs = np.sum((one.mean(0) - two.mean(0)) ** 2) + (c1**2).sum() + (c2**2).sum() - 2 * cross
    assert score_frechet(one, fit_gaussian(two)).value == pytest.approx(theirs, rel=1e-6)


def test_frechet_of_known_gaussians() -> None:
    """Features made to have exactly these means and diagonal covariances: the distance has a closed form."""
    rng = np.random.default_rng(0)
    raw, _ = np.linalg.qr(rng.normal(size=(64, 8)) - 0)
    raw -= raw.mean(0)
    white, _ = np.linalg.qr(raw)
    white *= np.sqrt(63)
    s1, s2 = np.linspace(0.5, 2, 8), np.linspace(3, 0.1, 8)
    one, two = white * s1 + 1.0, white * s2 - 0.5
    assert score_frechet(one, fit_gaussian(two)).value == pytest.approx(8 * 1.5**2 + ((s1 - s2) ** 2).sum(), rel=1e-9)


@pytest.mark.parametrize("splits", [1, 3, 10])
def test_inception_score_equals_torch_fidelity(splits: int) -> None:
    logits = np.random.default_rng(7).normal(size=(503, 12)).astype(np.float32) * 4
    theirs = isc_features_to_metric(torch.from_numpy(logits), splits=splits, shuffle=True, rng_seed=2020)
    ours = score_inception(logits, splits=splits, seed=2020)
    assert ours.value == pytest.approx(theirs["inception_score_mean"], rel=1e-9)


def test_kernel_distance_equals_torch_fidelity() -> None:
    one, two = draw(250, 32, 8).astype(np.float64), draw(250, 32, 9, 0.1).astype(np.float64)
    settings = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    theirs = kernel_mmd(one, two, kid_kernel="poly", **settings)
    assert score_kernel(one, two).value == pytest.approx(theirs, rel=1e-9)
