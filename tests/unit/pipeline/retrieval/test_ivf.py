"""Indexes: planned with reasons, tuned to a measured recall, kept in a folder, refused for other vectors."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.pipeline.retrieval import index as index_files
from relaionet.pipeline.retrieval.cosines import exact_cosines
from relaionet.pipeline.retrieval.index import build_index, load_index, read_receipt
from relaionet.pipeline.retrieval.index_plan import IndexConfig, IndexPlan, plan_index
from relaionet.pipeline.retrieval.ivf import VectorIndex, make_index, train_index
from relaionet.pipeline.retrieval.search import RetrieveConfig, nearest_rows
from relaionet.pipeline.retrieval.shards import as_shards, map_files
from tests.depth import deep

GIB = 1 << 30
DIM = 16
COUNT = 1500
FLAT = IndexConfig(kind="ivf_flat", cells_count=30, sample_count=100, memory_bytes=GIB)
CODES = replace(FLAT, kind="ivf_pq", code_bytes=8)
CONFIGS = {"flat": FLAT, "codes": CODES}


def clustered(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).standard_normal((40, DIM))
    rows = centres[rng.integers(0, 40, count)] + 0.4 * rng.standard_normal((count, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def by_row(rows: np.ndarray) -> np.ndarray:
    return rows


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return clustered(COUNT)


def plan_for(config: IndexConfig) -> IndexPlan:
    return plan_index(COUNT, DIM, config)


@pytest.fixture(scope="module")
def made(rows: np.ndarray) -> dict[str, VectorIndex]:
    return {name: make_index(rows, plan_for(config), config) for name, config in CONFIGS.items()}


@settings(max_examples=deep(200), deadline=None)
@given(
    count=st.integers(0, 2_000_000_000), dim=st.sampled_from([16, 256, 512, 768, 1152]),
    budget=st.integers(1 << 20, 1 << 42), queries=st.none() | st.integers(1, 10_000_000),
)  # fmt: skip
def test_what_is_chosen_fits_the_budget_and_says_why(count: int, dim: int, budget: int, queries: int | None) -> None:
    plan = plan_index(count, dim, IndexConfig(memory_bytes=budget), queries_count=queries)
    assert plan.reasons
    assert plan.kind in plan.text() or plan.kind == "exact"
    if plan.kind == "exact":
        assert plan.index_bytes == plan.cells_count == 0
        return
    assert plan.rows_count * plan.bytes_per_row <= 0.8 * budget
    assert 1 <= plan.cells_count * 39 <= count
    assert plan.cells_count <= plan.training_rows_count <= count
    assert (plan.code_bytes > 0) == (plan.kind == "ivf_pq")
    if plan.code_bytes:
        assert dim % plan.code_bytes == 0
        assert count * (2 * dim + 8) > 0.8 * budget  # codes only where whole rows do not fit


def test_memory_and_queries_choose_the_kind() -> None:
    def kind(count: int, gib: float, queries: int | None = None) -> str:
        return plan_index(count, 512, IndexConfig(memory_bytes=int(gib * GIB)), queries_count=queries).kind

    assert kind(1000, 8) == "exact"
    assert kind(1_000_000, 8) == "ivf_flat"
    assert kind(100_000_000, 32) == "ivf_pq"
    assert kind(5_000_000_000, 1) == "exact"
    assert kind(10_000_000, 64, queries=1000) == "exact"  # one round of the classes is no reason for an index
    assert kind(1_000_000, 8, queries=1_000_000) == "ivf_flat"  # every picture against every other is


def test_what_is_set_is_kept_to() -> None:
    plan = plan_index(100_000, 512, IndexConfig(kind="ivf_pq", cells_count=77, code_bytes=64, memory_bytes=GIB))
    assert (plan.kind, plan.cells_count, plan.code_bytes, plan.bytes_per_row) == ("ivf_pq", 77, 64, 72)


@pytest.mark.parametrize("kind", CONFIGS)
def test_recall_is_reached_and_is_what_brute_force_says(
    rows: np.ndarray, made: dict[str, VectorIndex], kind: str
) -> None:
    index = made[kind]
    assert index.recall is not None
    assert index.recall.measured >= 0.97
    assert index.recall.measured == index.recall.by_probes[index.probes_count]
    queries = clustered(200, seed=5)
    cosines, found = index.search(queries, 10, by_row)
    full = queries.astype(np.float64) @ rows.astype(np.float64).T
    true = np.argsort(-full, axis=1, kind="stable")[:, :10]
    share = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(found, true, strict=True)])
    assert share >= 0.94  # other queries than those it was tuned on
    np.testing.assert_array_equal(cosines, exact_cosines(queries, rows, found))
    assert (np.diff(cosines, axis=1) <= 0).all()


def test_all_cells_give_what_an_exact_search_gives(rows: np.ndarray) -> None:
    index = make_index(rows, plan_for(FLAT), replace(FLAT, probes_count=30))
    assert index.recall is not None
    assert index.recall.measured == 1
    queries = clustered(50, seed=6)
    for one, other in zip(
        index.search(queries, 20, by_row), nearest_rows(queries, rows, 20, RetrieveConfig(device="cpu")), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_recall_out_of_reach_is_said(rows: np.ndarray) -> None:
    config = replace(FLAT, probes_count=1, wanted_recall=1.0)
    index = make_index(rows, plan_for(config), config)
    assert index.recall is not None
    assert index.recall.measured < 1
    assert "short of the 1.000 wanted" in index.recall.text()


def test_more_is_asked_than_the_cells_hold(rows: np.ndarray) -> None:
    index = make_index(rows, plan_for(FLAT), replace(FLAT, probes_count=1))
    cosines, found = index.search(rows[:3], COUNT, by_row)  # as many as there are
    assert (np.sort(found, axis=1) == np.arange(COUNT)).all()
    assert np.isfinite(cosines).all()
    assert index.search(rows[:3], 9999, by_row)[1].shape == (3, COUNT)
    assert index.search(rows[:0], 5, by_row)[1].shape == (0, 5)
    with pytest.raises(BadInput, match="queries"):
        index.search(rows[:3, :8], 5, by_row)


@pytest.mark.parametrize("kind", CONFIGS)
def test_batches_and_order_of_queries_do_not_matter(made: dict[str, VectorIndex], kind: str) -> None:
    index = made[kind]
    queries = clustered(60, seed=8)
    cosines, found = index.search(queries, 5, by_row)
    mixed = np.random.default_rng(0).permutation(60)
    np.testing.assert_array_equal(index.search(queries[mixed], 5, by_row)[1], found[mixed])
    alone = np.concatenate([index.search(query[None], 5, by_row)[1] for query in queries])
    assert (alone == found).mean() > 0.99  # rounding may turn the choice of a cell
    assert cosines.dtype == np.float32


def save(folder: Path, rows: np.ndarray) -> list[Path]:
    paths = [folder / f"{place}.npy" for place in range(3)]
    for path, part in zip(paths, np.split(rows, [600, 600]), strict=True):  # one shard is empty
        np.save(path, part)
    return paths


@pytest.mark.parametrize("kind", CONFIGS)
def test_an_index_in_a_folder_is_the_one_in_memory(
    rows: np.ndarray, made: dict[str, VectorIndex], tmp_path: Path, kind: str
) -> None:
    config, in_memory = CONFIGS[kind], made[kind]
    base, queries, digests = map_files(save(tmp_path, rows)), clustered(50, seed=9), ["a", "b", "c"]
    built = build_index(base, digests, plan_for(config), config, tmp_path / "index")
    loaded = load_index(tmp_path / "index", base, digests)
    for index in (built, loaded):
        assert (index.probes_count, index.recall) == (in_memory.probes_count, in_memory.recall)
        for one, other in zip(index.search(queries, 7, by_row), in_memory.search(queries, 7, by_row), strict=True):
            np.testing.assert_array_equal(one, other)
    assert {path.name for path in (tmp_path / "index").iterdir()} == {"index.json", "vectors.index"}
    receipt = read_receipt(tmp_path / "index")
    assert receipt["plan"]["reasons"]
    assert receipt["recall"]["measured"] >= 0.97
    before = (tmp_path / "index" / "vectors.index").stat().st_mtime_ns
    build_index(base, digests, plan_for(config), config, tmp_path / "index")
    assert (tmp_path / "index" / "vectors.index").stat().st_mtime_ns == before  # done is done


def test_other_settings_make_it_again(rows: np.ndarray, tmp_path: Path) -> None:
    build_index(as_shards(rows), ["a"], plan_for(FLAT), FLAT, tmp_path)
    before = (tmp_path / "vectors.index").read_bytes()
    build_index(as_shards(rows), ["a"], plan_for(FLAT), replace(FLAT, memory_bytes=2 * GIB), tmp_path)
    assert (tmp_path / "vectors.index").read_bytes() == before
    build_index(as_shards(rows), ["a"], plan_for(FLAT), replace(FLAT, seed=3), tmp_path)
    assert (tmp_path / "vectors.index").read_bytes() != before


def test_a_stopped_build_goes_on_where_it_was(
    rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, digests, folder = map_files(save(tmp_path, rows)), ["a", "b", "c"], tmp_path / "index"

    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(base, digests, plan_for(FLAT), FLAT, folder, progress=stop)
    assert not (folder / "index.json").exists()
    with pytest.raises(BadInput, match="no finished index"):
        load_index(folder, base, digests)
    first = (folder / "parts" / "part_0.index").stat().st_mtime_ns
    monkeypatch.setattr(index_files, "train_index", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr(index_files.shutil, "rmtree", lambda _path: None)
    made = build_index(base, digests, plan_for(FLAT), FLAT, folder)
    assert (folder / "parts" / "part_0.index").stat().st_mtime_ns == first
    monkeypatch.undo()
    fresh = build_index(base, digests, plan_for(FLAT), FLAT, tmp_path / "fresh")
    queries = clustered(50, seed=9)
    np.testing.assert_array_equal(made.search(queries, 7, by_row)[1], fresh.search(queries, 7, by_row)[1])
    assert (folder / "vectors.index").read_bytes() == (tmp_path / "fresh" / "vectors.index").read_bytes()


def test_an_index_of_other_vectors_or_a_damaged_one_is_refused(rows: np.ndarray, tmp_path: Path) -> None:
    base, folder = as_shards(rows), tmp_path / "index"
    build_index(base, ["a"], plan_for(FLAT), FLAT, folder)
    with pytest.raises(BadInput, match="index of other vectors"):
        load_index(folder, base, ["b"])
    path = folder / "vectors.index"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Corrupt, match=r"not what index\.json says"):
        load_index(folder, base, ["a"])
    path.write_bytes(whole[:-1])
    with pytest.raises(Corrupt, match=r"not what index\.json says"):
        load_index(folder, base, ["a"])
    (folder / "index.json").write_text(json.dumps({"version": "1"}))
    with pytest.raises(Corrupt, match="no receipt of an index"):
        load_index(folder, base, ["a"])


def test_the_same_seed_trains_the_same_index_on_any_number_of_threads(rows: np.ndarray) -> None:
    import faiss

    threads = faiss.omp_get_max_threads()
    try:
        made = []
        for count in (1, 2):
            faiss.omp_set_num_threads(count)
            made.append(faiss.serialize_index(train_index(as_shards(rows), plan_for(FLAT), FLAT)))
    finally:
        faiss.omp_set_num_threads(threads)
    np.testing.assert_array_equal(made[0], made[1])
    split = as_shards(*np.split(rows, [10, 10, 900]))
    np.testing.assert_array_equal(faiss.serialize_index(train_index(split, plan_for(FLAT), FLAT)), made[0])


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"kind": "ivf_falt"}, "Did you mean 'ivf_flat'"),
        ({"wanted_recall": 0.0}, "wanted_recall"),
        ({"kind": "ivf_flat", "cells_count": COUNT}, "more rows than cells"),
        ({"kind": "ivf_pq", "code_bytes": 5}, "must divide the width"),
        ({"probes_count": -1}, "0 \\(chosen\\) or more"),
        ({"recall_at": 0}, "1 or more"),
    ],
)
def test_wrong_settings_are_named(settings_: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        plan_index(COUNT, DIM, IndexConfig(**settings_))
    with pytest.raises(BadInput, match="at least 256 rows"):
        plan_index(100, DIM, IndexConfig(kind="ivf_pq"))
    with pytest.raises(BadInput, match="no index to make"):
        train_index(as_shards(clustered(10)), plan_index(10, DIM, IndexConfig()), IndexConfig())


def test_a_plan_goes_into_json_and_back() -> None:
    plan = plan_for(FLAT)
    assert IndexPlan(**{**json.loads(json.dumps(asdict(plan))), "reasons": plan.reasons}) == plan
