"""How often intervals of differences between two sets hold the answer: `python -m tests.measure.intervals --pairs`.

Two sets answer the same requests and share nothing, part or nearly all of what their seeds make. Near the floor both
are of the split's own distribution and neither is better; far from it both are off and one a little more so. The answer
is the mean difference over all draws, since metrics are stated at their number of images; an MMHM's is the MMHM of the
mean values. Fewer draws are taken of what takes long; each share says its Monte-Carlo error.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from relaionet.evaluators.metrics.alignment import score_alignment
from relaionet.evaluators.metrics.estimate import Estimate, find_wilson
from relaionet.evaluators.metrics.frechet import Gaussian, fit_gaussian, score_frechet
from relaionet.evaluators.metrics.inception_score import score_inception
from relaionet.evaluators.metrics.kernel import score_cmmd, score_kernel
from relaionet.evaluators.metrics.scaled import score_scaled
from relaionet.evaluators.protocols import find_protocol
from relaionet.evaluators.scoring.compare import compare_metric
from relaionet.evaluators.scoring.influences import Influences
from relaionet.evaluators.scoring.mmhm import score_board
from relaionet.manifests.tables import SCORES, shape_table

CLASSES_COUNT = 5
ALIKE = {"alike": 0.99, "partly alike": 0.5, "independent": 0.0}
"""Share of the spread within a class that two sets have in common."""
BOUNDS = {"best": 0.9, "worst": 1.8}
"""Spread of two further sets that an MMHM is scaled by."""
METRICS = ("FID", "KID", "CMMD", "IS", "CLIP Score", "csFID", "csIS", "MMHM")
WANTED = 0.93, 0.97
PROTOCOL = find_protocol("paper")


@dataclass(frozen=True, kw_only=True)
class PairWorld:
    """What two sets are drawn from.

    Attributes:
        n: images of each.
        dim: dimensions of the features.
        alike: a key of ALIKE.
        is_near: near the floor of the distances.
    """

    n: int
    dim: int
    alike: str
    is_near: bool

    @property
    def name(self) -> str:
        """In the table."""
        return f"{self.n:,} images, {self.dim:,} dimensions, {self.alike}, {'near' if self.is_near else 'far'}"

    @property
    def spread(self) -> np.ndarray:
        """[D], falling."""
        return 3 / np.sqrt(1 + np.arange(self.dim))

    @property
    def centres(self) -> np.ndarray:
        """[C, D] of the classes, in spreads."""
        return np.random.default_rng(5).normal(size=(CLASSES_COUNT, self.dim)) * 2

    @property
    def labels(self) -> np.ndarray:
        """[N] class of each image."""
        return np.arange(self.n) % CLASSES_COUNT

    def make(self, noise: np.ndarray, size: float = 1.0, shift: float = 0.0) -> np.ndarray:
        """[N, D] features of unit noise."""
        return np.asarray((self.centres[self.labels] + noise * size + shift) * self.spread)

    def draw(self, seed: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Label, features [N, D] and cosines [N] of the two sets, then of those an MMHM is scaled by."""
        rng, share = np.random.default_rng(10**6 + seed), ALIKE[self.alike]
        common = rng.normal(size=(self.n, self.dim + 1))
        for name, more in (("a", 0.0), ("b", 1.0)):
            own = rng.normal(size=common.shape)
            noise = math.sqrt(share) * common + math.sqrt(1 - share) * own
            off = (1.0, 0.0) if self.is_near else (1.3 + 0.05 * more, 0.3 + 0.02 * more)
            yield name, self.make(noise[:, 1:], *off), 0.3 - (0 if self.is_near else 0.005 * more) + 0.05 * noise[:, 0]
        if self.has_bounds:
            for name, size in BOUNDS.items():
                noise = rng.normal(size=common.shape)
                yield name, self.make(noise[:, 1:], size, size / 2), 0.3 - 0.1 * (size - 1) + 0.05 * noise[:, 0]

    @property
    def has_bounds(self) -> bool:
        """Whether an MMHM is measured: it takes four sets."""
        return self.n * self.dim <= 64_000

    def draws(self, most: int) -> int:
        """How many draws are taken, where `most` are taken of what is quick."""
        return max(40, min(most, round(most * 20_000 / (self.n * self.dim))))


WORLDS = tuple(
    PairWorld(n=n, dim=dim, alike=alike, is_near=is_near)
    for n, dim, alike, is_near in itertools.product((50, 300, 1000, 5000), (64, 2048), ALIKE, (True, False))
)


@dataclass(eq=False)
class Tally:
    """What was found of one metric in one world."""

    differences: list[float] = field(default_factory=list)
    ends: list[tuple[float, float]] = field(default_factory=list)
    truth: float | None = None

    def share(self) -> tuple[float, float]:
        """Share of the draws with an interval, and of those intervals that hold the answer."""
        truth = float(np.mean(self.differences)) if self.truth is None else self.truth
        low, high = np.array(self.ends).T
        shown = ~np.isnan(low)
        held = (low <= truth) & (truth <= high)
        return float(shown.mean()), float(held[shown].mean()) if shown.any() else math.nan


@dataclass(frozen=True, eq=False)
class Split:
    """The split's own images of a world."""

    features: np.ndarray
    gaussian: Gaussian
    units: np.ndarray


def make_split(world: PairWorld) -> Split:
    rows = world.make(np.random.default_rng(77).normal(size=(world.n, world.dim)))
    return Split(rows, fit_gaussian(rows), unit(rows))


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def score(world: PairWorld, rows: np.ndarray, cosines: np.ndarray, split: Split) -> dict[str, Estimate]:
    """Metric -> estimate of one set; an MMHM is over all of them."""
    classes, few = [str(label) for label in world.labels], slice(0, 16)
    distances = np.square(rows[:, None, few] / world.spread[few] - world.centres[:, few]).sum(axis=-1)
    distance = score_frechet(rows, split.gaussian, classes=classes)
    inception, alignment = score_inception(-distances / 40, splits=1), score_alignment(cosines)
    return {
        "FID": distance,
        "KID": score_kernel(rows, split.features, strata=classes),
        "CMMD": score_cmmd(unit(rows), split.units, strata=classes),
        "IS": inception,
        "CLIP Score": alignment,
        **score_scaled(distance, inception, alignment, names=("csFID", "csIS"), real=None),
    }


def tell_scores(values: Mapping[str, Mapping[str, float]], n: int) -> pl.DataFrame:
    """SCORES rows of (set -> metric -> value)."""
    rows = [(name, metric, value) for name, found in values.items() for metric, value in found.items()]
    frame = pl.DataFrame(rows, schema=["generator", "metric", "value"], orient="row")
    return shape_table(
        frame.with_columns(
            split=pl.lit("s"), protocol=pl.lit(PROTOCOL.name), steps=pl.lit(0), guidance=pl.lit(1.0), nfe=pl.lit(0.0),
            low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64), n=pl.lit(n), method=pl.lit(""),
            made_with=pl.lit(""),
        ),
        SCORES,
    )  # fmt: skip


def measure_pairs(world: PairWorld, draws: int) -> dict[str, Tally]:
    """Metric -> what its intervals held."""
    split, tallies = make_split(world), {name: Tally() for name in METRICS}
    classes, ids = tuple(str(label) for label in world.labels), [str(row) for row in range(world.n)]
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(draws):
        sets = [
            Influences(name, PROTOCOL.name, ids, classes, score(world, rows, cosines, split))
            for name, rows, cosines in world.draw(seed)
        ]
        for metric in sets[0].estimates:
            apart = compare_metric(sets[0], sets[1], metric)
            tallies[metric].differences.append(apart.difference)
            tallies[metric].ends.append((apart.low, apart.high))
        if not world.has_bounds:
            continue
        values = {one.label: {name: x.value for name, x in one.estimates.items()} for one in sets}
        for name, one in values.items():
            found.setdefault(name, []).append(one)
        _, differences = score_board(tell_scores(values, world.n), sets, PROTOCOL, split="s")
        row = differences.filter(metric="MMHM", one="a", other="b").row(0, named=True)
        tallies["MMHM"].differences.append(row["difference"])
        tallies["MMHM"].ends.append((row["low"], row["high"]))
    if world.has_bounds:
        means = {name: {x: float(np.mean([one[x] for one in some])) for x in some[0]} for name, some in found.items()}
        mmhm, _ = score_board(tell_scores(means, world.n), (), PROTOCOL, split="s")
        scored = dict(mmhm.filter(metric="MMHM").select("generator", "value").iter_rows())
        tallies["MMHM"].truth = scored["a"] - scored["b"]
    return {name: tally for name, tally in tallies.items() if tally.ends}


def say_cell(tally: Tally) -> str:
    """Share held with its Monte-Carlo error, and where an interval was not always shown, how often it was."""
    shown, held = tally.share()
    if not shown:
        return "none shown"
    low, high = find_wilson(held, shown * len(tally.ends))
    return f"{100 * held:.1f} ± {50 * (high - low):.1f}" + ("" if shown == 1 else f", shown in {100 * shown:.0f} %")


def is_within(tally: Tally) -> bool:
    """Whether the share lies within 93 to 97 %, as far as so many draws can tell."""
    shown, held = tally.share()
    if not shown:
        return True
    low, high = find_wilson(held, shown * len(tally.ends))
    return high >= WANTED[0] and low <= WANTED[1]


def main(draws: int, worlds: Sequence[PairWorld] = WORLDS, say: Callable[[str], None] = print) -> None:
    say(f"Share of 95 % intervals of a difference that hold the answer, percent, at most {draws:,} draws:\n")
    say("| images, dimensions, sets | draws | " + " | ".join(METRICS) + " |")
    say("|---|---|" + "---|" * len(METRICS))
    cells: list[tuple[PairWorld, Tally]] = []
    for world in worlds:
        found = measure_pairs(world, world.draws(draws))
        cells += [(world, tally) for tally in found.values()]
        shown = " | ".join(say_cell(found[name]) if name in found else "" for name in METRICS)
        say(f"| {world.name} | {world.draws(draws):,} | {shown} |")
    held = sum(is_within(tally) for _, tally in cells)
    large = [tally for world, tally in cells if world.n >= 300]
    there = sum(tally.share()[0] >= 0.5 for tally in large)
    say(f"\n{held} of {len(cells)} cells are within 93 to 97 % as far as their draws tell;")
    say(f"of the {len(large)} cells with 300 images or more {there} show an interval.")
