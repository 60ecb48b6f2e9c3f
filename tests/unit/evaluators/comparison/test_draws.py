"""Fair draws: equal numbers, equal classes, whatever the order of the rows; what both hold is drawn for one alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.evaluators.comparison.draws import DrawConfig, Labelled, draw_any_mix, draw_equal_mix
from relaionet.manifests.errors import BadInput
from tests.depth import deep


@st.composite
def sides(draw):
    """Two sets of up to 40 pictures of up to 5 classes, some of them in both, some without a class."""
    wnid = st.sampled_from(["", "n1", "n2", "n3", "n4", "n5"])
    shared = draw(st.lists(st.tuples(wnid, wnid), max_size=12))
    made = []
    for side in (0, 1):
        alone = draw(st.lists(wnid, max_size=30))
        keys = [f"both{row}" for row in range(len(shared))] + [f"{side}-{row}" for row in range(len(alone))]
        names = [both[side] for both in shared] + alone
        made.append(Labelled(names, keys, [f"id{side}-{row}" for row in range(len(keys))]))
    return made


@given(sides(), st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=deep(150), deadline=None)
def test_a_draw_is_fair(both, draws, seed) -> None:
    config = DrawConfig(draws=draws, seed=seed)
    for found in (draw_equal_mix(*both, config), draw_any_mix(*both, config)):
        for draw in found.draws:
            rows = (draw.one, draw.other)
            assert len(draw.one) == len(draw.other) == found.n
            assert all(len(set(some.tolist())) == len(some) for some in rows)
            taken = [{side.keys[row] for row in some} for side, some in zip(both, rows, strict=True)]
            assert not taken[0] & taken[1]
            if found.mix == "equal":
                counts = [Counter(side.wnids[row] for row in some) for side, some in zip(both, rows, strict=True)]
                assert counts[0] == counts[1] == found.counts
                assert min(counts[0].values()) >= 2
                assert "" not in counts[0]


@given(sides(), st.randoms(use_true_random=False))
@settings(max_examples=deep(60), deadline=None)
def test_the_order_of_rows_decides_nothing(both, random) -> None:
    order = [random.sample(range(len(side.ids)), len(side.ids)) for side in both]
    turned = [
        Labelled([side.wnids[row] for row in rows], [side.keys[row] for row in rows], [side.ids[row] for row in rows])
        for side, rows in zip(both, order, strict=True)
    ]
    for draw in (draw_equal_mix, draw_any_mix):
        first, second = draw(*both, DrawConfig(draws=3)), draw(*turned, DrawConfig(draws=3))
        assert [[both[0].ids[row] for row in one.one] for one in first.draws] == [
            [turned[0].ids[row] for row in one.one] for one in second.draws
        ]
        assert [[both[1].ids[row] for row in one.other] for one in first.draws] == [
            [turned[1].ids[row] for row in one.other] for one in second.draws
        ]


def test_shared_pictures_are_dealt_out_so_that_most_can_be_drawn() -> None:
    """Nine pictures of B alone, ten in both: A gets most of those."""
    keys = [f"both{row}" for row in range(10)]
    one = Labelled(["n1"] * 10, keys, [f"a{row}" for row in range(10)])
    other = Labelled(["n1"] * 19, [*keys, *(f"b{row}" for row in range(9))], [f"b{row}" for row in range(19)])
    found = draw_equal_mix(one, other, DrawConfig(draws=4))
    assert found.n == 9
    assert len({tuple(draw.one) for draw in found.draws}) > 1


def test_all_pictures_of_both_are_one_draw_and_a_limit_keeps_the_mix() -> None:
    one, other = (
        Labelled(["n1"] * 6 + ["n2"] * 18, [f"{name}{row}" for row in range(24)], [f"{name}{row}" for row in range(24)])
        for name in "ab"
    )
    assert len(draw_equal_mix(one, other, DrawConfig()).draws) == 1
    limited = draw_equal_mix(one, other, DrawConfig(count=12))
    assert limited.counts == {"n1": 3, "n2": 9}
    assert len(limited.draws) == 5
    drawn = np.concatenate([draw.one for draw in limited.draws])
    assert len(set(drawn.tolist())) > 12


@pytest.mark.parametrize("settings_", [{"draws": 0}, {"count": 3}])
def test_settings_that_draw_nothing_are_refused(settings_) -> None:
    with pytest.raises(BadInput, match="expected"):
        DrawConfig(**settings_)
