from __future__ import annotations

import re

import pytest

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.labels import find_label, labels_by_wnid, labels_table, read_labels


def test_1000_labels_in_sorted_wnid_order_with_distinct_names() -> None:
    labels = read_labels()
    assert [label.class_index for label in labels] == list(range(1000))
    assert [label.wnid for label in labels] == sorted(label.wnid for label in labels)
    assert len({label.name.lower() for label in labels}) == 1000
    assert all(re.fullmatch(r"n\d{8}", label.wnid) for label in labels)
    assert all(label.lemmas and label.gloss and label.name == label.name.strip() for label in labels)


@pytest.mark.parametrize(
    ("index", "wnid", "lemma"),
    [(0, "n01440764", "tench"), (134, "n02012849", "crane"), (517, "n03126707", "crane"), (657, "n03773504", "missile"),
     (744, "n04008634", "missile"), (836, "n04355933", "sunglass"), (999, "n15075141", "toilet tissue")],
)  # fmt: skip
def test_known_places(index: int, wnid: str, lemma: str) -> None:
    label = read_labels()[index]
    assert label.wnid == wnid
    assert lemma in label.lemmas
    assert find_label(wnid) == labels_by_wnid()[wnid] == label


def test_unknown_wnids_are_answered_with_the_nearest() -> None:
    with pytest.raises(BadInput, match=r"'n01440765' is no ImageNet-1k wnid\. Did you mean 'n01440764'"):
        find_label("n01440765")
    assert nearest_name("zzz", ["b", "a"]) == " Known: a, b."
    assert nearest_name("x", []) == ""
    assert nearest_name("laion2b", ["LAION-2B", "plain"]) == " Did you mean 'LAION-2B'?"
    assert nearest_name("zzz", [str(number) for number in range(30)]).endswith(", ….")


def test_the_table_holds_the_same() -> None:
    table = labels_table()
    assert table.height == 1000
    assert table.row(134, named=True)["lemmas"] == ["crane"]
