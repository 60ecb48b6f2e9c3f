"""FID by class: exact n × n forms against scipy's `sqrtm` of D × D, on the same features, and how far apart they are.

Features of 2,048 dimensions whose spectrum falls as Inception's does; 10 images to a class on either side, and 50.
The peer is timed on one class. Where a class has fewer images than dimensions the product that `sqrtm` takes the
root of is singular, which is where its own error comes from.
"""

from __future__ import annotations

import time

import numpy as np

from relaionet.evaluators.metrics.frechet import fit_gaussian, frechet_distance
from tests.bench.evaluation.metrics_end_to_end import published_frechet
from tests.bench.row import Row

DIM, CLASSES_COUNT, CLASSES_TIMED = 2_048, 200, 1


def draw(classes: int, each: int, seed: int, shift: float) -> np.ndarray:
    """[classes, each, D] float32."""
    rng = np.random.default_rng(seed)
    spread = 0.4 / np.sqrt(1 + np.arange(DIM) / 8)
    centres = np.random.default_rng(0).normal(size=(classes, 1, DIM)) * spread
    return (np.abs(centres + rng.normal(size=(classes, each, DIM)) * spread + 0.3) + shift).astype(np.float32)


def run_ours(made: np.ndarray, real: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds for each class, and values."""
    started = time.perf_counter()
    values = [frechet_distance(fit_gaussian(one), fit_gaussian(two)) for one, two in zip(made, real, strict=True)]
    return (time.perf_counter() - started) / len(made), np.array(values)


def run_peer(made: np.ndarray, real: np.ndarray) -> tuple[float, np.ndarray]:
    started = time.perf_counter()
    values = [published_frechet(one, two) for one, two in zip(made, real, strict=True)]
    return (time.perf_counter() - started) / len(made), np.array(values)


def measure() -> list[Row]:
    rows = []
    for each in (10, 50):
        made, real = draw(CLASSES_COUNT, each, 1, 0.02), draw(CLASSES_COUNT, each, 2, 0.0)
        before, values = run_ours(made, real)
        theirs, expected = run_peer(made[:CLASSES_TIMED], real[:CLASSES_TIMED])
        ours = min(before, run_ours(made, real)[0])
        apart = float(np.abs(values[:CLASSES_TIMED] - expected).max())
        name = f"classes/s (scipy's sqrtm; {each} images to a class, {DIM:,} dimensions)"
        rows += [
            Row(name=f"per_class_fid_{each}", ours=1 / ours, peer=1 / theirs, goal=">=1000", unit=name),
            Row(name=f"per_class_fid_{each}_apart", ours=apart, peer=1, goal="<=0.001", unit="largest difference"),
        ]
    return rows
