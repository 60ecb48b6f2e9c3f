"""Counts, plurals and times are written one way."""

from __future__ import annotations

import pytest

from relaionet.manifests.words import format_count, name_counted, name_many, say_count, say_seconds


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (999, "999"), (1089, "1,089"), (1_234_567, "1,234,567")])
def test_thousands_are_set_apart_by_commas(value: int, text: str) -> None:
    assert format_count(value) == text


@pytest.mark.parametrize(
    ("noun", "many"),
    [("row", "rows"), ("class", "classes"), ("query", "queries"), ("day", "days"), ("box", "boxes"),
     ("batch", "batches"), ("ImageNet class", "ImageNet classes"), ("undecided picture", "undecided pictures")],
)  # fmt: skip
def test_only_one_is_one(noun: str, many: str) -> None:
    assert name_many(noun) == many
    assert say_count(1, noun) == f"1 {noun}"
    assert [say_count(count, noun) for count in (0, 2, 1089)] == [f"0 {many}", f"2 {many}", f"1,089 {many}"]
    assert (name_counted(1, noun), name_counted(2, noun)) == (noun, many)


def test_what_differs_besides_the_noun_is_said_both_ways() -> None:
    assert say_count(1, "row is", "rows are") == "1 row is"
    assert say_count(3, "row is", "rows are") == "3 rows are"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "under 0.01 s"), (0.0099, "under 0.01 s"), (0.04, "0.04 s"), (0.25, "0.2 s"), (4.67, "4.7 s"), (127, "127 s"),
     (3599, "3,599 s"), (3660, "1 h 1 min"), (36_000, "10 h 0 min")],
)  # fmt: skip
def test_a_time_is_never_nothing(seconds: float, text: str) -> None:
    assert say_seconds(seconds) == text
