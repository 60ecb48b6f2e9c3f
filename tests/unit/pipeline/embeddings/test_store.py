"""Embeddings on disk: clip-retrieval's layout, whole or not there, and nothing unpickled."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.pipeline.embeddings.store import read_embeddings, write_embeddings


def shard(start: int, count: int) -> tuple[np.ndarray, pl.DataFrame]:
    vectors = np.random.default_rng(start).standard_normal((count, 6))
    names = [f"{number:03d}" for number in range(start, start + count)]
    rows = pl.DataFrame({"candidate_id": names, "caption": names, "url": [f"http://a/{name}" for name in names]})
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16), rows


def test_shards_come_back_in_order_of_their_numbers(tmp_path: Path) -> None:
    parts = {number: shard(number * 10, number % 3) for number in (10, 2, 0, 1)}
    for number, (vectors, rows) in parts.items():
        write_embeddings(tmp_path, number, vectors, rows)
    ids, vectors = read_embeddings(tmp_path)
    assert ids == [name for number in (0, 1, 2, 10) for name in parts[number][1]["candidate_id"]]
    np.testing.assert_array_equal(vectors, np.concatenate([parts[number][0] for number in (0, 1, 2, 10)]))
    assert vectors.dtype == np.float16


def test_the_layout_is_clip_retrievals(tmp_path: Path) -> None:
    vectors, rows = shard(0, 4)
    write_embeddings(tmp_path, 3, vectors, rows)
    np.testing.assert_array_equal(np.load(tmp_path / "img_emb" / "img_emb_3.npy"), vectors)
    assert pl.read_parquet(tmp_path / "metadata" / "metadata_3.parquet").columns == ["candidate_id", "caption", "url"]
    assert not list(tmp_path.rglob("*.part"))


def test_one_shard_is_memory_mapped_and_an_empty_one_is_read(tmp_path: Path) -> None:
    write_embeddings(tmp_path, 0, *shard(0, 4))
    assert isinstance(read_embeddings(tmp_path)[1], np.memmap)
    write_embeddings(tmp_path, 0, *shard(0, 0))
    assert read_embeddings(tmp_path)[0] == []


def test_embeddings_of_others_are_keyed_by_url(tmp_path: Path) -> None:
    vectors, rows = shard(0, 4)
    (tmp_path / "img_emb").mkdir()
    (tmp_path / "metadata").mkdir()
    np.save(tmp_path / "img_emb" / "img_emb_0.npy", vectors)
    rows.select("url", "caption").write_parquet(tmp_path / "metadata" / "metadata_0.parquet")
    ids, read = read_embeddings(tmp_path)
    assert ids[1] == hashlib.sha256(b"http://a/001").hexdigest()
    np.testing.assert_array_equal(read, vectors)
    rows.select("caption").write_parquet(tmp_path / "metadata" / "metadata_0.parquet")
    with pytest.raises(BadInput, match="no candidate_id, url or image_path"):
        read_embeddings(tmp_path)


def test_damage_is_found(tmp_path: Path) -> None:
    vectors, rows = shard(0, 40)
    write_embeddings(tmp_path, 0, vectors, rows)
    array = tmp_path / "img_emb" / "img_emb_0.npy"
    whole = array.read_bytes()
    array.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Corrupt, match="delete it and run again"):
        read_embeddings(tmp_path)
    (tmp_path / "embeddings_0.json").unlink()  # of another maker: no note to compare with
    array.write_bytes(whole[:-12])
    with pytest.raises(Corrupt):
        read_embeddings(tmp_path)
    np.save(array, vectors[:39])
    with pytest.raises(Corrupt, match="40 rows of metadata"):
        read_embeddings(tmp_path)
    np.save(array, np.array([{}] * 40, dtype=object), allow_pickle=True)
    with pytest.raises(Corrupt):
        read_embeddings(tmp_path)
    write_embeddings(tmp_path, 0, vectors, rows)
    write_embeddings(tmp_path, 1, vectors[:, :3], rows)
    with pytest.raises(Corrupt, match="different width"):
        read_embeddings(tmp_path)


def test_wrong_input_is_named(tmp_path: Path) -> None:
    vectors, rows = shard(0, 4)
    with pytest.raises(BadInput, match="4 vectors for 3 rows"):
        write_embeddings(tmp_path, 0, vectors, rows[:3])
    with pytest.raises(BadInput, match="missing column url"):
        write_embeddings(tmp_path, 0, vectors, rows.drop("url"))
    with pytest.raises(BadInput, match="holds no embeddings"):
        read_embeddings(tmp_path)
    write_embeddings(tmp_path, 0, vectors, rows)
    (tmp_path / "metadata" / "metadata_0.parquet").unlink()
    with pytest.raises(BadInput, match="is missing"):
        read_embeddings(tmp_path)
