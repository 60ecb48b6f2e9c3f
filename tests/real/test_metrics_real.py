"""Metrics on real photos with a real network: the same classes score best, and more damage scores worse."""

import pytest

from tests.measure.metrics import REAL, measure

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/real"),
]


def test_real_photos_of_the_same_classes_score_far_below_all_else_and_damage_counts() -> None:
    found = measure(120, strengths=3, extras=("neighbours",))
    values = {(kind, size): scores for kind, size, scores in found}
    same, other = values["same classes", ""], values["other classes", ""]
    assert other["FD"] > 1.3 * same["FD"]  # at 120 images in 768 dimensions most of both is bias; KD has none
    assert other["KD"] > 5 * abs(same["KD"])
    kinds = {kind for kind, size in values if size}
    assert len(kinds) == 3
    for kind in kinds:
        rising = [same, *(scores for name, _, scores in found if name == kind)]
        assert len(rising) == 4
        for metric in ("FD", "KD"):
            values_of = [scores[metric] for scores in rising]
            assert values_of == sorted(values_of), (kind, metric, values_of)
            assert len(set(values_of)) == 4
        strong = rising[-1]
        assert strong["FD"] > 1.2 * same["FD"], kind
        assert strong["KD"] > 10 * abs(same["KD"]), kind
        assert strong["accuracy"] < same["accuracy"], kind
        assert strong["precision"] < same["precision"], kind
