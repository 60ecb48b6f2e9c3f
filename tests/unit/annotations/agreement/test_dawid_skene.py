"""The estimate against crowd-kit's on the same model, against the truth it was made from, and its symmetries."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.annotations.agreement.dawid_skene import MAYBE, NO, YES, Answers, PosteriorConfig, estimate_posteriors
from tests.depth import deep

NOTHING = np.zeros(0, int)
BARE = PosteriorConfig(
    prior_right=0, prior_unsure=0, prior_wrong=0, strength=0, prevalence_prior=0, control_weight=1, tolerance=0
)  # fmt: skip


def make(picture, reviewer, answer, *, pictures=None, reviewers=None, fits=None, named=None, alternatives=()):
    """Answers from lists; `alternatives` is [(picture, is a refusal, is true)], ascending."""
    count = pictures or max(picture) + 1
    return Answers(
        picture=np.array(picture), reviewer=np.array(reviewer), answer=np.array(answer),
        named=np.full(len(picture), -1) if named is None else np.array(named),
        alternative_picture=np.array([one[0] for one in alternatives], int),
        is_refusal=np.array([one[1] for one in alternatives], bool),
        fits=np.full(count, np.nan) if fits is None else np.array(fits, float),
        is_true=np.array([one[2] for one in alternatives], bool), reviewers_count=reviewers or max(reviewer) + 1,
    )  # fmt: skip


def simulate(seed, pictures=400, right=(0.95, 0.9, 0.85, 0.6), unsure=0.05, prevalence=0.4):
    """Every reviewer answers every picture; returns answers and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.random(pictures) < prevalence
    rows = []
    for picture in range(pictures):
        for reviewer, share in enumerate(right):
            draw = rng.random()
            says = MAYBE if draw < unsure else (YES if truth[picture] == (rng.random() < share) else NO)
            rows.append((picture, reviewer, says))
    return rows, truth


@settings(max_examples=deep(8), deadline=None)
@given(seed=st.integers(0, 1000), rounds=st.sampled_from([1, 3, 30]))
def test_it_is_crowd_kits_dawid_skene_on_the_same_model(seed, rounds):
    from crowdkit.aggregation import DawidSkene

    rows, _ = simulate(seed, pictures=40, unsure=0.0)
    rows = [row for place, row in enumerate(rows) if (place * 7 + seed) % 5]
    table = pd.DataFrame([(p, w, int(a == YES)) for p, w, a in rows], columns=["task", "worker", "label"])
    theirs = DawidSkene(n_iter=rounds, tol=-1e9).fit(table)
    ours = estimate_posteriors(make(*zip(*rows, strict=True)), PosteriorConfig(**{**vars(BARE), "rounds_max": rounds}))
    assert ours.rounds == rounds
    np.testing.assert_allclose(ours.fits, theirs.probas_.sort_index()[1].to_numpy(), atol=1e-9)


def test_known_accuracies_are_recovered():
    right = (0.97, 0.9, 0.8, 0.65, 0.5)
    rows, truth = simulate(1, pictures=3000, right=right)
    found = estimate_posteriors(make(*zip(*rows, strict=True)))
    np.testing.assert_allclose(found.confusion[:, 1, YES] / found.confusion[:, 1, [NO, YES]].sum(1), right, atol=0.04)
    np.testing.assert_allclose(found.confusion[:, 0, NO] / found.confusion[:, 0, [NO, YES]].sum(1), right, atol=0.04)
    assert found.confusion[:, :, MAYBE] == pytest.approx(0.05, abs=0.02)
    assert found.prevalence == pytest.approx(truth.mean(), abs=0.02)
    np.testing.assert_allclose(found.confusion.sum(2), 1)
    assert ((found.fits > 0.5) == truth).mean() > 0.965


@settings(max_examples=deep(20), deadline=None)
@given(seed=st.integers(0, 50), shuffle=st.integers(0, 50))
def test_names_and_order_mean_nothing(seed, shuffle):
    rows, _ = simulate(seed, pictures=30)
    rng = np.random.default_rng(shuffle)
    pictures, reviewers = rng.permutation(30), rng.permutation(4)
    first = estimate_posteriors(make(*zip(*rows, strict=True)))
    moved = sorted((int(pictures[p]), int(reviewers[r]), a) for p, r, a in rows)
    second = estimate_posteriors(make(*zip(*moved, strict=True)))
    np.testing.assert_allclose(second.fits[pictures], first.fits, atol=1e-9)
    np.testing.assert_allclose(second.confusion[reviewers], first.confusion, atol=1e-9)


def test_a_perfect_reviewer_more_never_makes_it_worse_in_expectation():
    gains = []
    for seed in range(30):
        rows, truth = simulate(seed, pictures=120, right=(0.8, 0.75, 0.7))
        more = sorted([*rows, *((p, 3, YES if fits else NO) for p, fits in enumerate(truth))])
        before = estimate_posteriors(make(*zip(*rows, strict=True))).fits
        after = estimate_posteriors(make(*zip(*more, strict=True))).fits
        gains.append(((after > 0.5) == truth).mean() - ((before > 0.5) == truth).mean())
    assert np.mean(gains) > 0.05
    assert min(gains) > -0.02


def test_few_answers_do_not_explode():
    """One picture, one answer: near what one usual reviewer is worth, far from certain."""
    for answer, low, high in ((YES, 0.6, 0.95), (NO, 0.05, 0.4), (MAYBE, 0.3, 0.7)):
        found = estimate_posteriors(make([0], [0], [answer]))
        assert low < found.fits[0] < high
    assert estimate_posteriors(_empty()).fits.size == 0


def _empty():
    return Answers(
        picture=NOTHING, reviewer=NOTHING, answer=NOTHING, named=NOTHING, alternative_picture=NOTHING,
        is_refusal=NOTHING.astype(bool), fits=np.zeros(0), is_true=NOTHING.astype(bool), reviewers_count=0,
    )  # fmt: skip


def test_controls_are_known_and_tell_whom_to_believe():
    """Two reviewers against one; controls show that the one is right, so he is believed on the rest."""
    rows, fits = [], []
    for picture in range(40):
        control = picture < 20
        truth = picture % 2 == 0
        fits.append(float(truth) if control else np.nan)
        rows += [(picture, 0, YES if truth else NO), (picture, 1, NO if truth else YES), (picture, 2, YES)]
    found = estimate_posteriors(make(*zip(*rows, strict=True), fits=fits))
    np.testing.assert_array_equal(found.fits[:20], fits[:20])
    assert (found.fits[20::2] > 0.9).all()
    assert (found.fits[21::2] < 0.1).all()


def test_two_who_name_the_same_class_prove_more_than_two_who_name_different_ones():
    rows = [(p, r, YES) for p in range(20) for r in range(4)]
    usual = make(
        *zip(*[*rows, (20, 0, NO), (20, 1, NO), (20, 2, YES), (21, 0, NO), (21, 1, NO), (21, 2, YES)], strict=True),
        named=[-1] * 80 + [0, 0, -1, 1, 2, -1],
        alternatives=[(20, False, False), (21, False, False), (21, False, False)],
    )
    found = estimate_posteriors(usual)
    assert found.fits[20] < found.fits[21]
    assert found.alternative[0] > 2 * found.alternative[1:].max()
    assert (found.fits + np.bincount(usual.alternative_picture, found.alternative, 22) <= 1 + 1e-9).all()


def test_names_that_say_nothing_change_nothing():
    """Where every no is the same refusal, as in ReaL's votes, it is the model of no, maybe and yes alone."""
    rows, _ = simulate(3, pictures=2000)
    noes = sorted({p for p, _, a in rows if a == NO})
    place = {picture: number for number, picture in enumerate(noes)}
    named = [place[p] if a == NO else -1 for p, _, a in rows]
    alternatives = [(picture, True, False) for picture in noes]
    plain = estimate_posteriors(make(*zip(*rows, strict=True)))
    with_names = estimate_posteriors(make(*zip(*rows, strict=True), named=named, alternatives=alternatives))
    np.testing.assert_allclose(with_names.fits, plain.fits, atol=0.02)
