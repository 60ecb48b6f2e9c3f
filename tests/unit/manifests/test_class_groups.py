from __future__ import annotations

from relaionet.manifests.class_groups import KINDS, groups_by_wnid, read_class_groups
from relaionet.manifests.labels import labels_by_wnid


def test_groups_are_of_known_classes_each_in_one() -> None:
    members = [wnid for group in read_class_groups() for wnid in group.wnids]
    assert len(members) == len(set(members))
    for group in read_class_groups():
        assert len(group.wnids) >= 2
        assert list(group.wnids) == sorted(group.wnids, key=lambda wnid: labels_by_wnid()[wnid].class_index)
        assert group.kind in KINDS
        assert group.reason.endswith(".")
        assert group.sources
        assert 0 <= group.both_yes_count <= group.any_yes_count
        # what the votes are said to show, they show
        shown = group.both_yes_count >= max(5, 0.1 * group.any_yes_count)
        assert ("ReaL votes" in group.sources) == shown, group.name


def test_names_that_stand_twice_are_groups_and_two_meanings_are_none() -> None:
    groups = groups_by_wnid()
    assert groups["n04355933"] is groups["n04356056"]  # sunglass, sunglasses
    assert groups["n03773504"] is groups["n04008634"]  # missile, projectile
    assert groups["n03710637"] is groups["n03710721"]  # maillot, maillot
    for wnid in ("n02012849", "n03126707", "n02963159", "n02113186"):  # cranes, cardigans
        assert wnid not in groups
