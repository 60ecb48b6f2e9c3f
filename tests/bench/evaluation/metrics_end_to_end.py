"""FID, IS, KID, FID by class and IS by class of 2,000 images: one pass of ours against a pass for each number.

The peer is what one does without us: torchmetrics' three metrics, each with its own forward passes, then the published
form for each class (mean, covariance and scipy's `sqrtm` of 2048 × 2048, Inception Score of the class). Both use one
small network with random weights that gives 2,048 features and 1,008 logits, so what is compared is the work around the
network, most of which is the peer's `sqrtm`; `metrics_end_to_end_inception` has the true network, where the passes
weigh more. `…_whole_only` sets all of ours against the peer's FID, KID and IS alone, without anything by class. The
images are noise around one picture for each class. The peer's part by class is timed on one of the classes and scaled
to all.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.linalg
import torch

from relaionet.evaluators.features.feature_sets import FeatureSet, extract_set
from relaionet.evaluators.features.images import ArrayImages
from relaionet.evaluators.features.models import Models
from relaionet.evaluators.protocols import Protocol, Resize
from relaionet.evaluators.scoring.by_class import score_classes
from relaionet.evaluators.scoring.measure import measure_set
from relaionet.evaluators.scoring.score import Setting, list_scores
from relaionet.manifests.labels import read_labels
from tests.bench.row import Row

CLASSES_COUNT, DIM, LOGITS = 20, 2_048, 1_008
CLASSES_TIMED = 1
WNIDS = [label.wnid for label in read_labels()][:CLASSES_COUNT]
PROTOCOL = Protocol(name="bench", size_px=64, generated=Resize(), fd_extractor="bench", classifier="bench")


class Network(torch.nn.Module):
    """[N, 3, 64, 64] uint8 -> features [N, 2048]; `logits` of them [N, 1008]."""

    num_features = DIM

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convs = torch.nn.Sequential(
            torch.nn.Conv2d(3, 32, 7, 4), torch.nn.ReLU(), torch.nn.Conv2d(32, 128, 3, 2), torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(),
        )  # fmt: skip
        self.head = torch.nn.Linear(DIM, LOGITS)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = self.convs(images.float() / 64 - 2) * 4
            return found


class NetworkLogits(Network):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = self.head(super().forward(images)) * 20
            return found


class NetworkExtractor:
    """The network as one of our extractors: features and logits in one pass."""

    name, dim, fingerprint = "bench", DIM, "bench"

    def __init__(self) -> None:
        self._network = Network()

    def extract(self, images: np.ndarray) -> dict[str, np.ndarray]:
        features = self._network(torch.from_numpy(images))
        with torch.inference_mode():
            return {"features": features.numpy(), "logits": (self._network.head(features) * 20).numpy()}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network, for both.

    Attributes:
        name: of the rows.
        count: images on either side.
        side_px: of the images.
        extractor: makes ours.
        features: makes the peer's network of features, as torchmetrics takes one.
        logits: makes the peer's network of logits.
    """

    name: str
    count: int
    side_px: int
    extractor: Callable[[], Any]
    features: Callable[[], torch.nn.Module]
    logits: Callable[[], torch.nn.Module]


SMALL = Case(
    name="metrics_end_to_end", count=2_000, side_px=64, extractor=NetworkExtractor, features=Network,
    logits=NetworkLogits,
)  # fmt: skip


def make_images(case: Case, seed: int, contrast: float) -> tuple[np.ndarray, list[str]]:
    """[N, side, side, 3] uint8 and the class of each."""
    rng, centres = np.random.default_rng(seed), np.random.default_rng(9)
    side = case.side_px
    base = centres.integers(60, 190, (CLASSES_COUNT, 8, 8, 3))
    large = -(-side // 16) * 2
    images = np.empty((case.count, side, side, 3), np.uint8)
    for row in range(case.count):
        coarse = base[row % CLASSES_COUNT].repeat(2, axis=0).repeat(2, axis=1) + rng.normal(size=(16, 16, 3)) * contrast
        images[row] = np.clip(coarse.repeat(large, axis=0).repeat(large, axis=1)[:side, :side], 0, 255)
    return images, [WNIDS[row % CLASSES_COUNT] for row in range(case.count)]


def extract(case: Case, images: np.ndarray, wnids: list[str], folder: Path) -> FeatureSet:
    extractor, protocol = case.extractor(), replace(PROTOCOL, size_px=case.side_px)
    rows = pl.DataFrame({"sample_id": [f"{row:064x}" for row in range(len(images))], "wnid": wnids})
    models = Models(protocol, extractor, extractor, {})
    return extract_set(ArrayImages(images, case.side_px, Resize(), digest=str(folder)), rows, models, folder)


def run_ours(case: Case, made: tuple[np.ndarray, list[str]], real: tuple[np.ndarray, list[str]]) -> dict[str, float]:
    """All five, from images to tables with intervals."""
    with tempfile.TemporaryDirectory() as folder:
        samples, reference = (
            extract(case, *one, Path(folder) / name) for name, one in (("made", made), ("real", real))
        )  # fmt: skip
        measured = measure_set(samples, reference)
        scores = list_scores(measured, Setting(generator="g", split="s"))
        by_class = score_classes(measured, Setting(generator="g", split="s"))
    first = by_class.filter(part=WNIDS[0])
    return dict(scores.select("metric", "value").iter_rows()) | {
        f"class {name}": value for name, value in first.select("metric", "value").iter_rows()
    }


def run_peer(
    case: Case, made: tuple[np.ndarray, list[str]], real: tuple[np.ndarray, list[str]]
) -> tuple[float, float, dict[str, float]]:
    """Seconds of FID, KID and IS, seconds with the part by class too, and values, by separate passes."""
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.inception import InceptionScore
    from torchmetrics.image.kid import KernelInceptionDistance

    started = time.perf_counter()
    fid = FrechetInceptionDistance(case.features())
    kid = KernelInceptionDistance(case.features(), subsets=100, subset_size=min(1000, case.count))
    inception = InceptionScore(case.logits(), splits=10)
    values = {}
    for name, metric in (("FID", fid), ("KID", kid)):
        for one, is_real in ((real[0], True), (made[0], False)):
            for batch in batches(one):
                metric.update(batch, real=is_real)
        values[name] = float(metric.compute()) if name == "FID" else float(metric.compute()[0])
    for batch in batches(made[0]):
        inception.update(batch)
    values["IS"] = float(inception.compute()[0])
    whole = time.perf_counter() - started
    started = time.perf_counter()
    network, logits = case.features(), case.logits()
    rows = [np.concatenate([network(batch).numpy() for batch in batches(one)]) for one in (made[0], real[0])]
    classed = np.concatenate([logits(batch).numpy() for batch in batches(made[0])])
    passes = time.perf_counter() - started
    started = time.perf_counter()
    for wnid in WNIDS[:CLASSES_TIMED]:
        own, other = (np.array([name == wnid for name in names]) for names in (made[1], real[1]))
        values[f"class FID {wnid}"] = published_frechet(rows[0][own], rows[1][other])
        published_inception(classed[own])
    return whole, whole + passes + (time.perf_counter() - started) * CLASSES_COUNT / CLASSES_TIMED, values


def batches(images: np.ndarray, size: int = 32) -> list[torch.Tensor]:
    return [
        torch.from_numpy(np.ascontiguousarray(images[start : start + size].transpose(0, 3, 1, 2)))
        for start in range(0, len(images), size)
    ]


def published_frechet(one: np.ndarray, two: np.ndarray) -> float:
    """The form in use: covariances of D x D, their product's square root by scipy, imaginary rest dropped."""
    mean1, mean2 = one.mean(axis=0, dtype=np.float64), two.mean(axis=0, dtype=np.float64)
    cov1, cov2 = np.cov(one.astype(np.float64), rowvar=False), np.cov(two.astype(np.float64), rowvar=False)
    root = np.real(scipy.linalg.sqrtm(cov1 @ cov2))
    return float(np.square(mean1 - mean2).sum() + np.trace(cov1 + cov2 - 2 * root))


def published_inception(logits: np.ndarray) -> float:
    p = scipy.special.softmax(logits.astype(np.float64), axis=1)
    return float(np.exp((p * (np.log(p + 1e-16) - np.log(p.mean(axis=0) + 1e-16))).sum(axis=1).mean()))


def measure_case(case: Case) -> list[Row]:
    """Ours before and after the peer, the faster counts."""
    warnings.simplefilter("ignore")
    made, real = make_images(case, 1, 30.0), make_images(case, 2, 24.0)
    started = time.perf_counter()
    found = run_ours(case, made, real)
    ours = [time.perf_counter() - started]
    whole_only, seconds, theirs = run_peer(case, made, real)
    started = time.perf_counter()
    run_ours(case, made, real)
    ours.append(time.perf_counter() - started)
    apart = max(abs(found[name] - theirs[name]) / abs(theirs[name]) for name in ("FID", "IS"))
    unit = f"s (torchmetrics and scipy's sqrtm; {case.count:,} images, {CLASSES_COUNT} classes)"
    only = f"s (torchmetrics' FID, KID and IS, nothing by class; {case.count:,} images)"
    return [
        Row(name=case.name, ours=min(ours), peer=seconds, goal="<=0.3333", unit=unit),
        Row(name=f"{case.name}_whole_only", ours=min(ours), peer=whole_only, goal="<=1", unit=only),
        Row(name=f"{case.name}_apart", ours=apart, peer=1, goal="<=0.01", unit="relative, FID and IS (bound)"),
    ]


def measure() -> list[Row]:
    return measure_case(SMALL)
