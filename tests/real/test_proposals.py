"""Proposals on real photos: the promise of the agreement tier, and that fitted probabilities come true.

Fitted on one half, measured on the other; see `tests.measure.proposals`, which prints all of it.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from relaionet.manifests.class_groups import read_class_groups
from tests.measure.groups import VOTES, count_group, measure_pairs, read_yes
from tests.measure.proposals import REAL, by_tier, measure_halves, measure_reviewed, reliability

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL.is_dir(), reason="needs the real material at ../shared/real"),
]


@pytest.mark.parametrize("basis", ["labelled", "captions"])
def test_where_picture_and_caption_agree_the_label_is_right(basis: str) -> None:
    tiers = {row["tier"]: row for row in by_tier(measure_halves(basis)).to_dicts()}
    print(tiers)
    assert tiers["agree"]["right"] >= 0.97
    assert tiers["agree"]["share"] >= 0.5
    # the other tiers say of themselves that they are less sure, and are
    for tier in ("picture", "caption", "disagree"):
        assert tiers[tier]["right"] < tiers["agree"]["right"]
        assert abs(tiers[tier]["right"] - tiers[tier]["mean_p"]) < 0.15


@pytest.mark.parametrize("basis", ["labelled", "captions"])
def test_fitted_probabilities_come_true_on_the_other_half(basis: str) -> None:
    before, after = reliability(measure_halves("encoder")), reliability(measure_halves(basis))
    for name, most in (("picture alone", 0.08), ("picture and caption", 0.04)):
        assert after[name].ece <= most
        assert after[name].ece < 0.4 * before[name].ece
        assert after[name].nll < before[name].nll


def test_captions_add_what_pictures_lack() -> None:
    with_captions, alone = measure_halves("labelled"), measure_halves("labelled", use_captions=False)
    right = [rows.filter(pl.col("right")).height / rows.height for rows in (with_captions, alone)]
    assert right[0] >= right[1] + 0.15


def test_the_groups_say_what_the_votes_show() -> None:
    if not VOTES.is_dir():
        pytest.skip("needs ReaL's votes")
    yes = read_yes()
    for group in read_class_groups():
        assert count_group(yes, group.wnids) == (group.both_yes_count, group.any_yes_count), group.name
    # of all pairs that raters say yes to together, the first is a group
    first = measure_pairs(yes).row(0, named=True)
    assert any({first["one"], first["two"]} <= set(group.wnids) for group in read_class_groups())


def test_a_run_with_nothing_to_fit_on_is_calibrated_by_its_first_reviewed_tasks() -> None:
    """Without captions or labels: no score is shown before; after 200 tasks the probabilities come true."""
    found = [measure_reviewed(200, draw) for draw in range(20)]
    assert all(one.shown_before == 0 for one in found)
    before, after, clear = (
        float(np.mean([getattr(one, name).ece for one in found])) for name in ("before", "after", "clear")
    )
    print(f"calibration error {before:.3f} -> {after:.3f}, {clear:.3f} of the clear ones")
    assert before > 0.2
    assert clear <= 0.05
    # of all, those with a probability of 0.1 too: a few thousandths above what chance would make of true ones
    assert after <= np.mean([one.after.ece_if_true_high for one in found]) + 0.01
    assert abs(np.mean([one.after.mean_score - one.after.right_frac for one in found])) < 0.01
    # a draw of 200 may be off by its own chance, none as the encoder is
    assert max(one.after.ece for one in found) < 0.4 * before
