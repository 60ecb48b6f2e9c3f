"""WebDataset shards and folders into a store: every picture has a row or a reason, and nothing is taken on trust."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
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
    assert [one.image_path.partition("/")[2] for one in ours] == [one["__key__"] for one in theirs]
    assert [one.image_path.partition("/")[0] for one in ours] == ["00000.tar"] * 7 + ["00001.tar"] * 3
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
    assert table["image_path"].to_list() == [*(f"a.tar/{number:09d}" for number in range(5)), "a.tar/bare", "a.tar/odd"]
    assert table["row"].to_list() == [0, None, 1, None, 2, 3, 4]
    assert "truncated" in table["reason"][1]
    assert "HTML" in table["reason"][3]
    assert sum(done) == 7
    ids, vectors = read_embeddings(store)
    names = ["http://a/0", "http://a/2", "http://a/4", "a.tar/bare", "a.tar/odd"]
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
    assert table["image_path"].to_list() == ["a.tar/../../out", "a.tar/big", "a.tar/link"]
    assert [name.name for name in tmp_path.iterdir() if "out" in name.name] == []
    assert table["status"].to_list()[1] == "broken"
    assert "longer than" in table["reason"][1]
    assert table["reason"][2] == "its member is no plain file, but a link"


def write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def told(path: Path) -> list[tuple[str, str | None]]:
    return [(one.image_path, one.caption) for one in read_samples(find_shards(str(path), 1)[0])]


def test_a_sample_that_is_there_twice_is_two_pictures_of_one_address(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", [sample(1), sample(2), sample(1)])
    table = embed_samples(find_shards(str(path), 1)[0], Pixels(), DatasetConfig(), tmp_path / "store")
    assert table["image_path"].to_list() == ["a.tar/000000001.jpg", "a.tar/000000002", "a.tar/000000001.jpg#2"]
    ids = read_embeddings(tmp_path / "store").candidate_ids
    assert len(set(ids)) == 3
    assert ids[0] == hashlib.sha256(b"http://a/1").hexdigest()


def test_dots_in_names_two_in_a_sample_a_name_twice_and_captions_that_stand_apart(tmp_path: Path) -> None:
    write_tar(
        tmp_path / "0dots.tar", [("track 2.0 (x).jpg", b"0"), ("track 2.0 (x).txt", b"one"), ("22.05/a.1.jpg", b"1")]
    )
    write_tar(tmp_path / "1two.tar", [("s.left.jpg", b"2"), ("s.right.jpg", b"3"), ("s.txt", b"two")])
    twice = [("k.jpg", b"4"), ("k.txt", b"first"), ("k.jpg", b"5"), ("k.txt", b"second")]
    write_tar(tmp_path / "2twice.tar", twice)
    write_tar(tmp_path / "3apart.tar", [("p.jpg", b"6"), ("q.jpg", b"7"), ("p.txt", b"cap p"), ("q.txt", b"cap q")])
    write_tar(tmp_path / "4kinds.tar", [("a.PNG", b"8"), ("a.jpg", b"9"), ("a.txt", b"both"), ("._a.jpg", b"")])
    shards = find_shards(str(tmp_path), 1)
    found = [one for shard in shards for one in read_samples(shard)]
    assert count_samples(shards) == len(found) == 10
    assert [one.data for one in found] == [str(number).encode() for number in range(10)]
    assert [(one.image_path, one.caption) for one in found] == [
        ("0dots.tar/track 2.0 (x)", "one"), ("0dots.tar/22.05/a.1", None),
        ("1two.tar/s.left", "two"), ("1two.tar/s.right", "two"),
        ("2twice.tar/k.jpg", "first"), ("2twice.tar/k.jpg#2", "second"),
        ("3apart.tar/p", "cap p"), ("3apart.tar/q", "cap q"),
        ("4kinds.tar/a.PNG", "both"), ("4kinds.tar/a.jpg", "both"),
    ]  # fmt: skip


def test_a_caption_is_of_its_own_picture(tmp_path: Path) -> None:
    path = write_tar(
        tmp_path / "a.tar",
        [("a.jpg", b""), ("a.1.jpg", b""), ("a.txt", b"a"), ("k.jpg", b""), ("k.jpg", b""), ("k.txt", b"k")],
    )
    assert [caption for _, caption in told(path)] == ["a", None, "k", None]
    names = [("k.jpg", b""), ("k.jpg", b""), ("k.jpg#2.png", b""), ("k.jpg.png", b""), ("ü.JPG", b"")]
    assert len({name for name, _ in told(write_tar(tmp_path / "b.tar", names))}) == 5


def test_names_that_each_archive_counts_from_nought_are_names_of_their_own(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_tar(tmp_path / folder / "00000.tar", [("000000.jpg", b"a")])
    shards = find_shards(str(tmp_path / "*" / "0*.tar"), 1)
    both = [one.image_path for shard in shards for one in read_samples(shard)]
    assert both == ["one/00000.tar/000000", "two/00000.tar/000000"]


def test_joined_archives_are_read_on_and_a_negative_size_is_said(tmp_path: Path) -> None:
    one, two = write_tar(tmp_path / "1.tar", [("a.jpg", b"1")]), write_tar(tmp_path / "2.tar", [("b.jpg", b"2")])
    joined = tmp_path / "joined"
    joined.mkdir()
    (joined / "3.tar").write_bytes(one.read_bytes() + two.read_bytes())
    assert [name for name, _ in told(joined / "3.tar")] == ["3.tar/a", "3.tar/b"]
    header = bytearray(one.read_bytes()[:512])
    header[124:136] = b"\xff" * 11 + b"\x00"  # -256, as two's complement
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 256 + sum(header[156:]))
    (joined / "4.tar").write_bytes(bytes(header) + bytes(2048))
    with pytest.raises(Corrupt, match="a size that is no number from 0"):
        told(joined / "4.tar")
