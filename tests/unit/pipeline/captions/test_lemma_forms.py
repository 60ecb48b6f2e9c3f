from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaionet.manifests.labels import read_labels
from relaionet.pipeline.captions.lemma_forms import (
    fold_text,
    lemma_forms,
    plural_forms,
    read_doubts,
    read_rows,
    written_forms,
)

KINDS_OF_DOUBT = {"person_name", "brand", "place", "other_meaning", "common_word"}


@pytest.mark.parametrize(
    ("words", "plurals"),
    [
        ("fox", {"foxes"}),
        ("daisy", {"daisies"}),
        ("jay", {"jays"}),
        ("wild boar", {"wild boars"}),
        ("conch", {"conchs", "conches"}),
        ("timber wolf", {"timber wolves", "timber wolfs"}),
        ("goose", {"geese"}),
        ("computer mouse", {"computer mice"}),
        ("ox", {"oxen"}),
        ("harvestman", {"harvestmen", "harvestmans"}),
        ("volcano", {"volcanos", "volcanoes"}),
        ("hippopotamus", {"hippopotamuses", "hippopotami"}),
        ("binoculars", set()),
        ("hen of the woods", {"hens of the woods"}),
        ("bow and arrow", {"bows and arrow", "bow and arrows"}),
        ("minibus", {"minibuses"}),
    ],
)
def test_plurals(words: str, plurals: set[str]) -> None:
    assert plural_forms(words) == plurals


@pytest.mark.parametrize(
    ("lemma", "forms"),
    [
        ("T-shirt", {"t shirt", "tshirt"}),
        ("jack-o'-lantern", {"jack o  lantern", "jack o lantern", "jackolantern"}),
        ("judge's robe", {"judge s robe", "judges robe", "judgesrobe"}),
        ("R.V.", {"r v", "rv"}),
        ("bow tie", {"bow tie", "bowtie"}),
    ],
)
def test_spellings(lemma: str, forms: set[str]) -> None:
    assert written_forms(lemma) == forms


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold_text(fold_text(text)) == fold_text(text)


def test_every_lemma_and_name_has_a_form_for_its_class() -> None:
    forms = lemma_forms()
    for label in read_labels():
        for lemma in (*label.lemmas, label.name):
            assert label.class_index in forms[fold_text(lemma)].class_indices


def test_words_are_as_the_search_sees_them() -> None:
    for words, form in lemma_forms().items():
        assert words == form.words == words.strip()
        assert set(words) <= set("abcdefghijklmnopqrstuvwxyz0123456789 ")
        assert form.doubt is not None or len(form.class_indices) == 1


def test_lists_name_what_exists_and_give_a_reason() -> None:
    known = lemma_forms()
    doubts = read_rows("ambiguous_lemmas.tsv")
    assert len({fold_text(row["lemma"]) for row in doubts}) == len(doubts)
    for row in doubts:
        assert known[fold_text(row["lemma"])].doubt is not None, row
        assert row["kind"] in KINDS_OF_DOUBT, row
        assert len(row["also"]) > 3, row
    lemmas = {lemma for label in read_labels() for lemma in (*label.lemmas, label.name)}
    for row in read_rows("lemma_spellings.tsv"):
        assert row["lemma"] in lemmas, row
        assert row["kind"] in {"spelling", "misspelling", "name"}, row


def test_doubts_pass_to_plurals_and_spellings_but_not_to_names_of_their_own() -> None:
    forms = lemma_forms()
    assert forms["cranes"].doubt is not None
    assert forms["bowties"].doubt is not None
    assert forms["timberwolves"].doubt == read_doubts()["timberwolf"]
    assert forms["jean"].doubt is not None
    assert forms["jeans"].doubt is None
    assert forms["pufferfish"].doubt is None
