"""Reference sets on disk: made once, gone on with after a kill, known again by their bytes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables import REFERENCES
from relaionet.pipeline.embeddings.embed import EmbedConfig
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.screens import references as reference_store
from relaionet.pipeline.screens.references import add_reference, open_reference
from relaionet.pipeline.screens.registration import take_print

CONFIG = EmbedConfig(batch_size=4, threads=2)
PICTURES = 11


class Counting:
    """An encoder whose row is the mean of the pixels, and that counts what it is given."""

    name, dim = "counting", 3

    def __init__(self, fingerprint: str = "f" * 64) -> None:
        self.fingerprint, self.seen = fingerprint, 0

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        self.seen += 1
        return torch.from_numpy(np.asarray(image.resize((8, 8)), dtype=np.float32).copy()).permute(2, 0, 1)

    def encode_images(self, batch: torch.Tensor) -> np.ndarray:
        rows = batch.mean(dim=(2, 3)) + 1
        return (rows / rows.norm(dim=1, keepdim=True)).numpy()

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        raise NotImplementedError


def picture(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((80, 60), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reference_store, "SHARD_FILES", 4)
    monkeypatch.setattr(reference_store, "BLOCK_ROWS", 6)
    root = tmp_path / "imagenet"
    for seed in range(PICTURES):
        path = root / f"n{seed % 3:08d}" / f"{seed}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(seed).save(path, quality=90)
    (root / "n00000000" / "broken.jpg").write_bytes(b"no picture")
    (root / "readme.txt").write_text("not looked at")
    return root


def test_all_pictures_are_kept_in_blocks(folder: Path, tmp_path: Path) -> None:
    done: list[int] = []
    added = add_reference(folder, "train", tmp_path / "store", Counting(), CONFIG, done.append)
    assert added.pictures_count == PICTURES
    assert sum(done) == PICTURES + 1
    blocks = list(open_reference(tmp_path / "store", "train", Counting()).blocks())
    assert [len(names) for names, _ in blocks] == [4, 3, 4]  # at most 6 rows, whole shards
    found = {name: (pictures, row) for names, pictures in blocks for row, name in enumerate(names)}
    assert set(found) == {path.relative_to(folder).as_posix() for path in folder.rglob("*.JPEG")}
    for name, (pictures, row) in found.items():
        image = Image.open(folder / name)
        assert pictures.phashes[row] == phash_hex(image)
        assert pictures.prints[row].tobytes() == take_print(image)
        assert np.linalg.norm(pictures.vectors[row].astype(float)) == pytest.approx(1, abs=1e-3)


def test_a_second_time_nothing_is_embedded_and_one_new_picture_costs_its_shards(folder: Path, tmp_path: Path) -> None:
    store, again = tmp_path / "store", Counting()
    first = add_reference(folder, "train", store, Counting(), CONFIG).digest
    files = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    assert add_reference(folder, "train", store, again, CONFIG).digest == first
    assert again.seen == 0
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == files
    picture(50).save(folder / "z.jpg")
    added = add_reference(folder, "train", store, again, CONFIG)
    assert added.pictures_count == PICTURES + 1
    assert again.seen == 1, "the last shard only; it holds the new picture alone"


def test_a_copy_elsewhere_is_known_by_its_bytes(folder: Path, tmp_path: Path) -> None:
    first = add_reference(folder, "train", tmp_path / "store", Counting(), CONFIG).digest
    copied = shutil.copytree(folder, tmp_path / "copied", copy_function=shutil.copyfile)
    again = Counting()
    assert add_reference(copied, "train", tmp_path / "store", again, CONFIG).digest == first
    assert again.seen == 0
    victim = next(copied.rglob("3.JPEG"))
    times = victim.stat()
    picture(99).save(victim)
    os.utime(victim, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert add_reference(copied, "train", tmp_path / "store", again, CONFIG).digest != first
    assert 0 < again.seen <= 4


def test_it_goes_on_where_it_was_stopped(folder: Path, tmp_path: Path) -> None:
    class Stopped(Counting):
        def encode_images(self, batch: torch.Tensor) -> np.ndarray:
            if self.seen > 6:
                raise KeyboardInterrupt
            return super().encode_images(batch)

    store = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        add_reference(folder, "train", store, Stopped(), CONFIG)
    with pytest.raises(BadInput, match="goes on where it stopped"):
        open_reference(store, "train", Counting())
    rest = Counting()
    assert add_reference(folder, "train", store, rest, CONFIG).pictures_count == PICTURES
    assert 0 < rest.seen < PICTURES


def test_a_damaged_array_is_found_and_made_again(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    added = add_reference(folder, "train", store, Counting(), CONFIG)
    digest = added.digest
    victim = added.folder / "prints" / "00001.npy"
    victim.write_bytes(victim.read_bytes()[:200])
    with pytest.raises(Corrupt, match="add the reference set again"):
        list(added.blocks())
    victim.unlink()
    assert add_reference(folder, "train", store, Counting(), CONFIG).digest == digest
    assert sum(len(names) for names, _ in added.blocks()) == PICTURES


def test_each_encoder_has_its_own_and_wrong_names_are_named(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    add_reference(folder, "imagenet-val", store, Counting(), CONFIG)
    with pytest.raises(BadInput, match="not finished for encoder"):
        open_reference(store, "imagenet-val", Counting("0" * 64))
    with pytest.raises(BadInput, match="Did you mean 'imagenet-val'"):
        open_reference(store, "imagenet-vall", Counting())
    with pytest.raises(BadInput, match="a name is letters"):
        add_reference(folder, "../up", store, Counting(), CONFIG)
    with pytest.raises(BadInput, match="holds no pictures"):
        add_reference(store, "none", store, Counting(), CONFIG)
    assert REFERENCES.key == ("path",)
