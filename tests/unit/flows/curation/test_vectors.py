"""A run's vectors, read where they lie."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl

from relaionet.flows.curation.vectors import map_vectors
from relaionet.flows.runs.run import Run
from relaionet.pipeline.embeddings.store import write_embeddings
from relaionet.pipeline.retrieval.searchable_store import open_store

ENCODER = SimpleNamespace(dim=8)


def fill(folder: Path) -> tuple[list[str], np.ndarray]:
    ids, rows = [f"{number:03d}" for number in range(5)], np.eye(8, dtype=np.float16)[:5]
    for shard, part in enumerate((slice(0, 3), slice(3, 3), slice(3, 5))):
        about = pl.DataFrame({"candidate_id": ids[part]}, schema={"candidate_id": pl.String})
        about = about.with_columns(pl.lit("").alias("caption"), pl.lit("http://a").alias("url"))
        write_embeddings(folder, shard, rows[part], about)
    return ids, rows


def test_mapped_vectors_are_those_of_the_shards_in_order(tmp_path: Path) -> None:
    run = Run(root=tmp_path)
    ids, rows = fill(run.embeddings)
    found, vectors = map_vectors(run, ["00000", "00001", "00002"], ENCODER)  # type: ignore[arg-type]
    assert found == ids
    np.testing.assert_array_equal(vectors.take(np.arange(5)), rows)
    found, vectors = map_vectors(run, ["00002"], ENCODER)  # type: ignore[arg-type]
    assert found == ids[3:]
    np.testing.assert_array_equal(vectors.take(np.arange(2)), rows[3:])
    assert map_vectors(run, [], ENCODER)[1].shape == (0, 8)  # type: ignore[arg-type]


def test_a_store_is_told_by_its_notes_and_one_of_others_by_its_files(tmp_path: Path) -> None:
    fill(tmp_path)
    array, before = tmp_path / "img_emb" / "img_emb_0.npy", open_store(tmp_path).digests
    os.utime(array, (1, 1))
    assert open_store(tmp_path).digests == before  # copied, not changed
    (tmp_path / "embeddings_0.json").unlink()
    by_files = open_store(tmp_path).digests
    assert by_files[1:] == before[1:]
    assert by_files[0] != before[0]
    os.utime(array, (2, 2))
    assert open_store(tmp_path).digests[0] != by_files[0]
