"""The threshold: its promise holds at every share, and the sample is the same however the source is cut."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import pairwise
from zlib import crc32

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.labels import read_labels
from relaionet.pipeline.captions.text_encoders import TextEncoder
from relaionet.pipeline.captions.text_match import TextMatchConfig, embed_classes
from relaionet.pipeline.captions.text_threshold import (
    calibrate_threshold,
    count_cosines,
    least_cosine,
    passing_frac,
    published_cosine,
    read_text_threshold,
    sample_captions,
)

CONFIG = TextMatchConfig(encoder="trigrams", sample_count=40)
SIZE = 20_001


class Trigrams:
    """Counts of three letters in a row, hashed: an encoder without a model, whose cosines spread like a real one's."""

    name, dim, fingerprint = "trigrams", 256, "0"

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        rows = np.full((len(texts), self.dim), 1e-3, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for place in range(len(text) - 2):
                row[crc32(text[place : place + 3].lower().encode()) % self.dim] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return Trigrams()


@pytest.fixture(scope="module")
def classes(encoder: TextEncoder) -> np.ndarray:
    return embed_classes(encoder)


def candidates(count: int) -> pl.DataFrame:
    labels = read_labels()
    ids = np.random.default_rng(0).bytes(32 * count).hex()
    return pl.DataFrame(
        {
            "candidate_id": [ids[64 * place : 64 * (place + 1)] for place in range(count)],
            "caption": [None if place % 9 == 0 else f"photo {place} of {labels[place].name}" for place in range(count)],
            "wnid": [labels[place].wnid if place % 5 > 1 else None for place in range(count)],
            "possible_wnids": [
                [labels[place].wnid, labels[place + 1].wnid] if place % 5 == 1 else [] for place in range(count)
            ],
            "sought_wnids": [[labels[0].wnid] if place % 5 == 0 else [] for place in range(count)],
            "status": [
                "no_label" if place % 5 == 0 else "unsafe" if place % 11 == 0 else "ok" for place in range(count)
            ],
        },
        schema=dict.fromkeys(("candidate_id", "caption", "wnid", "status"), pl.String)
        | dict.fromkeys(("possible_wnids", "sought_wnids"), pl.List(pl.String)),
    )


@given(st.dictionaries(st.integers(0, SIZE - 1), st.integers(1, 1000), max_size=30), st.floats(1e-6, 0.999))
def test_at_most_the_share_asked_for_passes_and_no_lower_threshold_would_do(
    pairs: dict[int, int], share: float
) -> None:
    counts = np.zeros(SIZE, dtype=np.int64)
    for step, count in pairs.items():
        counts[step] = count
    least = least_cosine(counts, share)
    if least < 1:
        assert (passing_frac(counts, least) or 0) <= share
    if counts.sum() and least > -1 and least < 1:
        assert passing_frac(counts, least - 1e-4) > share
    if not counts.sum():
        assert least == 1


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), max_size=6), st.integers(0, 3), st.integers(1, 200))
def test_the_sample_is_the_same_however_the_rows_are_cut(cuts: list[int], seed: int, count: int) -> None:
    rows, config = candidates(200), TextMatchConfig(sample_count=count, seed=seed)
    ends = [0, *sorted(cuts), 200]
    shards = [rows[start:end] for start, end in pairwise(ends)]
    whole = sample_captions([rows], config)
    assert sample_captions(shards[::-1], config).equals(whole)
    names = pl.col("wnid").is_not_null() | (pl.col("possible_wnids").list.len() > 0)
    usable = rows.filter((pl.col("status") == "ok") & pl.col("caption").is_not_null() & names)
    assert whole.height == min(count, usable.height)
    assert set(whole["candidate_id"]) <= set(usable["candidate_id"])


def test_another_seed_is_another_sample() -> None:
    picked = [set(sample_captions([candidates(200)], replace(CONFIG, seed=seed))["candidate_id"]) for seed in (0, 1)]
    assert picked[0] != picked[1]


def test_every_caption_is_compared_with_its_own_classes_once_and_with_all_others(
    encoder: TextEncoder, classes: np.ndarray
) -> None:
    rows = sample_captions([candidates(60)], CONFIG)
    named, doubtful, wrong = count_cosines(rows, CONFIG, encoder, classes)
    doubtful_count = rows["doubtful"].sum()
    assert 0 < doubtful_count < rows.height
    assert (named.sum(), doubtful.sum()) == (rows.height - doubtful_count, doubtful_count)
    assert wrong.sum() == rows.height * 1000 - rows["wnids"].list.len().sum()
    for counts, kind in ((named, False), (doubtful, True)):
        part = rows.filter(pl.col("doubtful") == kind)
        index = {label.wnid: label.class_index for label in read_labels()}
        cosines = [
            max(float(vector @ classes[index[wnid]]) for wnid in wnids)
            for vector, wnids in zip(encoder.encode_texts(part["caption"].to_list()), part["wnids"], strict=True)
        ]
        expected = np.sort(np.rint(np.array(cosines) * 10_000).astype(int))
        assert np.abs(np.repeat(np.arange(SIZE) - 10_000, counts) - expected).max() <= 1


def test_the_thresholds_keep_their_promise_on_vectors(encoder: TextEncoder, classes: np.ndarray) -> None:
    done: list[int] = []
    rows = sample_captions([candidates(120)], CONFIG)
    config = replace(CONFIG, max_false_accept_frac=0.1, max_false_accept_doubtful_frac=0.01)
    found = calibrate_threshold(rows, config, encoder, classes, done.append)
    assert found.method == "calibrated"
    assert 0.09 < (found.wrong.pass_frac or 0) <= 0.1
    assert 0.009 < (found.wrong.pass_doubtful_frac or 0) <= 0.01
    assert found.min_cosine < found.min_cosine_doubtful
    assert (found.thresholds.sure, found.thresholds.doubtful) == (found.min_cosine, found.min_cosine_doubtful)
    assert sum(done) == rows.height
    assert sum(found.wrong.counts) == found.wrong_pairs_count
    assert read_text_threshold(json.loads(json.dumps(asdict(found)))) == found


def test_the_threshold_for_doubtful_words_is_never_the_lower_one(encoder: TextEncoder, classes: np.ndarray) -> None:
    rows = sample_captions([candidates(60)], CONFIG)
    found = calibrate_threshold(rows, replace(CONFIG, min_cosine=0.99), encoder, classes)
    assert found.min_cosine_doubtful == found.min_cosine == 0.99
    found = calibrate_threshold(rows, replace(CONFIG, min_cosine_doubtful=0.7), encoder, classes)
    assert found.min_cosine_doubtful == 0.7


def test_a_source_of_few_captions_is_helped_by_the_names_of_the_classes(
    encoder: TextEncoder, classes: np.ndarray
) -> None:
    for count in (0, 3):
        found = calibrate_threshold(sample_captions([candidates(count)], CONFIG), CONFIG, encoder, classes)
        assert found.with_class_names
        assert found.captions_count == sample_captions([candidates(count)], CONFIG).height < 20
        assert -1 < found.min_cosine <= 1


def test_a_given_threshold_comes_before_a_published_one_before_a_calibrated_one(
    encoder: TextEncoder, classes: np.ndarray
) -> None:
    rows = sample_captions([candidates(60)], CONFIG)
    published = replace(CONFIG, encoder="sentence-transformers/all-mpnet-base-v2@main")
    found = calibrate_threshold(rows, published, encoder, classes)
    assert (found.min_cosine, found.method) == (0.58, "published")
    found = calibrate_threshold(rows, replace(published, min_cosine=0.5), encoder, classes)
    assert (found.min_cosine, found.method) == (0.5, "given")
    assert calibrate_threshold(rows, replace(published, use_published=False), encoder, classes).method == "calibrated"


def test_a_published_threshold_is_for_its_own_class_text_only() -> None:
    config = TextMatchConfig(encoder="ViT-B-32/openai")
    assert published_cosine(config) == 0.82
    assert published_cosine(replace(config, template="{name}")) is None
    assert published_cosine(replace(config, encoder=None)) is None
