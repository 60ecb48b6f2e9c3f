"""How often the intervals hold the value they are about: nominal 95 %, on made data whose answer is known.

    python -m tests.measure.intervals [--draws 2000] [--only KD …]
    python -m tests.measure.intervals --pairs [--draws 2000] [--images 300 …]

Prints a Markdown table for docs/reference/formulas.md: share of intervals that hold the answer, with its Monte-Carlo
error. The answer is the mean of the metric over all draws, since metrics are stated at their number of images; for FD∞
it is the Fréchet distance of the two Gaussians drawn from, a closed form. With `--pairs` the same of differences
between two sets (`comparison/paired.py`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from relaionet.evaluators.metrics.accuracy import score_accuracy
from relaionet.evaluators.metrics.alignment import score_alignment
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import Gaussian, fit_gaussian, frechet_distance, score_frechet
from relaionet.evaluators.metrics.frechet_infinity import score_infinity
from relaionet.evaluators.metrics.inception_score import score_inception
from relaionet.evaluators.metrics.kernel import score_cmmd, score_kernel
from relaionet.evaluators.metrics.precision_recall import score_neighbours
from relaionet.evaluators.metrics.scaled import score_scaled
from tests.measure.comparison import paired

CLASSES_COUNT = 5


@dataclass(frozen=True, kw_only=True)
class World:
    """What is drawn: classes around centres, with a spectrum that falls.

    Attributes:
        name: in the table.
        n: images.
        dim: dimensions.
        noise: spread within classes, 1 is the split's own.
        shift: of all images, in spreads.
        distances_only: leave out what looks for neighbours, which takes long for many images.
    """

    name: str
    n: int
    dim: int
    noise: float = 1.0
    shift: float = 0.0
    distances_only: bool = False

    def draw(self, seed: int, *, is_split: bool = False) -> tuple[np.ndarray, list[str]]:
        """[N, D] float64 and the class of each."""
        rng, spread = np.random.default_rng(seed), 3 / np.sqrt(1 + np.arange(self.dim))
        centres = np.random.default_rng(5).normal(size=(CLASSES_COUNT, self.dim)) * 2
        labels = np.arange(self.n) % CLASSES_COUNT
        noise, shift = (1.0, 0.0) if is_split else (self.noise, self.shift)
        rows = (centres[labels] + rng.normal(size=(self.n, self.dim)) * noise + shift) * spread
        return rows, [str(label) for label in labels]


WORLDS = (
    World(name="the split's own distribution, 300 images, 16 dimensions", n=300, dim=16),
    World(name="near it, 300 images, 64 dimensions", n=300, dim=64, noise=1.1, shift=0.05),
    World(name="away from it, 300 images, 16 dimensions", n=300, dim=16, noise=1.3, shift=0.2),
    World(name="away from it, as many images as dimensions (64)", n=64, dim=64, noise=1.2, shift=0.1),
    World(name="away from it, 1,000 images, 16 dimensions", n=1000, dim=16, noise=1.3, shift=0.2, distances_only=True),
)


def score_once(world: World, seed: int, split: np.ndarray) -> Iterator[tuple[str, Estimate, list[str] | None]]:
    """Every metric of one draw, with the classes its interval is made within."""
    rows, classes = world.draw(seed)
    centres = np.random.default_rng(5).normal(size=(CLASSES_COUNT, world.dim)) * 2
    spread = 3 / np.sqrt(1 + np.arange(world.dim))
    logits = -np.square(rows[:, None] / spread - centres).sum(axis=-1) / 40
    cosines = np.clip(0.3 + 0.05 * np.random.default_rng(10**6 + seed).normal(size=world.n), -1, 1)
    distance = score_frechet(rows, fit_gaussian(split), classes=classes)
    inception, alignment = score_inception(logits, splits=1), score_alignment(cosines)
    yield "FD", distance, classes
    yield "KD", score_kernel(rows, split, strata=classes), classes
    both = (classes, world.draw(10**7, is_split=True)[1])
    yield "KD, for given classes", score_kernel(rows, split, classes=both, strata=classes), classes
    yield "CMMD", score_cmmd(rows, split, strata=classes), classes
    yield "IS", inception, classes
    yield "CLIP Score", alignment, classes
    scaled = score_scaled(distance, inception, alignment, names=("csFD", "csIS"), real=None)
    yield from ((name, estimate, classes) for name, estimate in scaled.items())
    if world.distances_only:
        return
    near = score_neighbours(rows, split, strata=classes)
    yield from ((name, getattr(near, name), None) for name in ("precision", "recall", "coverage"))
    yield "density", near.density, classes
    unsure = logits + np.random.default_rng(2 * 10**6 + seed).normal(size=logits.shape) * 0.6 * world.dim / 16
    accuracy = score_accuracy(unsure, classes, [str(label) for label in range(CLASSES_COUNT)])
    if accuracy is not None:
        yield "accuracy", accuracy, None


def measure_world(world: World, draws: int, only: Sequence[str] = ()) -> dict[str, tuple[float, float]]:
    """Metric -> share of intervals that hold the mean, and that mean."""
    split, _ = world.draw(10**7, is_split=True)
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(draws):
        for name, estimate, classes in score_once(world, seed, split):
            if only and name not in only:
                continue
            found.setdefault(name, []).append((estimate.value, *estimate.interval(classes)))
    covered = {}
    for name, rows in found.items():
        value, low, high = np.array(rows).T
        covered[name] = (float(((low <= value.mean()) & (value.mean() <= high)).mean()), float(value.mean()))
    return covered


def say_share(share: float | None, draws: int) -> str:
    """A share with its Monte-Carlo error (95 %)."""
    return "" if share is None else f"{100 * share:.1f} ± {196 * max(share * (1 - share) / draws, 0) ** 0.5:.1f} %"


def measure_infinity(draws: int) -> float:
    """Share of FD∞'s intervals that hold the closed form, both sides drawn anew."""
    spread, n = 3 / np.sqrt(1 + np.arange(16)), 400
    truth = frechet_distance(
        Gaussian(np.full(16, 0.1), np.diag(spread * 1.2), n), Gaussian(np.zeros(16), np.diag(spread), n)
    )
    held = 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        found = score_infinity(rng.normal(size=(n, 16)) * spread * 1.2 + 0.1, rng.normal(size=(n, 16)) * spread)
        low, high = found.interval()
        held += low <= truth <= high
    return held / draws


def main(draws: int, only: Sequence[str] = (), say: Callable[[str], None] = print) -> None:
    found = [measure_world(world, draws, only) for world in WORLDS]
    say(f"Share of 95 % intervals that hold the answer, {draws:,} draws, with its Monte-Carlo error:\n")
    say("| metric | " + " | ".join(world.name for world in WORLDS) + " |")
    say("|---|" + "---|" * len(WORLDS))
    for name in found[0]:
        shares = (one[name][0] if name in one else None for one in found)
        say(f"| {name} | " + " | ".join(say_share(share, draws) for share in shares) + " |")
    if only:
        return
    infinity = say_share(measure_infinity(draws), draws)
    say(f"\nFD∞, 400 images on either side, answer in closed form: {infinity}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--only", nargs="*", default=[], help="metrics to show; all are computed up to the last")
    parser.add_argument("--pairs", action="store_true", help="of differences between two sets")
    parser.add_argument("--images", nargs="*", type=int, default=[], help="with --pairs: only of so many images")
    options = parser.parse_args()
    if options.pairs:
        paired.main(options.draws, [one for one in paired.WORLDS if not options.images or one.n in options.images])
    else:
        main(options.draws, options.only)
