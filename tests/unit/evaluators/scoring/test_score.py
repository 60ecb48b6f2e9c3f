"""Laws of the metrics: what they do not depend on, what they tell apart, and how often their intervals are right."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.metrics.accuracy import score_accuracy
from relaionet.evaluators.metrics.alignment import score_alignment
from relaionet.evaluators.metrics.estimate import Estimate, bend, divide, multiply, straighten
from relaionet.evaluators.metrics.frechet import fit_gaussian, score_frechet
from relaionet.evaluators.metrics.inception_score import score_inception
from relaionet.evaluators.metrics.kernel import score_cmmd, score_kernel
from relaionet.evaluators.metrics.scaled import score_scaled
from relaionet.evaluators.protocols import find_protocol
from relaionet.evaluators.scoring.bounds import Bounds, find_bounds
from relaionet.evaluators.scoring.measure import match_rows
from relaionet.evaluators.scoring.mmhm import harmonic_mean, score_mmhm
from relaionet.evaluators.scoring.score import REAL, score_generator, score_real
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import SCORES, check_table
from tests.depth import deep

CLASSES = tuple(f"n{index:08d}" for index in range(5))
CENTRES = np.random.default_rng(5).normal(size=(5, 16)) * 2


def make_set(n: int = 200, *, seed: int = 0, noise: float = 1.0, shift: float = 0.0, cosine: float = 0.3) -> FeatureSet:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 5
    features = CENTRES[labels] + rng.normal(size=(n, 16)) * noise + shift
    logits = -np.square(features[:, None] - CENTRES).sum(-1) / 8
    return FeatureSet(
        protocol=find_protocol("miniature"),
        ids=tuple(f"{index:064x}" for index in range(n)),
        wnids=tuple(CLASSES[label] for label in labels),
        features=features.astype(np.float32),
        logits=logits.astype(np.float32),
        classes=CLASSES,
        cosines={"CLIP Score": rng.normal(size=n) * 0.05 + cosine},
        digest=str(seed),
    )


def values(scores: pl.DataFrame) -> dict[str, float]:
    return dict(scores.select("metric", "value").iter_rows())


@given(st.integers(0, 1000), st.integers(3, 40), st.integers(1, 12))
@settings(max_examples=deep(30), deadline=None)
def test_frechet_laws(seed: int, n: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(n, dim)), rng.normal(size=(n + 3, dim)) * 2 + 1
    there, back = (score_frechet(x, fit_gaussian(y)).value for x, y in ((one, two), (two, one)))
    assert there == pytest.approx(back, rel=1e-8)
    assert score_frechet(rng.permutation(one), fit_gaussian(two)).value == pytest.approx(there, rel=1e-8)
    assert score_frechet(one, fit_gaussian(one)).value == pytest.approx(0, abs=1e-8 * np.square(one).sum())
    moved = score_frechet(one + 3, fit_gaussian(one)).value
    assert moved == pytest.approx(9 * dim, rel=1e-6)


def test_gaussian_read_in_pieces_equals_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(1).normal(size=(500, 8)).astype(np.float32)
    whole = fit_gaussian(features)
    monkeypatch.setattr("relaionet.evaluators.metrics.frechet.CHUNK_ROWS", 7)
    pieces = fit_gaussian(features)
    np.testing.assert_allclose(pieces.factor.T @ pieces.factor, whole.factor.T @ whole.factor, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        pieces.factor.T @ pieces.factor, np.cov(features.astype(float), rowvar=False), atol=1e-10
    )


def jackknife_error(score, n: int) -> float:  # type: ignore[no-untyped-def]
    """Standard error by really leaving out each image once."""
    left = np.array([score(np.delete(np.arange(n), index)) for index in range(n)])
    return float(np.sqrt((n - 1) / n * np.square(left - left.mean()).sum()))


def test_influences_agree_with_leaving_images_out() -> None:
    ours, reference = make_set(120, seed=1, noise=1.4, shift=0.3), make_set(120, seed=2)
    gaussian = fit_gaussian(reference.features)
    cases = {
        "fd": lambda rows: score_frechet(ours.features[rows], gaussian),
        "is": lambda rows: score_inception(ours.logits[rows], splits=1),
        "kd": lambda rows: score_kernel(ours.features[rows], reference.features),
        "alignment": lambda rows: score_alignment(ours.cosines["CLIP Score"][rows]),
        "csfd": lambda rows: score_scaled(
            score_frechet(ours.features[rows], gaussian), score_inception(ours.logits[rows], splits=1),
            score_alignment(ours.cosines["CLIP Score"][rows]), names=("csFD", "csIS"), real=None,
        )["csFD"],
    }  # fmt: skip
    for name, score in cases.items():
        close = replace(score(np.arange(120)), excess=0.0).standard_error()
        assert close == pytest.approx(jackknife_error(lambda rows, s=score: s(rows).value, 120), rel=0.12), name


@pytest.mark.parametrize(("noise", "shift"), [(1.0, 0.0), (1.3, 0.2)])
def test_intervals_cover_the_value_over_new_draws(noise: float, shift: float) -> None:
    """Nominal 95 %: over 300 draws of the same requests the mean value lies in 93 to 97 % of the intervals.

    The bounds leave two standard errors of 300 draws; `python -m tests.measure.intervals` measures it with more.
    """
    gaussian = fit_gaussian(make_set(300, seed=10_000).features)
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(300):
        one = make_set(300, seed=seed, noise=noise, shift=shift)
        distance = score_frechet(one.features, gaussian, classes=one.wnids)
        inception = score_inception(one.logits, splits=1)
        alignment = score_alignment(one.cosines["CLIP Score"])
        scaled = score_scaled(distance, inception, alignment, names=("csFD", "csIS"), real=None)
        for name, estimate in {"FD": distance, "IS": inception, "CLIP": alignment, **scaled}.items():
            found.setdefault(name, []).append((estimate.value, *estimate.interval(one.wnids)))
    for name, draws in found.items():
        value, low, high = np.array(draws).T
        covered = ((low <= value.mean()) & (value.mean() <= high)).mean()
        assert 0.91 <= covered <= 0.985, (name, covered)


@given(st.floats(-8, 8), st.floats(-1.5, 1.5))
def test_straightening_rises_and_is_undone(away: float, skew: float) -> None:
    assert bend(straighten(away, skew), skew) == pytest.approx(away, abs=1e-4)
    assert straighten(away + 0.01, skew) > straighten(away, skew)


def test_intervals_of_skewed_scores_cover_evenly() -> None:
    """15 images whose scores have a long tail: mean 1; the interval without correction misses nearly always below."""
    rng = np.random.default_rng(5)
    below = above = plain = 0
    for _ in range(2000):
        scores = rng.exponential(size=15)
        one = Estimate(float(scores.mean()), scores - scores.mean())
        low, high = one.interval()
        below, above = below + (high < 1), above + (low > 1)
        plain += abs(one.value - 1) < 2.1448 * one.standard_error()
        # the p-value and the interval say the same
        apart = Estimate(one.value - 1, one.influence)
        assert (apart.p_value() < 0.05) == (not low <= 1 <= high)
    assert 0.925 <= 1 - (below + above) / 2000 <= 0.97
    assert plain / 2000 < 0.92
    assert above > 10


def test_interval_of_a_distance_that_may_fall_below_zero_is_made_where_it_cannot() -> None:
    ours, reference = make_set(300, seed=1), make_set(300, seed=2)
    found = score_kernel(ours.features, reference.features)
    both = [np.asarray(one.features, np.float64) for one in (ours, reference)]
    kernel = [[((one @ two.T) / one.shape[1] + 1) ** 3 for two in both] for one in both]
    biased = kernel[0][0].mean() + kernel[1][1].mean() - 2 * kernel[0][1].mean()
    assert found.value + found.offset == pytest.approx(biased, rel=1e-9)
    low, high = found.interval()
    assert low < found.value < high
    assert low > -found.offset
    ends = [1 / (end + found.offset) for end in (low, found.value, high)]
    assert ends[0] - ends[1] == pytest.approx(ends[1] - ends[2])
    assert found.say_method() == "infinitesimal jackknife, reciprocal scale of the biased form"
    logs = [math.log(end) for end in (*score_cmmd(*both).interval(), score_cmmd(*both).value)]
    assert logs[0] + logs[1] == pytest.approx(2 * logs[2])


def test_scores_are_a_whole_table_with_intervals() -> None:
    scores = score_generator(make_set(seed=1), make_set(seed=2), generator="g", split="s", steps=4, guidance=2, nfe=8)
    check_table(scores, SCORES)
    assert set(scores["metric"]) == {
        "FD", "KD", "IS", "CLIP Score", "csFD", "csIS", "csFD (relative)", "csIS (relative)", "accuracy",
    }  # fmt: skip
    assert scores.select((pl.col("low") <= pl.col("value")).all() & (pl.col("value") <= pl.col("high")).all()).item()
    assert scores["n"].unique().to_list() == [200]


def test_scores_do_not_depend_on_the_order_of_images() -> None:
    ours, reference = make_set(seed=1), make_set(seed=2)
    order = np.random.default_rng(0).permutation(len(ours))
    one = score_generator(ours, reference, generator="g", split="s")
    two = score_generator(ours.take(order), reference, generator="g", split="s")
    assert one["value"].to_list() == pytest.approx(two["value"].to_list(), rel=1e-9)
    assert one["low"].to_list() == pytest.approx(two["low"].to_list(), rel=1e-9)


def test_damage_worsens_every_metric() -> None:
    reference = make_set(seed=2)
    steps = [make_set(seed=3, noise=noise, shift=noise - 1, cosine=0.3 / noise) for noise in (1.0, 1.5, 2.5, 4.0)]
    rows = [values(score_generator(one, reference, generator="g", split="s")) for one in steps]
    for metric in ("FD", "KD", "csFD"):
        assert [row[metric] for row in rows] == sorted(row[metric] for row in rows)
    for metric in ("CLIP Score", "csIS", "accuracy"):
        assert [row[metric] for row in rows] == sorted((row[metric] for row in rows), reverse=True)


def test_real_images_score_their_plain_value_relatively() -> None:
    real = values(score_real(make_set(seed=2), "s"))
    assert real["csIS (relative)"] == pytest.approx(real["IS"])
    assert "FD" not in real


def test_failed_samples_are_left_out_on_both_sides() -> None:
    ours, reference = make_set(seed=1), make_set(seed=2)
    kept = [row for row in range(200) if row % 7]
    part = score_generator(ours.take(kept), reference, generator="g", split="s")
    same = score_generator(ours.take(kept), reference.take(kept), generator="g", split="s")
    assert part.equals(same)
    assert part["n"][0] == len(kept)
    with pytest.raises(BadInput, match="no generated image"):
        match_rows(ours.take([0]), reference.take([1]))


def test_alignment_at_or_below_zero_scores_worst_and_not_negative() -> None:
    reference = make_set(seed=2)
    bad = values(score_generator(make_set(seed=1, cosine=-0.2), reference, generator="g", split="s"))
    good = values(score_generator(make_set(seed=1), reference, generator="g", split="s"))
    assert bad["CLIP Score"] < 0
    assert bad["csFD"] > good["csFD"] > 0
    assert 0 < bad["csIS"] < good["csIS"]


def test_scaled_values_are_the_formula() -> None:
    scores = values(score_generator(make_set(seed=1, cosine=0.25), make_set(seed=2), generator="g", split="s"))
    share = scores["CLIP Score"] / 100
    assert scores["csFD"] == pytest.approx(scores["FD"] / share)
    assert scores["csIS"] == pytest.approx(scores["IS"] * share)


def test_sets_of_two_protocols_are_refused() -> None:
    other = make_set(seed=2)
    object.__setattr__(other, "protocol", find_protocol("paper"))
    with pytest.raises(BadInput, match="different protocols"):
        score_generator(make_set(seed=1), other, generator="g", split="s")


def test_frechet_refuses_what_it_cannot_do() -> None:
    with pytest.raises(BadInput, match="at least 2"):
        fit_gaussian(np.zeros((1, 4)))
    with pytest.raises(BadInput, match="not finite"):
        fit_gaussian(np.full((5, 4), np.nan))
    with pytest.raises(BadInput, match="no pair"):
        score_frechet(np.zeros((5, 4)), fit_gaussian(np.zeros((5, 3))))


def test_kernel_distance_in_blocks_is_near_all_pairs() -> None:
    one, two = make_set(900, seed=1, noise=1.5).features, make_set(900, seed=2).features
    whole, blocks = score_kernel(one, two), score_kernel(one, two, block_count=300)
    assert abs(blocks.value - whole.value) < 3 * whole.standard_error()
    # each block has fewer images of the split to compare with, so its interval is wider, never narrower
    assert whole.standard_error() < blocks.standard_error() < 3 * whole.standard_error()


def test_kernel_distance_by_class_has_no_bias_for_given_classes() -> None:
    """Same classes, same distribution: the plain form lies below 0, the one by class around it."""
    pairs = [(make_set(100, seed=seed), make_set(100, seed=1000 + seed)) for seed in range(60)]
    plain = np.array([score_kernel(one.features, two.features).value for one, two in pairs])
    by_class = np.array(
        [score_kernel(one.features, two.features, classes=(one.wnids, two.wnids)).value for one, two in pairs]
    )
    error = by_class.std() / np.sqrt(len(pairs))
    assert abs(by_class.mean()) < 3 * error
    assert plain.mean() < -10 * error


def test_accuracy_is_counted_over_requested_classes_only() -> None:
    logits = np.eye(3)[[0, 1, 2, 0]]
    known = score_accuracy(logits, ["a", "b", "a", "z"], ["a", "b", "c"])
    assert known is not None
    assert known.value == pytest.approx(2 / 3)
    low, high = known.interval()
    assert 0 < low < known.value < high < 1
    assert score_accuracy(logits, ["z"] * 4, ["a", "b", "c"]) is None
    assert score_accuracy(logits, ["a", "b", "a", "a"], ["a", "b", "c"], top=3).value == 1


def test_one_image_has_no_interval() -> None:
    assert math.isnan(Estimate(1.0, np.zeros(1)).standard_error())


def test_chain_rule_of_quotient_and_product() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=400) + 9, rng.normal(size=400) + 4
    a, b = (Estimate(float(x.mean()), x - x.mean()) for x in (one, two))
    ratio = [one[rows].mean() / two[rows].mean() for rows in (rng.integers(0, 400, 400) for _ in range(2000))]
    product = [one[rows].mean() * two[rows].mean() for rows in (rng.integers(0, 400, 400) for _ in range(2000))]
    assert divide(a, b).standard_error() == pytest.approx(np.std(ratio), rel=0.08)
    assert multiply(a, b).standard_error() == pytest.approx(np.std(product), rel=0.08)


def board() -> pl.DataFrame:
    reference = make_set(seed=2)
    parts = [score_real(reference, "s")]
    for name, noise, cosine in (("best", 1.0, 0.3), ("middle", 1.5, 0.25), ("worst", 4.0, 0.02)):
        ours = make_set(seed=3, noise=noise, shift=noise - 1, cosine=cosine)
        parts.append(score_generator(ours, reference, generator=name, split="s"))
    return pl.concat(parts)


def test_mmhm_ranks_the_rows_and_leaves_out_real_images() -> None:
    scores = board()
    mmhm = score_mmhm(scores)
    check_table(mmhm, SCORES)
    found = dict(mmhm.select("generator", "value").iter_rows())
    assert found["best"] > found["middle"] > found["worst"]
    assert REAL not in found
    assert found["worst"] == pytest.approx(1e-3, rel=1e-6)
    assert score_mmhm(scores).equals(mmhm)


def test_mmhm_with_kept_bounds_does_not_move_when_a_row_is_added() -> None:
    scores = board()
    bounds = find_bounds(scores)
    fewer = score_mmhm(scores.filter(pl.col("generator") != "worst"), bounds=bounds)
    all_rows = score_mmhm(scores, bounds=bounds)
    both = fewer.join(all_rows, on="generator")
    assert both["value"].to_list() == pytest.approx(both["value_right"].to_list())


def test_mmhm_clipped_does_not_rank_a_worse_row_first() -> None:
    """The raw formula with kept bounds gives a far worse row a higher score; clipping does not."""
    bounds = Bounds(ends={"FID": (0.0, 10.0), "IS": (0.0, 1.0)})
    rows = np.array([[5.0, 1.0], [13.4, 1.0]])
    raw = harmonic_mean(rows, ["FID", "IS"], bounds, 1e-3, clip=False)
    clipped = harmonic_mean(rows, ["FID", "IS"], bounds, 1e-3, clip=True)
    assert raw[1] < 0 or raw[1] > raw[0]
    assert clipped[0] > clipped[1] > 0


def test_mmhm_refuses_two_protocols_and_two_splits() -> None:
    scores = board()
    with pytest.raises(BadInput, match="different protocols"):
        score_mmhm(pl.concat([scores, scores.with_columns(protocol=pl.lit("paper"))]))
    with pytest.raises(BadInput, match="one split"):
        score_mmhm(pl.concat([scores, scores.with_columns(split=pl.lit("t"))]))
