"""The nearest rows of embeddings on disk: as a plain search finds them, with and without an index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.manifest_check import url_id
from relaionet.manifests.tables.lookups import NEAR
from relaionet.manifests.tables.schema import check_table
from relaionet.pipeline.embeddings.store import write_embeddings
from relaionet.pipeline.lookup.near import search_stores
from relaionet.pipeline.lookup.places import LookupConfig
from relaionet.pipeline.retrieval.index import build_index
from relaionet.pipeline.retrieval.index_plan import IndexConfig, plan_index
from relaionet.pipeline.retrieval.searchable_store import open_store

DIM, COUNT = 32, 600


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    folder = tmp_path_factory.mktemp("store") / "laion"
    vectors = unit(np.random.default_rng(0).normal(size=(COUNT, DIM)))
    urls = [f"http://a.example/{number}.jpg" for number in range(COUNT)]
    urls[7], urls[8] = "ftp://a.example/7", urls[9]  # no address of the web; an address twice
    rows = pl.DataFrame({"candidate_id": [url_id(url) for url in urls], "url": urls, "caption": ["é"] * COUNT})
    for shard, cut in enumerate((slice(0, 250), slice(250, COUNT))):
        write_embeddings(folder, shard, vectors[cut], rows[cut])
    return folder, vectors


def queries_near(vectors: np.ndarray, rows: list[int]) -> np.ndarray:
    return unit(vectors[rows] + 0.02 * np.random.default_rng(1).normal(size=(len(rows), DIM)))


def test_it_is_what_a_plain_search_finds(store: tuple[Path, np.ndarray]) -> None:
    folder, vectors = store
    own = [3, 300, 599]
    queries = queries_near(vectors, own)
    ids = [url_id(f"row {row}") for row in own]
    config = LookupConfig(per_row_count=5, min_cosine=-1.0)
    found = check_table(search_stores([folder], ids, queries, config), NEAR)
    plain = queries @ vectors.astype(np.float16).astype(np.float32).T
    for number, candidate_id in enumerate(ids):
        rows = found.filter(pl.col("candidate_id") == candidate_id).sort("rank")
        assert rows["source_row"].to_list() == np.argsort(-plain[number])[:5].tolist()
        assert rows["cosine"].to_numpy() == pytest.approx(np.sort(-plain[number])[:5] * -1, abs=1e-5)
    assert set(found["place"]) == {"laion"}
    assert set(found["caption"]) == {"é"}
    near = search_stores([folder], ids, queries, LookupConfig(per_row_count=5, min_cosine=0.9))
    assert near["source_row"].sort().to_list() == own  # nothing else is that near


def test_addresses_that_are_none_and_addresses_twice(store: tuple[Path, np.ndarray]) -> None:
    folder, vectors = store
    found = search_stores([folder], ["a" * 64], vectors[[8]], LookupConfig(per_row_count=COUNT, min_cosine=-1.0))
    assert found.height == COUNT - 2
    assert 7 not in found["source_row"]
    twice = found.filter(pl.col("url") == "http://a.example/9.jpg")
    assert twice["source_row"].to_list() == [8]  # the nearer of its two rows


def test_an_index_is_used_where_there_is_one(store: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    folder, vectors = store
    exact = search_stores([folder], ["a" * 64], vectors[[42]], LookupConfig(min_cosine=-1.0, per_row_count=3))
    opened = open_store(folder)
    config = IndexConfig(kind="ivf_flat", cells_count=8, wanted_recall=0.99)
    plan = plan_index(COUNT, DIM, config)
    build_index(opened.vectors, opened.digests, plan, config, folder / "index")
    by_index = search_stores([folder], ["a" * 64], vectors[[42]], LookupConfig(min_cosine=-1.0, per_row_count=3))
    assert by_index["source_row"][0] == exact["source_row"][0] == 42


def test_another_width_is_said_with_what_to_do(store: tuple[Path, np.ndarray]) -> None:
    with pytest.raises(BadInput, match=r"rows of 32, the encoder makes rows of 16.*--encoder"):
        search_stores([store[0]], ["a" * 64], unit(np.ones((1, 16))), LookupConfig())
