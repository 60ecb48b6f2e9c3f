"""WebDataset shards and folders into a store: every picture has a row or a reason, and nothing is taken on trust."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import webdataset
from PIL import Image

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables.embeddings import EMBEDDED
from relaionet.manifests.tables.schema import check_table
from relaionet.pipeline.embeddings.dataset import DatasetConfig, embed_samples
from relaionet.pipeline.embeddings.store import read_embeddings
from relaionet.pipeline.images.webdataset import count_samples, find_shards, read_samples
from tests.unit.pipeline.embeddings.test_embed import Pixels


def picture(seed: int, kind: str = "JPEG", size: tuple[int, int] = (60, 40)) -> bytes:
    grid = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC).save(out, format=kind)
    return out.getvalue()


def sample(number: int) -> dict:
    """A sample as img2dataset writes it."""
    return {
        "__key__": f"{number:09d}", "jpg": picture(number), "txt": f"Bild {number}",
        "json": {"url": f"http://a/{number}", "caption": f"Bild {number}", "key": f"{number:09d}", "status": "success"},
    }  # fmt: skip


def write_shard(path: Path, samples: list[dict]) -> Path:
    with webdataset.TarWriter(str(path)) as writer:
        for one in samples:
            writer.write(one)
    return path


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    folder = tmp_path / "shards"
    folder.mkdir()
    write_shard(folder / "00000.tar", [sample(number) for number in range(7)])
    write_shard(folder / "00001.tar", [sample(number) for number in range(7, 10)])
    (folder / "00000_stats.json").write_text("{}")
    return folder


def test_archives_are_read_as_webdataset_reads_them(shards: Path) -> None:
    found = find_shards(str(shards), 100)
    assert [(shard.name, shard.place.name) for shard in found] == [("0", "00000.tar"), ("1", "00001.tar")]
    assert count_samples(found) == 10
    theirs = [
        one for path in sorted(shards.glob("*.tar")) for one in webdataset.WebDataset(str(path), shardshuffle=False)
    ]
    ours = [one for shard in found for one in read_samples(shard)]
    assert [one.image_path for one in ours] == [one["__key__"] for one in theirs]
    assert [one.data for one in ours] == [one["jpg"] for one in theirs]
    assert [one.caption for one in ours] == [one["txt"].decode() for one in theirs]
    assert [one.url for one in ours] == [json.loads(one["json"])["url"] for one in theirs]
    assert [shard.place.name for shard in find_shards(str(shards / "0000[1-9].tar"), 1)] == ["00001.tar"]


def test_every_picture_has_a_row_or_a_reason(tmp_path: Path) -> None:
    samples = [sample(number) for number in range(5)]
    samples[1]["jpg"] = samples[1]["jpg"][:-200]
    samples[3]["jpg"] = b"<html>gone</html>"
    samples += [
        {"__key__": "no/picture", "txt": "words"}, {"__key__": "bare", "png": picture(9, "PNG")},
        {"__key__": "odd", "jpg": picture(8), "json": b"[1, 2]", "txt": b"\xff\xfe"},
    ]  # fmt: skip
    path = write_shard(tmp_path / "a.tar", samples)
    (shard,), done = find_shards(str(path), 1), []
    store = tmp_path / "store"
    config = DatasetConfig(batch_size=3, reduced_ratio=0)
    table = embed_samples(shard, Pixels(), config, store, done.append)
    check_table(table, EMBEDDED)
    assert table["image_path"].to_list() == [*(f"{number:09d}" for number in range(5)), "bare", "odd"]
    assert table["row"].to_list() == [0, None, 1, None, 2, 3, 4]
    assert "truncated" in table["reason"][1]
    assert "HTML" in table["reason"][3]
    assert sum(done) == 7
    ids, vectors = read_embeddings(store)
    names = ["http://a/0", "http://a/2", "http://a/4", "bare", "odd"]
    assert ids == [hashlib.sha256(name.encode()).hexdigest() for name in names]
    for row, data in zip(vectors, [*(picture(i) for i in (0, 2, 4)), picture(9, "PNG"), picture(8)], strict=True):
        expected = Pixels().encode_images(Pixels().preprocess(Image.open(io.BytesIO(data)).convert("RGB"))[None])[0]
        np.testing.assert_array_equal(row, expected.astype(np.float16))
    about = pl.read_parquet(store / "metadata" / "metadata_0.parquet")
    assert about.columns == ["candidate_id", "caption", "url", "image_path"]
    assert about["caption"].to_list() == ["Bild 0", "Bild 2", "Bild 4", None, "\ufffd\ufffd"]


def test_a_folder_is_cut_into_shards_that_change_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for number in range(7):
        (folder / ("deep" if number % 2 else "") / f"{number}.JPG").write_bytes(picture(number))
    (folder / "0.txt").write_text("nought")
    (folder / "notes.md").write_text("none")

    def rows(count: int, store: Path) -> dict[str, bytes]:
        shards = find_shards(str(folder), count)
        tables = [embed_samples(shard, Pixels(), DatasetConfig(), store) for shard in shards]
        assert sum(table.height for table in tables) == 7
        ids, vectors = read_embeddings(store)
        return {name: row.tobytes() for name, row in zip(ids, vectors, strict=True)}

    assert rows(100, tmp_path / "one") == rows(3, tmp_path / "three")
    first = pl.read_parquet(tmp_path / "one" / "metadata" / "metadata_0.parquet")
    assert first["image_path"].to_list() == sorted(
        ["0.JPG", "2.JPG", "4.JPG", "6.JPG", *(f"deep/{i}.JPG" for i in (1, 3, 5))]
    )
    assert first.filter(image_path="0.JPG")["caption"].to_list() == ["nought"]


def test_large_jpegs_are_reduced_only_where_enough_is_left(tmp_path: Path) -> None:
    sizes = []

    class Sizes(Pixels):
        def preprocess(self, image: Image.Image):
            sizes.append(image.size)
            return super().preprocess(image)

    path = write_shard(tmp_path / "a.tar", [{"__key__": "a", "jpg": picture(1, size=(100, 64))}])
    (shard,) = find_shards(str(path), 1)
    for ratio, size in ((2.0, (13, 8)), (8.0, (50, 32)), (9.0, (100, 64)), (0.0, (100, 64))):
        sizes.clear()
        embed_samples(shard, Sizes(), DatasetConfig(reduced_ratio=ratio, threads=1), tmp_path / str(ratio))
        assert sizes[-1] == size


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        find_shards(str(tmp_path / "nothing"), 1)
    with pytest.raises(BadInput, match="neither tar files nor pictures"):
        find_shards(str(tmp_path), 1)
    (tmp_path / "a.zip").touch()
    with pytest.raises(BadInput, match="no tar file"):
        find_shards(str(tmp_path / "a.zip"), 1)


def test_a_damaged_archive_is_never_half_a_shard(shards: Path, tmp_path: Path) -> None:
    path = shards / "00000.tar"
    data = path.read_bytes()
    for cut in (len(data) // 2, 700):
        path.write_bytes(data[:cut])
        shard = find_shards(str(path), 1)[0]
        with pytest.raises(Corrupt, match=r"00000\.tar is damaged"):
            embed_samples(shard, Pixels(), DatasetConfig(), tmp_path / "store")
        assert not (tmp_path / "store" / "img_emb").exists()
    path.write_bytes(b"no archive at all" * 100)
    with pytest.raises(Corrupt):
        embed_samples(find_shards(str(path), 1)[0], Pixels(), DatasetConfig(), tmp_path / "store")


def test_nothing_leaves_an_archive_and_nothing_large_enters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relaionet.pipeline.images.webdataset.MAX_BYTES", 1000)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, data in (("../../out.jpg", picture(1)), ("big.jpg", picture(2, size=(300, 200)))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    table = embed_samples(find_shards(str(tmp_path / "a.tar"), 1)[0], Pixels(), DatasetConfig(), tmp_path / "store")
    assert table["image_path"].to_list() == ["../../out", "big"]
    assert [name.name for name in tmp_path.iterdir() if "out" in name.name] == []
    assert table["status"].to_list()[1] == "broken"
    assert "longer than" in table["reason"][1]


def test_a_sample_that_is_there_twice_is_corrupt(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", [sample(1), sample(2), sample(1)])
    with pytest.raises(Corrupt, match="'000000001' is there twice"):
        embed_samples(find_shards(str(path), 1)[0], Pixels(), DatasetConfig(), tmp_path / "store")
