"""Exact search: the same as a full sort, whatever the order of the rows, ties included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import HITS, check_table
from relaionet.pipeline.perceptual_hash import phash_distance
from relaionet.pipeline.retrieve import (
    RetrieveConfig,
    build_index,
    exact_cosines,
    near_hashes,
    nearest_images,
    search_index,
    top_labels,
)  # fmt: skip

CPU = RetrieveConfig(device="cpu")


def unit_rows(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def names(count: int, seed: int = 0) -> list[str]:
    return [f"{number:064x}" for number in np.random.default_rng(seed).permutation(count)]


def full_sort(queries: np.ndarray, base: np.ndarray, order: list, k: int) -> list[list[int]]:
    cosines = exact_cosines(queries, base, np.tile(np.arange(len(base)), (len(queries), 1)))
    return [sorted(range(len(base)), key=lambda row: (-line[row], order[row]))[:k] for line in cosines]


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 120), distinct=st.integers(1, 40), k=st.integers(1, 30), seed=st.integers(0, 99),
    add_rows=st.integers(1, 50), query_rows=st.integers(1, 9),
)  # fmt: skip
def test_search_equals_a_full_sort_with_ties_by_id(
    count: int, distinct: int, k: int, seed: int, add_rows: int, query_rows: int
) -> None:
    rng = np.random.default_rng(seed)
    images = unit_rows(distinct, seed=seed)[rng.integers(0, distinct, count)]
    labels, texts, ids = read_labels()[:7], unit_rows(7, seed=seed + 1), names(count, seed)
    config = RetrieveConfig(
        neighbours_per_label_count=k, device="cpu", add_rows_count=add_rows, query_rows_count=query_rows
    )
    hits = check_table(search_index(texts, images, ids, labels, config), HITS)
    expected = full_sort(texts, images, ids, k)
    for label, line in zip(labels, expected, strict=True):
        found = hits.filter(class_index=label.class_index)
        assert found["candidate_id"].to_list() == [ids[row] for row in line]
        assert found["rank"].to_list() == list(range(len(line)))
    shuffled = rng.permutation(count)
    again = search_index(texts, images[shuffled], [ids[row] for row in shuffled], labels, config)
    assert again.equals(hits)


def test_more_ties_than_are_fetched_at_first() -> None:
    images = np.repeat(unit_rows(2), 300, axis=0)
    ids = names(600)
    config = RetrieveConfig(neighbours_per_label_count=5, device="cpu")
    hits = search_index(images[:1].astype(np.float32), images, ids, read_labels()[:1], config)
    assert hits["candidate_id"].to_list() == sorted(ids[:300])[:5]


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


@settings(max_examples=30, deadline=None)
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
        build_index(unit_rows(3), RetrieveConfig(device="cude"))
    with pytest.raises(BadInput, match="16 hex digits"):
        near_hashes(["zz"], ["00"], 3)


def faiss_sees_a_gpu() -> bool:
    import faiss

    return bool(hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus())


def test_a_gpu_is_asked_for_where_there_is_none() -> None:
    if faiss_sees_a_gpu():
        pytest.skip("FAISS sees a GPU here")
    with pytest.raises(BadInput, match="sees no GPU"):
        build_index(unit_rows(3), RetrieveConfig(device="cuda"))


@pytest.mark.gpu
def test_a_gpu_gives_the_same_table() -> None:
    if not faiss_sees_a_gpu():
        pytest.skip("FAISS sees no GPU here")
    images, texts, ids = unit_rows(5000, 64), unit_rows(40, 64, 1), names(5000)
    labels = read_labels()[:40]
    on_gpu = search_index(texts, images, ids, labels, RetrieveConfig(device="cuda"))
    assert on_gpu.equals(search_index(texts, images, ids, labels, CPU))
