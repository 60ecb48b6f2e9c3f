"""Our metrics beside scipy's and torch-fidelity's, run here on the same numbers."""

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
import scipy.special
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kernel_mmd
from torch_fidelity.metric_prc import calculate_precision_recall_full

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.metrics.accuracy import score_accuracy
from relaionet.evaluators.metrics.alignment import score_alignment
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import fit_gaussian, frechet_distance, score_frechet
from relaionet.evaluators.metrics.frechet_infinity import score_infinity
from relaionet.evaluators.metrics.inception_score import score_inception
from relaionet.evaluators.metrics.kernel import score_cmmd, score_kernel
from relaionet.evaluators.metrics.precision_recall import score_neighbours
from relaionet.evaluators.metrics.scaled import score_scaled
from relaionet.evaluators.protocols import find_protocol
from relaionet.evaluators.scoring.bounds import Bounds
from relaionet.evaluators.scoring.by_class import score_classes
from relaionet.evaluators.scoring.measure import measure_set
from relaionet.evaluators.scoring.mmhm import harmonic_mean
from relaionet.evaluators.scoring.score import Setting


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


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_and_recall_equal_torch_fidelity(k: int) -> None:
    one, two = draw(260, 6, 10), draw(240, 6, 11, 0.2)
    found = score_neighbours(one, two, k=k)
    theirs = calculate_precision_recall_full(torch.from_numpy(one), torch.from_numpy(two), k)
    assert (found.precision.value, found.recall.value) == pytest.approx(theirs, abs=1e-6)


def test_density_and_coverage_equal_their_definition() -> None:
    one, two, k = draw(90, 4, 12).astype(np.float64), draw(80, 4, 13, 0.3).astype(np.float64), 4
    among = np.sort(scipy.spatial.distance.cdist(two, two), axis=1)[:, k]
    inside = scipy.spatial.distance.cdist(two, one) <= among[:, None]
    found = score_neighbours(one, two, k=k)
    assert found.density.value == pytest.approx(inside.sum() / k / len(one))
    assert found.coverage.value == pytest.approx(inside.any(axis=1).mean())
    apart = scipy.spatial.distance.cdist(one, two)
    np.testing.assert_allclose(found.nearest_real, apart.min(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(found.nearest_row, apart.argmin(axis=1))


def test_cmmd_equals_its_definition() -> None:
    one, two = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (draw(70, 12, 14), draw(60, 12, 15, 0.4)))

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-scipy.spatial.distance.cdist(a, b, "sqeuclidean") / 200).mean())

    theirs = 1000 * (kernel(one, one) + kernel(two, two) - 2 * kernel(one, two))
    assert score_cmmd(one, two).value == pytest.approx(theirs, rel=1e-6)


def test_frechet_and_score_equal_torchmetrics() -> None:
    """torchmetrics around one toy network, its features and logits also given to ours."""
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.inception import InceptionScore

    class Means(torch.nn.Module):
        num_features = 12

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.adaptive_avg_pool2d(images.double() / 64, 2).flatten(1)

    rng = np.random.default_rng(16)
    real, made = (torch.from_numpy(rng.integers(0, top, (300, 3, 8, 8), dtype=np.uint8)) for top in (256, 220))
    fid, inception = FrechetInceptionDistance(Means()).set_dtype(torch.float64), InceptionScore(Means(), splits=1)
    fid.update(real, real=True)
    fid.update(made, real=False)
    inception.update(made)
    ours, theirs = Means()(made).numpy(), Means()(real).numpy()
    assert score_frechet(ours, fit_gaussian(theirs)).value == pytest.approx(float(fid.compute()), rel=1e-6)
    assert score_inception(ours, splits=1).value == pytest.approx(float(inception.compute()[0]), rel=1e-5)


def test_adms_inception_score_takes_runs_of_images_as_they_come() -> None:
    logits = np.random.default_rng(17).normal(size=(230, 7)) * 3
    p = scipy.special.softmax(logits, axis=1)
    parts = [p[start : start + 100] for start in range(0, 230, 100)]
    theirs = np.mean([np.exp((part * (np.log(part) - np.log(part.mean(0)))).sum(1).mean()) for part in parts])
    assert score_inception(logits, split_images=100, seed=None).value == pytest.approx(theirs, rel=1e-9)


def test_distance_without_bias_finds_the_known_distance() -> None:
    """Two Gaussians whose Fréchet distance has a closed form: the plain value is far above it, this one is at it."""
    rng, spread = np.random.default_rng(18), 3 / np.sqrt(1 + np.arange(16))
    truth = 16 * 0.1**2 + np.square(0.2 * spread).sum()
    pairs = [(rng.normal(size=(400, 16)) * spread * 1.2 + 0.1, rng.normal(size=(400, 16)) * spread) for _ in range(60)]
    plain = [score_frechet(one, fit_gaussian(two)).value for one, two in pairs]
    found = [score_infinity(one, two) for one, two in pairs]
    error = np.std([one.value for one in found]) / np.sqrt(60)
    assert abs(np.mean([one.value for one in found]) - truth) < 3 * error
    assert np.mean(plain) - truth > 10 * error
    assert np.mean([one.standard_error() for one in found]) == pytest.approx(error * np.sqrt(60), rel=0.35)


def test_kernel_distance_equals_torchmetrics() -> None:
    """One subset that is the whole set, around a toy network, in float64."""
    from torchmetrics.image.kid import poly_mmd

    one, two = draw(200, 24, 19).astype(np.float64), draw(200, 24, 20, 0.1).astype(np.float64)
    theirs = float(poly_mmd(torch.from_numpy(one), torch.from_numpy(two)))
    assert score_kernel(one, two).value == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("each", [10, 50])
def test_each_class_equals_sqrtm_and_torch_fidelity(each: int) -> None:
    """Fewer images than dimensions, where `sqrtm` meets a singular product: within 1e-3, as promised."""
    classes = ("n01440764", "n01443537", "n01484850")
    rows = [name for name in classes for _ in range(each)]
    sets = []
    for seed in (21, 22):
        features, logits = draw(len(rows), 96, seed, 0.05 * (seed == 21)), draw(len(rows), 9, seed + 2) * 3
        sets.append(
            FeatureSet(
                protocol=find_protocol("miniature"), ids=tuple(f"{row:064x}" for row in range(len(rows))),
                wnids=tuple(rows), features=features, logits=logits, classes=None, cosines={}, digest=str(seed),
            )
        )  # fmt: skip
    found = score_classes(measure_set(*sets), Setting(generator="g", split="s"))
    for index, name in enumerate(classes):
        part = slice(index * each, (index + 1) * each)
        one, two = (np.asarray(images.features[part], np.float64) for images in sets)
        ours = dict(found.filter(part=name).select("metric", "value").iter_rows())
        cov1, cov2 = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
        root = np.real(scipy.linalg.sqrtm(cov1 @ cov2))
        distance = np.sum((one.mean(0) - two.mean(0)) ** 2) + np.trace(cov1 + cov2 - 2 * root)
        assert ours["FD"] == pytest.approx(distance, abs=1e-3)
        settings = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
        assert ours["KD"] == pytest.approx(kernel_mmd(one, two, kid_kernel="poly", **settings), rel=1e-9)
        logits = torch.from_numpy(sets[0].logits[part])
        score = isc_features_to_metric(logits, splits=1, shuffle=False, rng_seed=0)["inception_score_mean"]
        assert ours["IS"] == pytest.approx(score, rel=1e-9)


@pytest.mark.parametrize("top", [1, 5])
def test_accuracy_equals_torchmetrics(top: int) -> None:
    from torchmetrics.functional.classification import multiclass_accuracy

    rng = np.random.default_rng(23)
    logits, labels = rng.normal(size=(400, 12)).astype(np.float32), rng.integers(0, 12, 400)
    logits[np.arange(400), labels] += 1
    names = [f"n{label:08d}" for label in range(12)]
    found = score_accuracy(logits, [names[label] for label in labels], names, top=top)
    theirs = multiclass_accuracy(
        torch.from_numpy(logits), torch.from_numpy(labels), num_classes=12, top_k=top, average="micro"
    )
    assert found is not None
    assert found.value == pytest.approx(float(theirs), abs=1e-6)


def test_harmonic_mean_and_scaled_forms_by_hand() -> None:
    """Three systems, four metrics, numbers small enough for paper; ε = 0.001."""
    values = np.array([[10.0, 100.0, 30.0, 20.0], [20.0, 200.0, 25.0, 22.0], [40.0, 50.0, 28.0, 21.0]])
    metrics = ("FID", "IS", "CLIP Score", "PickScore")
    bounds = Bounds(ends={"FID": (10, 40), "IS": (50, 200), "CLIP Score": (25, 30), "PickScore": (20, 22)})
    theirs = [
        4 / (1 / 1.001 + 1 / (0.001 + 1 / 3) + 1 / 1.001 + 1 / 0.001),
        4 / (1 / (0.001 + 2 / 3) + 1 / 1.001 + 1 / 0.001 + 1 / 1.001),
        4 / (1 / 0.001 + 1 / 0.001 + 1 / (0.001 + 3 / 5) + 1 / (0.001 + 1 / 2)),
    ]
    np.testing.assert_allclose(harmonic_mean(values, metrics, bounds, 1e-3, clip=True), theirs, rtol=1e-12)
    alignment = score_alignment(np.array([0.2, 0.3, 0.4]))
    distance, score = (Estimate(value, np.zeros(3)) for value in (12.0, 50.0))
    found = score_scaled(distance, score, alignment, names=("csFID", "csIS"), real=25.0)
    assert {name: one.value for name, one in found.items()} == pytest.approx(
        {"csFID": 40.0, "csIS": 15.0, "csFID (relative)": 10.0, "csIS (relative)": 60.0}
    )
