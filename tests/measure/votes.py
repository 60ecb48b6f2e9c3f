"""How good settled labels are, on ReaL's real votes: against the published decisions and against five experts.

    python -m tests.measure.votes [--seeds 5] [--skip-slow]

Needs ../shared/real. Prints the Markdown tables of docs/guides/agreement.md. Takes about ten minutes; `--skip-slow`
leaves out crowd-kit's MACE and GLAD.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from relaionet.annotations.agreement.dawid_skene import PosteriorConfig
from relaionet.annotations.agreement.settle import AgreementConfig
from tests.measure.real_votes import Votes, gold_halves, halves, read_real_votes, settle_real

NO_TAIL = AgreementConfig(votes_needed=5, votes_max=5, support_min=0, min_confidence=0.5)
STRENGTHS = (1.0, 10.0, 100.0)
CONFIDENCES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)
SUPPORTS = (0, 1, 2, 3)
RESAMPLES = 4000


@dataclass(frozen=True)
class Setting:
    """One setting of the grid."""

    strength: float
    confidence: float
    support: int

    def config(self) -> AgreementConfig:
        posterior = PosteriorConfig(strength=self.strength)
        return replace(NO_TAIL, posterior=posterior, support_min=self.support, min_confidence=self.confidence)


def accepted(verdicts: pl.DataFrame) -> np.ndarray:
    return (verdicts["status"] == "accept").to_numpy()


def tighten(verdicts: pl.DataFrame, setting: Setting) -> np.ndarray:
    """What `setting` accepts, from the verdicts of the same strength without any further bound."""
    enough = (verdicts["confidence"] >= setting.confidence) & (verdicts["yes_count"] >= setting.support)
    return accepted(verdicts) & enough.to_numpy()


def find_setting(votes: Votes, pairs: np.ndarray) -> tuple[Setting, float]:
    """The setting of the grid whose labels agree best with the published decisions on some pairs, and how well."""
    best = (Setting(10.0, 0.5, 0), 0.0)
    for strength in STRENGTHS:
        verdicts = settle_real(votes, Setting(strength, 0.5, 0).config(), pairs)
        for confidence, support in itertools.product(CONFIDENCES, SUPPORTS):
            setting = Setting(strength, confidence, support)
            share = float((tighten(verdicts, setting) == votes.decision[pairs]).mean())
            best = max(best, (setting, share), key=lambda item: item[1])
    return best


def measure_half(votes: Votes, chosen: np.ndarray, other: np.ndarray) -> tuple[Setting, float, float, float]:
    """(setting found on one half, agreement there, agreement on the other half, that of the defaults there)."""
    setting, there = find_setting(votes, chosen)
    found = accepted(settle_real(votes, setting.config(), other))
    usual = accepted(settle_real(votes, replace(AgreementConfig(), votes_needed=5, votes_max=5), other))
    decision = votes.decision[other]
    return setting, there, float((found == decision).mean()), float((usual == decision).mean())


def half_lines(votes: Votes, seeds: int) -> Iterator[str]:
    yield "| seed | found on | strength, confidence, support | agreement there | on the other half | defaults |"
    yield "|---|---|---|---|---|---|"
    for seed in range(seeds):
        first, second = halves(votes, seed)
        for name, chosen, other in (("first half", first, second), ("second half", second, first)):
            setting, there, elsewhere, usual = measure_half(votes, chosen, other)
            told = f"{setting.strength:g}, {setting.confidence:g}, {setting.support}"
            yield f"| {seed} | {name} | {told} | {there:.4f} | **{elsewhere:.4f}** | {usual:.4f} |"


def majority(votes: Votes, kind: str) -> np.ndarray:
    """Plain majority over each pair's five answers, as a decision per pair."""
    counts = np.bincount(votes.pair * 3 + votes.answer, minlength=votes.image.size * 3).reshape(-1, 3)
    total = counts.sum(axis=1)
    worth = {"yes": counts[:, 2], "half": counts[:, 2] + counts[:, 1] / 2, "maybe": counts[:, 2] + counts[:, 1]}
    return worth[kind] * 2 > total


def best_rater(votes: Votes, on: np.ndarray, at_least: int) -> int:
    """Which of the 78 raters is right most often on the experts' pairs at `on`."""
    right = (votes.again[:, on] >= at_least) == votes.gold[on]
    return int(right.mean(axis=1).argmax())


def rater_elsewhere(votes: Votes, at_least: int, seed: int = 0) -> np.ndarray:
    """Decisions of the rater who was best on the other half of the images, on each half."""
    out = np.zeros(votes.gold.size, bool)
    first, second = gold_halves(votes, seed)
    for chosen, measured in ((first, second), (second, first)):
        out[measured] = votes.again[best_rater(votes, chosen, at_least)][measured] >= at_least
    return out


def settle_with_controls(votes: Votes, config: AgreementConfig, seed: int = 0) -> np.ndarray:
    """Decisions on each half of the experts' pairs, the other half being hidden controls with known truth."""
    out = np.zeros(votes.gold.size, bool)
    first, second = gold_halves(votes, seed)
    for controls, measured in ((first, second), (second, first)):
        verdicts = settle_real(votes, config, controls=controls)
        out[measured] = accepted(verdicts)[votes.gold_pair[measured]]
    return out


def intervals(
    votes: Votes, ours: np.ndarray, others: list[np.ndarray], seed: int = 0
) -> list[tuple[float, float, float]]:
    """(value, low, high) of the accuracy on gold, then of the differences; pairs are resampled by image."""
    names, image = np.unique(votes.image[votes.gold_pair], return_inverse=True)
    right = [(answer == votes.gold).astype(float) for answer in (ours, *others)]
    values = [right[0], *(right[0] - one for one in right[1:])]
    sizes = np.bincount(image)
    sums = np.stack([np.bincount(image, value) for value in values])
    draws = np.random.default_rng(seed).integers(names.size, size=(RESAMPLES, names.size))
    resampled = sums[:, draws].sum(axis=2) / sizes[draws].sum(axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975), axis=1)
    return [
        (float(value.mean()), float(start), float(end))
        for value, start, end in zip(values, low, high, strict=True)
    ]  # fmt: skip


def mcnemar(votes: Votes, one: np.ndarray, other: np.ndarray) -> float:
    """Exact two-sided McNemar p-value: are the pairs on which only one of two is right split evenly?"""
    from scipy.stats import binomtest

    right, left = one == votes.gold, other == votes.gold
    gained, lost = int((right & ~left).sum()), int((left & ~right).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def reference_decisions(votes: Votes) -> tuple[np.ndarray, np.ndarray]:
    """The best single rater in hindsight, and the best plain majority, both on all of gold: the hardest to beat."""
    raters = [votes.again[best_rater(votes, np.arange(votes.gold.size), least)] >= least for least in (1, 2)]
    plain = [majority(votes, kind)[votes.gold_pair] for kind in ("yes", "half", "maybe")]
    return tuple(max(found, key=lambda one: (one == votes.gold).mean()) for found in (raters, plain))  # type: ignore[return-value]


def crowd_kit_decisions(votes: Votes, *, slow: bool) -> Iterator[tuple[str, np.ndarray]]:
    """crowd-kit's models on the votes; their three labels read as the better of "yes" and "yes or maybe"."""
    import pandas as pd
    from crowdkit.aggregation import GLAD, MACE, DawidSkene, OneCoinDawidSkene

    def run(model: object, kept: np.ndarray) -> np.ndarray:
        table = pd.DataFrame({"task": votes.pair[kept], "worker": votes.rater[kept], "label": votes.answer[kept]})
        labels = model.fit_predict(table).reindex(votes.gold_pair).to_numpy()  # type: ignore[attr-defined]
        return max((labels == 2, labels >= 1), key=lambda one: (one == votes.gold).mean())

    every = np.ones(votes.pair.size, bool)
    yield "crowd-kit DawidSkene, three true states", run(DawidSkene(n_iter=100), every)
    yield "crowd-kit OneCoinDawidSkene", run(OneCoinDawidSkene(n_iter=100), every)
    yield "Wawa (votes weighed by agreement with the majority)", wawa(votes)
    if slow:
        some = sample_pairs(votes)
        kept = np.isin(votes.pair, some)
        yield "crowd-kit MACE, on 2 % of the pairs", run(MACE(n_restarts=4, n_iter=30, random_state=0), kept)
        yield "crowd-kit GLAD, on 2 % of the pairs", run(GLAD(n_iter=30), kept)
        verdicts = settle_real(votes, AgreementConfig(votes_needed=5, votes_max=5, support_min=0), some)
        yield "ours, on the same 2 %", accepted(verdicts)[np.searchsorted(some, votes.gold_pair)]


def sample_pairs(votes: Votes) -> np.ndarray:
    """The experts' pairs and a fiftieth of all others."""
    some = np.random.default_rng(0).random(votes.image.size) < 0.02
    some[votes.gold_pair] = True
    return np.flatnonzero(some)


def wawa(votes: Votes) -> np.ndarray:
    """Worker agreement with aggregate (crowd-kit's own fails with scikit-learn 1.7 and later)."""
    counts = np.bincount(votes.pair * 3 + votes.answer, minlength=votes.image.size * 3).reshape(-1, 3)
    agree = np.bincount(votes.rater, counts.argmax(axis=1)[votes.pair] == votes.answer)
    skill = agree / np.bincount(votes.rater)
    weighed = np.bincount(votes.pair * 3 + votes.answer, skill[votes.rater], votes.image.size * 3).reshape(-1, 3)
    label = weighed.argmax(axis=1)[votes.gold_pair]
    return max((label == 2, label >= 1), key=lambda one: (one == votes.gold).mean())


def gold_lines(votes: Votes, *, slow: bool) -> Iterator[str]:
    gold = votes.gold_pair
    rater, plain = reference_decisions(votes)
    setting, _ = find_setting(votes, halves(votes, 0)[0])
    usual = AgreementConfig(votes_needed=5, votes_max=5)
    rows: list[tuple[str, np.ndarray]] = [
        ("median single rater", median_rater(votes)),
        ("single rater, best on the other half of the images", rater_elsewhere(votes, 1)),
        ("single rater, best in hindsight", rater),
        ("majority: more than half say yes", majority(votes, "yes")[gold]),
        ("majority: a maybe is half a yes", majority(votes, "half")[gold]),
        ("majority: more than half say yes or maybe", majority(votes, "maybe")[gold]),
        *crowd_kit_decisions(votes, slow=slow),
        ("published scores, at least 0.8", votes.decision[gold]),
        ("**ours**, defaults", accepted(settle_real(votes, usual))[gold]),
        ("**ours**, best setting of the half", accepted(settle_real(votes, setting.config()))[gold]),
        ("**ours**, that and controls from the other half", settle_with_controls(votes, setting.config())),
    ]
    yield "| labels | accuracy (95 %) | more than best rater | p | more than best majority | p |"
    yield "|---|---|---|---|---|---|"
    for name, answer in rows:
        value, *more = intervals(votes, answer, [rater, plain])
        told = [f"{change:+.3f} ({low:+.3f} to {high:+.3f})" for change, low, high in more]
        chance = [f"{mcnemar(votes, answer, one):.2g}" for one in (rater, plain)]
        yield (
            f"| {name} | {value[0]:.4f} ({value[1]:.3f} to {value[2]:.3f}) | {told[0]} | {chance[0]} "
            f"| {told[1]} | {chance[1]} |"
        )


def median_rater(votes: Votes) -> np.ndarray:
    right = ((votes.again >= 1) == votes.gold).mean(axis=1)
    return votes.again[np.argsort(right)[right.size // 2]] >= 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--skip-slow", action="store_true")
    asked = parser.parse_args()
    votes = read_real_votes()
    print(f"{votes.pair.size:,} answers of {votes.raters.size} raters to {votes.image.size:,} pairs\n")
    for line in half_lines(votes, asked.seeds):
        print(line, flush=True)
    print(f"\n{votes.gold.size:,} expert pairs of {np.unique(votes.image[votes.gold_pair]).size} images\n")
    for line in gold_lines(votes, slow=not asked.skip_slow):
        print(line, flush=True)


if __name__ == "__main__":
    main()
