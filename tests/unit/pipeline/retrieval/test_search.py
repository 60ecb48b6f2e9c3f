"""Exact search: the same as a full sort, whatever the order of the rows, ties included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import HITS, check_table
from relaionet.pipeline.images.perceptual_hash import phash_distance
from relaionet.pipeline.retrieval.cosines import error_bound, exact_cosines
from relaionet.pipeline.retrieval.exact import SPARE_COUNT, SearchSizes, fit_memory, search_exact
from relaionet.pipeline.retrieval.hashes import near_hashes
from relaionet.pipeline.retrieval.search import RetrieveConfig, nearest_images, search_index, search_rows, top_labels
from relaionet.pipeline.retrieval.shards import as_shards, map_files
from tests.depth import deep

CPU = RetrieveConfig(device="cpu")


def unit_rows(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def names(count: int, seed: int = 0) -> list[str]:
    return [f"{number:064x}" for number in np.random.default_rng(seed).permutation(count)]


def full_sort(queries: np.ndarray, base: np.ndarray, order: list, k: int) -> list[list[int]]:
    cosines = exact_cosines(queries, base, np.tile(np.arange(len(base)), (len(queries), 1)))
    return [sorted(range(len(base)), key=lambda row: (-line[row], order[row]))[:k] for line in cosines]


@settings(max_examples=deep(40), deadline=None)
@given(
    count=st.integers(1, 120), distinct=st.integers(1, 40), k=st.integers(1, 30), seed=st.integers(0, 99),
)  # fmt: skip
def test_search_equals_a_full_sort_with_ties_by_id(count: int, distinct: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = unit_rows(distinct, seed=seed)[rng.integers(0, distinct, count)]
    labels, texts, ids = read_labels()[:7], unit_rows(7, seed=seed + 1), names(count, seed)
    config = RetrieveConfig(neighbours_per_label_count=k, device="cpu")
    hits = check_table(search_index(texts, images, ids, labels, config), HITS)
    expected = full_sort(texts, images, ids, k)
    for label, line in zip(labels, expected, strict=True):
        found = hits.filter(class_index=label.class_index)
        assert found["candidate_id"].to_list() == [ids[row] for row in line]
        assert found["rank"].to_list() == list(range(len(line)))
    shuffled = rng.permutation(count)
    again = search_index(texts, images[shuffled], [ids[row] for row in shuffled], labels, config)
    assert again.equals(hits)


@settings(max_examples=deep(60), deadline=None)
@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=6), distinct=st.integers(1, 40), k=st.integers(1, 20),
    seed=st.integers(0, 99), block=st.integers(1, 70), at_once=st.integers(1, 9), wide=st.booleans(),
)  # fmt: skip
def test_any_sharding_any_block_any_batch_gives_the_same(
    sizes: list[int], distinct: int, k: int, seed: int, block: int, at_once: int, wide: bool
) -> None:
    rng, count = np.random.default_rng(seed), sum(sizes)
    k = min(k, count)
    if not k:
        return
    rows = unit_rows(distinct, seed=seed)[rng.integers(0, distinct, count)].astype(np.float32 if wide else np.float16)
    queries, key = unit_rows(7, seed=seed + 1), rng.permutation(count)
    shards = as_shards(*np.split(rows, np.cumsum(sizes)[:-1]))
    bounds = SearchSizes(block_rows_count=block, query_rows_count=at_once)
    cosines, found = search_exact(queries, shards, k, key.__getitem__, bounds)
    assert found.tolist() == full_sort(queries, rows, key.tolist(), k)
    np.testing.assert_array_equal(cosines, exact_cosines(queries, rows, found))


def test_shards_in_files_are_searched_like_one_array(tmp_path: Path) -> None:
    rows, queries = unit_rows(1000), unit_rows(9, seed=1)
    paths = [tmp_path / f"{place}.npy" for place in range(4)]
    for path, part in zip(paths, np.split(rows, [300, 300, 750]), strict=True):  # the second is empty
        np.save(path, part)
    shards = map_files(paths)
    config = RetrieveConfig(device="cpu")
    for one, other in zip(
        search_rows(queries, shards, 50, lambda row: row, config),
        search_rows(queries, rows, 50, lambda row: row, config), strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(one, other)
    chosen = np.random.default_rng(0).integers(0, 1000, 200)
    np.testing.assert_array_equal(shards.take(chosen), rows[chosen])
    assert shards.take(chosen[:0]).shape == (0, 16)
    blocks = [(block.first, block.rows.copy()) for block in shards.blocks(256)]
    assert [start for start, _ in blocks] == [0, 256, 512, 768]
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), rows.astype(np.float32))


def test_files_that_are_no_rows_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", np.zeros((2, 4), dtype=np.float64))
    np.save(tmp_path / "a.npy", np.zeros((2, 4), dtype=np.float16))
    np.save(tmp_path / "b.npy", np.zeros((2, 5), dtype=np.float16))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "short.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-3])
    for name in ("wide.npy", "objects.npy", "short.npy"):
        with pytest.raises(Corrupt, match=name):
            map_files([tmp_path / name])
    with pytest.raises(BadInput, match="different encoders"):
        map_files([tmp_path / "a.npy", tmp_path / "b.npy"])
    with pytest.raises(BadInput):
        map_files([])
    with pytest.raises(BadInput, match="one width"):
        as_shards(np.zeros((2, 4)), np.zeros((2, 5)))


def test_rows_nearer_to_each_other_than_float32_tells_apart_are_sorted_rightly() -> None:
    # along one direction, steps far below the error of a float32 product of 512 numbers
    rng = np.random.default_rng(0)
    query, side = rng.standard_normal((2, 512))
    query /= np.linalg.norm(query)
    side -= side @ query * query
    side /= np.linalg.norm(side)
    angles = 0.7 + np.arange(600) * 2e-7
    rows = (np.cos(angles)[:, None] * query + np.sin(angles)[:, None] * side).astype(np.float32)
    key = rng.permutation(600)
    sizes = SearchSizes(block_rows_count=100, query_rows_count=1)
    _, found = search_exact(query[None].astype(np.float32), rows, 10, key.__getitem__, sizes)
    assert found.tolist() == full_sort(query[None].astype(np.float32), rows, key.tolist(), 10)


@pytest.mark.parametrize("dim", [16, 512, 1536])
def test_the_error_bound_holds_and_is_not_loose_beyond_reason(dim: int) -> None:
    rng = np.random.default_rng(dim)
    left, right = (rng.standard_normal((400, dim)).astype(np.float32) for _ in range(2))
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    right = 0.9 * left + 0.1 * right / np.linalg.norm(right, axis=1, keepdims=True)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    off = np.abs((left @ right.T) - left.astype(np.float64) @ right.astype(np.float64).T).max()
    assert 0 < off <= error_bound(dim) < 2e-4


def test_a_budget_bounds_blocks_and_queries_and_too_small_a_one_is_refused() -> None:
    small = fit_memory(100_000, 512, 10, 96 << 20)
    large = fit_memory(100_000, 512, 10, 8 << 30)
    assert small.block_rows_count < large.block_rows_count
    assert small.query_rows_count < large.query_rows_count < 100_000
    with pytest.raises(BadInput, match="memory_bytes to at least"):
        fit_memory(10, 512, 10, 1 << 20)
    with pytest.raises(BadInput, match="memory_bytes to at least"):
        search_rows(unit_rows(1), unit_rows(3), 1, lambda rows: rows, RetrieveConfig(device="cpu", memory_bytes=10))


def test_progress_counts_every_row_once() -> None:
    seen: list[int] = []
    search_index(unit_rows(3), unit_rows(50), names(50), read_labels()[:3], CPU, seen.append)
    assert sum(seen) == 50


def test_more_ties_than_are_fetched_at_first() -> None:
    images = np.repeat(unit_rows(2), 300, axis=0)
    ids = names(600)
    config = RetrieveConfig(neighbours_per_label_count=5, device="cpu")
    hits = search_index(images[:1].astype(np.float32), images, ids, read_labels()[:1], config)
    assert hits["candidate_id"].to_list() == sorted(ids[:300])[:5]


def test_thousands_of_one_picture_cost_no_order_of_ties() -> None:
    images = np.repeat(unit_rows(3), 3000, axis=0)  # more of each than FAISS can give on a GPU
    ids = names(9000)
    hits = search_index(images[:1], images, ids, read_labels()[:1], RetrieveConfig(device="cpu"))
    assert hits["candidate_id"].to_list() == sorted(ids[:3000])[:200]
    assert 200 + SPARE_COUNT < 3000


def test_cosines_are_cosines() -> None:
    images, texts = unit_rows(50), unit_rows(3, seed=1)
    hits = search_index(texts, images, names(50), read_labels()[:3], CPU)
    full = (texts.astype(np.float64) @ images.astype(np.float64).T).clip(-1, 1)
    assert hits.height == 150  # fewer pictures than asked for
    np.testing.assert_allclose(hits["cosine"].to_numpy().reshape(3, 50), -np.sort(-full, axis=1), atol=1e-6)


def test_top_labels_equals_a_full_sort() -> None:
    images, texts = unit_rows(30), np.concatenate([unit_rows(12, seed=1)] * 2)
    cosines, rows = top_labels(images, texts, 5, CPU)
    assert rows.tolist() == full_sort(images, texts, list(range(24)), 5)
    assert (np.diff(cosines, axis=1) <= 0).all()
    assert top_labels(images, texts, 99, CPU)[1].shape == (30, 24)


def test_nearest_image_is_another_one() -> None:
    images = np.concatenate([unit_rows(10), unit_rows(4)])  # the first four stand twice
    ids = names(14)
    rows = nearest_images(images, ids, CPU)[1]
    assert rows[:4].tolist() == [10, 11, 12, 13]
    assert rows[10:].tolist() == [0, 1, 2, 3]
    others = [[row for row in range(14) if row != place] for place in range(14)]
    for place in range(14):
        best = full_sort(images[place : place + 1], images[others[place]], [ids[row] for row in others[place]], 1)
        assert rows[place] == others[place][best[0][0]]
    assert np.isnan(nearest_images(images[:1], ids[:1], CPU)[0]).all()


def test_nearest_image_among_many_equal_ones_is_never_itself() -> None:
    ids = names(300)
    _, rows = nearest_images(np.repeat(unit_rows(1), 300, axis=0), ids, CPU)
    first, second = (ids.index(name) for name in sorted(ids)[:2])
    assert rows.tolist() == [second if row == first else first for row in range(300)]


@settings(max_examples=deep(30), deadline=None)
@given(
    left=st.lists(st.integers(0, 2**64 - 1), max_size=20), right=st.lists(st.integers(0, 2**64 - 1), max_size=20),
    flips=st.lists(st.integers(0, 63), max_size=12), most=st.integers(0, 64),
)  # fmt: skip
def test_near_hashes_are_all_pairs(left: list[int], right: list[int], flips: list[int], most: int) -> None:
    for place, bit in enumerate(flips):
        if left:
            right.append(left[place % len(left)] ^ (1 << bit))
    hashes, base = [f"{number:016x}" for number in left], [f"{number:016x}" for number in right]
    rows, others, distances = near_hashes(hashes, base, most)
    expected = [
        (row, other, phash_distance(one, two))
        for row, one in enumerate(hashes)
        for other, two in enumerate(base)
        if phash_distance(one, two) <= most
    ]
    assert list(zip(rows.tolist(), others.tolist(), distances.tolist(), strict=True)) == expected


def test_nothing_to_search_gives_an_empty_table() -> None:
    assert search_index(unit_rows(2), unit_rows(0), [], read_labels()[:2], CPU).equals(HITS.empty())


def test_wrong_input_is_named() -> None:
    labels = read_labels()[:2]
    with pytest.raises(BadInput, match="one width"):
        search_index(unit_rows(2, 8), unit_rows(3, 16), names(3), labels, CPU)
    with pytest.raises(BadInput, match="2 labels for 3 label rows"):
        search_index(unit_rows(3), unit_rows(3), names(3), labels, CPU)
    with pytest.raises(BadInput, match="Did you mean 'cuda'"):
        top_labels(unit_rows(3), unit_rows(3), 1, RetrieveConfig(device="cude"))
    with pytest.raises(BadInput, match="16 hex digits"):
        near_hashes(["zz"], ["00"], 3)


def faiss_sees_a_gpu() -> bool:
    import faiss

    return bool(hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus())


def test_a_gpu_is_asked_for_where_there_is_none() -> None:
    if faiss_sees_a_gpu():
        pytest.skip("FAISS sees a GPU here")
    with pytest.raises(BadInput, match="sees no GPU"):
        top_labels(unit_rows(3), unit_rows(3), 1, RetrieveConfig(device="cuda"))


@pytest.mark.gpu
def test_a_gpu_gives_the_same_table() -> None:
    if not faiss_sees_a_gpu():
        pytest.skip("FAISS sees no GPU here")
    images, texts, ids = unit_rows(5000, 64), unit_rows(40, 64, 1), names(5000)
    labels = read_labels()[:40]
    on_gpu = search_index(texts, images, ids, labels, RetrieveConfig(device="cuda"))
    assert on_gpu.equals(search_index(texts, images, ids, labels, CPU))
