"""`relaionet embed` as a user runs it: done once, continued, refused for another encoder, and honest about damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from relaionet.pipeline.embeddings.store import read_embeddings
from relaionet.pipeline.miniature.drawings.pictures import CLASSES, draw_picture
from tests.unit.pipeline.embeddings.test_dataset import sample, write_shard
from tests.whole.conftest import Command

pytestmark = [pytest.mark.slow]


def test_embed_continues_and_keeps_encoders_apart(relaionet: Command, tmp_path: Path) -> None:
    shards, store = tmp_path / "shards", tmp_path / "store"
    shards.mkdir()
    for number in range(3):
        write_shard(shards / f"{number:05d}.tar", [sample(4 * number + place) for place in range(4)])
    arguments = ("embed", shards, "--encoder", "miniature", "--out", store)
    whole = (shards / "00001.tar").read_bytes()
    (shards / "00001.tar").write_bytes(whole[: len(whole) // 2])
    done = relaionet(*arguments)
    assert done.returncode == 2, done.stderr[-2000:]
    assert "00001.tar is damaged" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(read_embeddings(store)[0]) == 8  # the others are done nevertheless
    before = {path: path.stat().st_mtime_ns for path in store.glob("img_emb/*")}
    (shards / "00001.tar").write_bytes(whole)
    done = relaionet(*arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "12 = 12 ok" in done.stderr
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    ids, vectors = read_embeddings(store)
    assert len(set(ids)) == 12
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(np.float32), axis=1), 1, atol=1e-3)
    (tmp_path / "photos").mkdir()
    for wnid in CLASSES[:2]:
        draw_picture(wnid, 1, 96).save(tmp_path / "photos" / f"{wnid}.png")
    (tmp_path / "other.py").write_text(
        "from relaionet.pipeline.embeddings.encoders import load_encoder\n"
        "def make():\n    e = load_encoder('miniature')\n    e.fingerprint = 'another'\n    return e\n"
    )
    done = relaionet("embed", tmp_path / "photos", "--encoder", f"{tmp_path}/other.py:make", "--out", store)
    assert done.returncode == 2
    assert "needs a folder of its own" in done.stderr
    assert len(read_embeddings(store)[0]) == 12
    shutil.rmtree(store)


def test_encoders_are_listed_and_shown(relaionet: Command) -> None:
    listed = relaionet("encoders", "list", "siglip2")
    assert "ViT-B-16-SigLIP2/webli" in listed.stdout.splitlines()
    shown = relaionet("encoders", "show", "miniature")
    assert "softmax" in shown.stdout
    wrong = relaionet("encoders", "show", "miniatur")
    assert wrong.returncode == 2
    assert "Did you mean 'miniature'" in wrong.stderr
