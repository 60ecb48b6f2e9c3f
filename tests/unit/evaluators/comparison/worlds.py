"""Sets of made features whose distances are known in closed form, and plain forms of what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relaionet.evaluators.comparison.draws import DrawConfig
from relaionet.evaluators.comparison.sets import ComparedSet

Gaussians = list[tuple[np.ndarray, np.ndarray]]


def wnids(count: int) -> list[str]:
    return [f"n{number:08d}" for number in range(count)]


def make_set(
    rows: np.ndarray, labels: Sequence[str], name: str, *, keys: Sequence[str] = (), digest: str = ""
) -> ComparedSet:
    ids = [f"{name}-{row:04d}" for row in range(len(rows))]
    return ComparedSet(
        name=name, digest=digest or name, ids=ids, wnids=list(labels), keys=list(keys) or ids,
        features={"made": rows.astype(np.float32)},
    )  # fmt: skip


@dataclass(frozen=True)
class World:
    """Two sets of Gaussian classes: the second shifted, wider, and each of its classes moved on its own."""

    classes: int
    dim: int
    shift: float = 0.0
    noise: float = 1.0
    class_shift: float = 0.0

    def sides(self) -> tuple[Gaussians, Gaussians]:
        rng, spread = np.random.default_rng(5), 3 / np.sqrt(1 + np.arange(self.dim))
        one, other = [], []
        for _ in range(self.classes):
            centre = 1 + rng.normal(size=self.dim) * spread
            moved = centre + self.shift * spread + self.class_shift * rng.normal(size=self.dim) * spread
            one.append((centre, np.diag(spread**2)))
            other.append((moved, np.diag((self.noise * spread) ** 2)))
        return one, other

    def draw(self, per_class: tuple[int, int], seed: int) -> tuple[ComparedSet, ComparedSet]:
        rng, made = np.random.default_rng(seed), []
        for name, side, count in zip(("one", "other"), self.sides(), per_class, strict=True):
            rows = [mean + rng.normal(size=(count, self.dim)) * np.sqrt(np.diag(spread)) for mean, spread in side]
            labels = np.repeat(wnids(self.classes), count).tolist()
            made.append(make_set(np.concatenate(rows), labels, f"{name}{seed}"))
        return made[0], made[1]

    def kernel_distance(self) -> float:
        """Closed form of the kernel distance of the two mixtures."""
        one, other = self.sides()
        return mean_cubic(one, one) + mean_cubic(other, other) - 2 * mean_cubic(one, other)

    def class_distance(self) -> float:
        """Closed form of the mean kernel distance of the classes."""
        pairs = zip(*self.sides(), strict=True)
        return float(np.mean([cubic(*a, *a) + cubic(*b, *b) - 2 * cubic(*a, *b) for a, b in pairs]))


def mean_cubic(one: Gaussians, other: Gaussians) -> float:
    return float(np.mean([cubic(*a, *b) for a in one for b in other]))


def cubic(m: np.ndarray, s: np.ndarray, n: np.ndarray, t: np.ndarray) -> float:
    """E (x·y / D + 1)³ of independent x ~ N(m, s) and y ~ N(n, t), by the moments of Gaussians up to the third."""
    dim, first = len(m), float(m @ n)
    second = float(np.trace((s + np.outer(m, m)) @ (t + np.outer(n, n))))
    third = (
        first**3 + 3 * first * (m @ t @ m) + 3 * first * (n @ s @ n) + 3 * first * np.trace(s @ t) + 6 * (m @ t @ s @ n)
    )
    return float(third / dim**3 + 3 * second / dim**2 + 3 * first / dim + 1)


def plain_kernel(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased kernel distance, written out."""
    k = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3  # noqa: E731
    n, m = len(x), len(y)
    own, other = k(x, x), k(y, y)
    within = (own.sum() - np.trace(own)) / (n * (n - 1)) + (other.sum() - np.trace(other)) / (m * (m - 1))
    return float(within - 2 * k(x, y).mean())


ONE_DRAW = DrawConfig(draws=1)
