from __future__ import annotations

import html
import re
import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import labels_by_wnid, read_labels
from relaionet.pipeline.captions.lemma_forms import lemma_forms
from relaionet.pipeline.captions.lemma_match import _fold_captions, find_lemmas, name_classes
from tests.depth import deep

BIRD, MACHINE = "n02012849", "n03126707"


def named(caption: str | None) -> tuple[str | None, list[str], list[str]]:
    row = name_classes(pl.Series([caption], dtype=pl.String)).row(0, named=True)
    known = labels_by_wnid()
    names = [[known[wnid].name for wnid in row[column]] for column in ("other_wnids", "possible_wnids")]
    return (known[row["wnid"]].name if row["wnid"] else None), *names


@pytest.mark.parametrize(
    ("caption", "name"),
    [
        ("My bow-tied goldfish, 2014", "goldfish"),
        ("GOLDFISH!!", "goldfish"),
        ("IMG_goldfish_2.jpg", "goldfish"),
        ("two goldfishes", "goldfish"),
        ("gold fish in a bowl", "goldfish"),
        ("strawberries and cream", "strawberry"),
        ("great-white-shark", "great white shark"),
        ("great  white\tshark", "great white shark"),
        ("#GreatWhiteShark week", "great white shark"),
        ("Volcán... no: volcano", "volcano"),
        ("a vólcano", "volcano"),
        ("vol\u00adcano", "volcano"),
        ("judge's robe", "academic gown"),
        ("judge’s robe", "academic gown"),
        ("judge&#39;s robe", "academic gown"),
        ("judges robe", "academic gown"),
        ("the judge's robes", "academic gown"),
        ("Jack-O'-Lantern", "carved pumpkin"),
        ("Jack O'Lantern", "carved pumpkin"),
        ("jack-o-lanterns", "carved pumpkin"),
        ("geyser? no, Grey wolves", "grey wolf"),
        ("Timber wolves in snow", "grey wolf"),
        ("hens of the woods", "hen of the woods mushroom"),
        ("crane bird by the lake", "crane bird"),
        ("construction crane and another crane", "construction crane"),
        ("crane with a tench", "tench"),
        ("Cardigan Welsh Corgi", "Cardigan Welsh Corgi"),
        ("tshirt", "T-shirt"),
        ("T-shirts", "T-shirt"),
        ("female model t-shirt", "T-shirt"),
        ("bananas", "banana"),
        ("a tiger shark", "tiger shark"),
        ("skinny jeans", "jeans"),
        ("gas mask", "gas mask or respirator"),
        ("hot-air balloon", "balloon"),
        ("香蕉banana香蕉", "banana"),
        ("ｂａｎａｎａ", "banana"),
        ("Goldfish™ (fish)", "goldfish"),
        ("bananas²", "banana"),
    ],
)
def test_one_class(caption: str, name: str) -> None:
    assert named(caption) == (name, [], [])


@pytest.mark.parametrize(
    "caption",
    ["earring pants antique", "bananarama", "", None, " ", "b0w", "great white, shark",
     "volcan", "king, crab", "\x00\x01", "&amp;", "é" * 1000],
)  # fmt: skip
def test_no_class(caption: str | None) -> None:
    assert named(caption) == (None, [], [])
    assert name_classes(pl.Series([caption], dtype=pl.String))["lemma"].to_list() == [None]


@pytest.mark.parametrize(
    ("caption", "wnids"),
    [
        ("a crane", [BIRD, MACHINE]),
        ("Cranes", [BIRD, MACHINE]),
        ("cardigan", ["n02113186", "n02963159"]),
        ("missile", ["n03773504", "n04008634"]),
        ("maillot", ["n03710637", "n03710721"]),
        ("sunglasses", ["n04355933", "n04356056"]),
        ("black sunglass", ["n04355933", "n04356056"]),
        ("jay", ["n01580077"]),
        ("Drake live", ["n01847000"]),
        ("nail art", ["n03804744"]),
        ("bow-tie", ["n02883205"]),
        ("a drake and a nail", ["n01847000", "n03804744"]),
        ("leopards", ["n02128385"]),
    ],
)
def test_unsure_words_leave_it_open(caption: str, wnids: list[str]) -> None:
    row = name_classes(pl.Series([caption])).row(0, named=True)
    assert (row["wnid"], row["other_wnids"], row["possible_wnids"]) == (None, [], wnids)
    assert row["lemma"]


@pytest.mark.parametrize(
    ("caption", "wnids"),
    [
        ("tench and goldfish", ["n01440764", "n01443537"]),
        ("tiger shark, hammerhead shark", ["n01491361", "n01494475"]),
        ("sports car wheel", ["n02974003", "n04285008"]),  # neither word group lies inside the other
    ],
)
def test_two_classes_name_both(caption: str, wnids: list[str]) -> None:
    row = name_classes(pl.Series([caption])).row(0, named=True)
    assert (row["wnid"], row["other_wnids"], row["possible_wnids"]) == (None, wnids, [])


def test_a_shorter_lemma_counts_where_it_stands_alone() -> None:
    assert find_lemmas(pl.Series(["tiger shark and a tiger"]))["words"].to_list() == ["tiger shark", "tiger"]
    assert find_lemmas(pl.Series(["tiger shark"]))["words"].to_list() == ["tiger shark"]


def test_every_lemma_and_name_is_found_in_a_sentence() -> None:
    pairs = [(lemma, label.wnid) for label in read_labels() for lemma in (*label.lemmas, label.name)]
    captions = pl.Series([f"a photo of {lemma}." for lemma, _ in pairs])
    table = name_classes(captions)
    for (lemma, wnid), row in zip(pairs, table.iter_rows(named=True), strict=True):
        assert row["wnid"] == wnid or wnid in row["other_wnids"] + row["possible_wnids"], lemma


def test_every_form_names_its_classes() -> None:
    forms = lemma_forms()
    labels = read_labels()
    table = name_classes(pl.Series([f"the {words.upper()}" for words in forms]))
    for (words, form), row in zip(forms.items(), table.iter_rows(named=True), strict=True):
        wnids = [labels[index].wnid for index in form.class_indices]
        assert row["possible_wnids"] == (wnids if form.doubt else []), words
        assert row["wnid"] == (None if form.doubt else wnids[0]), words


def plain_fold(caption: str) -> str:
    """The text that is searched, made character by character."""
    text = html.unescape(caption)
    text = "".join(" " if unicodedata.category(char) == "No" or char in "™℠" else char for char in text)
    text = unicodedata.normalize("NFKD", text)
    text = "".join(char for char in text if unicodedata.category(char)[0] != "M" and unicodedata.category(char) != "Cf")
    return f" {re.sub('[^a-z0-9]', ' ', re.sub(' +', ' ', text).lower())} "


def plain_find(caption: str) -> list[str]:
    """The same rule, caption by caption and form by form."""
    text = plain_fold(caption)
    spans = [
        (match.start(), match.start() + len(words) + 2, words)
        for words in lemma_forms()
        if words in text
        for match in re.finditer(f"(?= {re.escape(words)} )", text)
    ]
    inside = {
        span
        for span in spans
        for other in spans
        if other[:2] != span[:2] and other[0] <= span[0] and span[1] <= other[1]
    }
    return [" ".join(words.split()) for _, _, words in sorted(set(spans) - inside)]


FORMS = sorted(lemma_forms())
PIECES = st.one_of(
    st.sampled_from(FORMS),
    st.sampled_from(FORMS).map(str.upper),
    st.sampled_from(FORMS).map(lambda words: words[:-1]),
    st.sampled_from([label.name for label in read_labels()]),
    st.text(max_size=8),
    st.sampled_from(["é", "ß", "Å", "\x00", "\x7f", "’", "日本", "ant", "ear", "fi\u0301g", "İ", "&quot;", "\u200b"]),
    st.sampled_from(["tiger shark", "tiger", "crane", "car", "wheel", "sports", "bow", "tie", "great", "white"]),
)
GAPS = st.sampled_from([" ", " ", "-", "_", "", ", ", "\t", "\n", "'", "\x01", "  ", "\u00a0", "&amp;", " - "])
CAPTIONS = st.lists(st.tuples(PIECES, GAPS), max_size=8).map(lambda parts: "".join(piece + gap for piece, gap in parts))


def test_every_character_becomes_what_it_becomes_alone() -> None:
    letters = [chr(code) for code in (*range(0x3100), *range(0xFB00, 0xFFFE), 0x1D400, 0x1F600)]
    letters = [letter for letter in letters if unicodedata.category(letter) != "Cn"]  # polars knows a later Unicode
    captions = [f"a{mark}{letter}{end}b" for letter in letters for mark, end in (("", ""), (" ", " "), ("´", "é"))]
    folded = _fold_captions(pl.Series(captions)).sort("row")
    assert folded["text"].to_list() == [plain_fold(caption) for caption in captions]


@settings(max_examples=deep(25), deadline=None)
@given(st.lists(CAPTIONS, min_size=8, max_size=40))
def test_fast_search_finds_what_a_plain_loop_finds(captions: list[str]) -> None:
    found = find_lemmas(pl.Series(captions))
    by_row = [found.filter(pl.col("row") == row)["words"].to_list() for row in range(len(captions))]
    assert by_row == [plain_find(caption) for caption in captions]


@pytest.mark.parametrize("rule", ["relaionet", "laionet"])
@settings(max_examples=deep(10), deadline=None)
@given(st.lists(st.one_of(st.none(), CAPTIONS), max_size=12), st.randoms(use_true_random=False))
def test_one_row_per_caption_whatever_the_order(rule: str, captions: list[str | None], random: object) -> None:
    order = list(range(len(captions)))
    random.shuffle(order)  # type: ignore[attr-defined]
    straight = name_classes(pl.Series(captions, dtype=pl.String), rule)  # type: ignore[arg-type]
    mixed = name_classes(pl.Series([captions[place] for place in order], dtype=pl.String), rule)  # type: ignore[arg-type]
    assert straight.height == len(captions)
    assert straight[order].equals(mixed)


@settings(max_examples=deep(25), deadline=None)
@given(CAPTIONS.filter(lambda text: text == text.strip("'&#;")), st.text('!?.,:*~()[]\n\t"|/', max_size=5))
def test_padding_with_no_letters_changes_nothing(caption: str, padding: str) -> None:
    plain, padded = name_classes(pl.Series([caption, f"{padding} {caption} {padding}"])).rows()
    assert plain == padded


def test_threads_and_slices_agree_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    captions = pl.Series([f"{words} {number}" for number, words in enumerate(FORMS)] + [None, ""])
    whole = name_classes(captions)
    monkeypatch.setattr("relaionet.pipeline.captions.lemma_match.MIN_ROWS_PER_THREAD", 10)
    assert name_classes(captions).equals(whole)
    assert name_classes(captions[3000:]).equals(whole[3000:])
    monkeypatch.setattr("relaionet.pipeline.captions.lemma_match.MAX_SLICE_BYTES", 20)
    assert name_classes(captions[3000:3200]).equals(whole[3000:3200])


def test_long_captions_and_control_characters() -> None:
    long = "x" * 1_000_000 + " banana " + "\x00\x1b é" * 1000
    row = name_classes(pl.Series([long, "\x1bbanana\x00", "banana " * 100_000])).to_dicts()
    assert [each["lemma"] for each in row] == ["banana"] * 3


def test_no_captions_and_no_rule() -> None:
    schema = {"wnid": pl.String, "lemma": pl.String, "other_wnids": pl.List(pl.String)}
    schema |= {"possible_wnids": pl.List(pl.String)}
    for rule in ("relaionet", "laionet"):
        assert name_classes(pl.Series([], dtype=pl.String), rule).schema == schema  # type: ignore[arg-type]
        assert name_classes(pl.Series([None, None]), rule).schema == schema  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="relaionet"):
        name_classes(pl.Series(["a"]), "laion")  # type: ignore[arg-type]
