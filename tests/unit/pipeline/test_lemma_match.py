from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.labels import labels_by_wnid, read_labels
from relaionet.pipeline.lemma_match import find_lemmas, fold_text, lemma_classes, name_classes, plural_forms

BIRD, MACHINE = "n02012849", "n03126707"


def named(caption: str | None) -> tuple[str | None, list[str]]:
    row = name_classes(pl.Series([caption], dtype=pl.String)).row(0, named=True)
    wnid = row["wnid"]
    return (labels_by_wnid()[wnid].name if wnid else None), row["other_wnids"] + row["possible_wnids"]


@pytest.mark.parametrize(
    ("caption", "name"),
    [
        ("My bow tie, 2014", "bow tie"),
        ("a bow", "hunting bow"),
        ("GOLDFISH!!", "goldfish"),
        ("IMG_goldfish_2.jpg", "goldfish"),
        ("two goldfishes", "goldfish"),
        ("strawberries and cream", "strawberry"),
        ("great-white-shark", "great white shark"),
        ("great  white\tshark", "great white shark"),
        ("Volcán... no: volcano", "volcano"),
        ("a vólcano", "volcano"),
        ("judge's robe", "academic gown"),
        ("judge’s robe", "academic gown"),
        ("Jack-O'-Lantern", "carved pumpkin"),
        ("crane bird by the lake", "crane bird"),
        ("construction crane and another crane", "construction crane"),
        ("Cardigan Welsh Corgi", "Cardigan Welsh Corgi"),
        ("tshirt", "T-shirt"),
        ("bananas", "banana"),
        ("earring pants antique", None),
        ("bananarama", None),
        ("", None),
        (None, None),
    ],
)
def test_one_class_or_none(caption: str | None, name: str | None) -> None:
    found, others = named(caption)
    assert (found, others) == (name, [])


@pytest.mark.parametrize(
    ("caption", "wnids"),
    [
        ("a crane", [BIRD, MACHINE]),
        ("Cranes", [BIRD, MACHINE]),
        ("cardigan", ["n02113186", "n02963159"]),
        ("missile", ["n03773504", "n04008634"]),
        ("maillot", ["n03710637", "n03710721"]),
        ("sunglasses", ["n04355933", "n04356056"]),
        ("tench and goldfish", ["n01440764", "n01443537"]),
    ],
)
def test_two_classes_name_both(caption: str, wnids: list[str]) -> None:
    assert named(caption) == (None, wnids)


def test_every_lemma_and_name_is_found_in_a_sentence() -> None:
    pairs = [(lemma, label.wnid) for label in read_labels() for lemma in (*label.lemmas, label.name)]
    captions = pl.Series([f"photo: {lemma}, by me" for lemma, _ in pairs])
    table = name_classes(captions)
    for (lemma, wnid), row in zip(pairs, table.iter_rows(named=True), strict=True):
        assert row["wnid"] == wnid or wnid in row["other_wnids"] + row["possible_wnids"], lemma


def plain_find(caption: str) -> list[str]:
    """Leftmost, then longest, word by word: the same rule without automata and prefilter."""
    words, found, place = fold_text(caption).split(), [], 0
    known = lemma_classes()
    while place < len(words):
        for length in range(LONGEST_WORDS, 0, -1):
            if " ".join(words[place : place + length]) in known:
                found.append(" ".join(words[place : place + length]))
                place += length
                break
        else:
            place += 1
    return found


LEMMAS = sorted(lemma_classes())
LONGEST_WORDS = max(len(lemma.split()) for lemma in LEMMAS)
PIECES = st.one_of(
    st.sampled_from(LEMMAS),
    st.sampled_from(LEMMAS).map(str.upper),
    st.sampled_from(LEMMAS).map(lambda lemma: lemma[:-1]),
    st.text(max_size=8),
    st.sampled_from(["é", "ß", "Å", "\x00", "\x7f", "’", "日本", "ant", "ear", "fi\u0301g", "İ"]),
)
CAPTIONS = st.lists(
    st.tuples(PIECES, st.sampled_from([" ", "-", "_", "", ", ", "\t", "\n", "'", "\x01"])), max_size=8
).map(lambda parts: "".join(piece + gap for piece, gap in parts))


@settings(max_examples=25, deadline=None)
@given(st.lists(CAPTIONS, min_size=8, max_size=40))
def test_fast_search_finds_what_a_plain_loop_finds(captions: list[str]) -> None:
    found = find_lemmas(pl.Series(captions))
    by_row = [found.filter(pl.col("row") == row)["words"].to_list() for row in range(len(captions))]
    assert by_row == [plain_find(caption) for caption in captions]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(st.none(), CAPTIONS), max_size=12), st.randoms(use_true_random=False))
def test_one_row_per_caption_whatever_the_order(captions: list[str | None], random: object) -> None:
    order = list(range(len(captions)))
    random.shuffle(order)  # type: ignore[attr-defined]
    straight = name_classes(pl.Series(captions, dtype=pl.String))
    mixed = name_classes(pl.Series([captions[place] for place in order], dtype=pl.String))
    assert straight.height == len(captions)
    assert straight[order].equals(mixed)


def test_plurals() -> None:
    assert "foxes" in plural_forms("fox")
    assert "daisies" in plural_forms("daisy")
    assert "jaies" not in plural_forms("jay")
    assert plural_forms("wild boar") == {"wild boars"}
