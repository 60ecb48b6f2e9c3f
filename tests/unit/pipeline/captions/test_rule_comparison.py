from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.pipeline.captions.lemma_match import name_classes
from relaionet.pipeline.captions.rule_comparison import OUTCOMES, REASONS, compare_rules
from tests.bench.candidates.laionet_loop import made_captions
from tests.depth import deep


@pytest.mark.parametrize(
    ("caption", "outcome", "laionet_outcome", "reason"),
    [
        ("nail art", "left to the text", "one class", "ambiguous"),
        ("a tiger shark", "one class", "two classes", "longest_match"),
        ("a nail and a tench", "one class", "two classes", "sure_decides"),
        ("a Nail and a Tench", "one class", "none", "case"),
        ("a crane", "left to the text", "none", "shared"),
        ("A Banana", "one class", "none", "case"),
        ("bananas", "one class", "none", "plural"),
        ("skinny jeans", "one class", "none", "name"),
        ("t-shirt", "one class", "none", "spelling"),
        ("gold fish", "one class", "none", "spelling"),
        ("Tshirt", "one class", "none", "spelling"),
        ("a b\u00e1nana", "one class", "none", "characters"),
        ("banana\n", "one class", "none", "characters"),
        ("&nbsp;tench\u2026 tench", "one class", "one class", None),
        ("tench, goldfishes", "two classes", "one class", "plural"),
        ("a tench", "one class", "one class", None),
        ("nothing", "none", "none", None),
    ],
)
def test_reasons(caption: str, outcome: str, laionet_outcome: str, reason: str | None) -> None:
    found = compare_rules(pl.Series([None, caption]))
    if reason is None:
        assert found.height == 0
    else:
        assert found.select("row", "outcome", "laionet_outcome", "reason").rows() == [
            (1, outcome, laionet_outcome, reason)
        ]


@settings(max_examples=deep(5), deadline=None)
@given(st.integers(0, 10_000))
def test_captions_not_listed_are_judged_alike(seed: int) -> None:
    captions = pl.Series(made_captions(300, ["the", "red", "of", "white"], seed))
    found = compare_rules(captions)
    assert set(found["reason"]) <= set(REASONS)
    assert set(found["outcome"]) | set(found["laionet_outcome"]) <= set(OUTCOMES)
    same = pl.int_range(300, eager=True, dtype=pl.UInt32).is_in(found["row"].implode()).not_()
    columns = ["wnid", "other_wnids"]
    ours, theirs = name_classes(captions), name_classes(captions, "laionet")
    assert ours.filter(same).select(columns).equals(theirs.filter(same).select(columns))
    assert (ours.filter(same)["possible_wnids"].list.len() == 0).all()
    differs = found.filter(pl.col("possible_wnids").list.len() == 0)
    assert (differs["wnid"].fill_null("") != differs["laionet_wnid"].fill_null("")).any() or differs.is_empty()
