"""`relaionet embed` on archives of strangers: each picture is in the store once and under its own name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.unit.pipeline.embeddings.test_dataset import picture, write_tar

pytestmark = pytest.mark.slow


def embed(folder: Path, store: Path) -> pl.DataFrame:
    command = [str(Path(sys.executable).with_name("relaionet")), "embed", str(folder), "--encoder", "miniature"]
    done = subprocess.run([*command, "--out", str(store)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return pl.concat([pl.read_parquet(path) for path in sorted(store.glob("metadata/*.parquet"))])


def test_dots_in_names_two_in_a_sample_a_name_twice_and_captions_that_stand_apart(tmp_path: Path) -> None:
    folder, files = tmp_path / "shards", [picture(number) for number in range(8)]
    folder.mkdir()
    first = [("track 2.0 (x).jpg", files[0]), ("track 2.0 (x).txt", b"one"), ("22.05/a.1.jpg", files[1])]
    twice = [("k.jpg", files[4]), ("k.txt", b"first"), ("k.jpg", files[5]), ("k.txt", b"second")]
    apart = [("p.jpg", files[6]), ("q.jpg", files[7]), ("p.txt", b"cap p"), ("q.txt", b"cap q")]
    write_tar(folder / "0dots.tar", first)
    write_tar(folder / "1two.tar", [("s.left.jpg", files[2]), ("s.right.jpg", files[3]), ("s.txt", b"two")])
    write_tar(folder / "2twice.tar", twice)
    write_tar(folder / "3apart.tar", apart)
    rows = embed(folder, tmp_path / "store")
    assert rows["caption"].to_list() == ["one", None, "two", "two", "first", "second", "cap p", "cap q"]
    assert rows["image_path"].n_unique() == rows["candidate_id"].n_unique() == 8


def test_archives_that_each_count_from_nought_hold_different_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for shard in range(3):
        write_tar(
            folder / f"{shard:05d}.tar", [(f"{number:06d}.jpg", picture(2 * shard + number)) for number in range(2)]
        )
    rows = embed(folder, tmp_path / "store")
    assert rows.height == rows["candidate_id"].n_unique() == 6
