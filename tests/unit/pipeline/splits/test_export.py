from __future__ import annotations

import io
import json
import logging
import random
import re
import signal
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import file_sha256
from relaionet.manifests.labels import read_labels
from relaionet.pipeline.exports.registry import list_formats
from relaionet.pipeline.splits.build import read_split
from relaionet.pipeline.splits.export import ExportConfig, export_split, plan_shards
from tests.fakes.hub.splits import make_split

COUNT = 13
FORMATS = [format.name for format in list_formats()]
WNIDS = [label.wnid for label in read_labels()]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_split(tmp_path_factory.mktemp("made"), COUNT)[1]


@pytest.fixture(scope="module")
def exports(split: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("formats")
    for format in FORMATS:
        export_split(split, ExportConfig(format=format, shard_bytes=6000), root / format)
    return {format: root / format for format in FORMATS}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("CROISSANT_CACHE", str(tmp_path_factory.getbasetemp() / "croissant"))


def stat_all(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def stored(format: str, folder: Path) -> dict[str, bytes]:
    """candidate_id -> bytes, read without our code."""
    if format == "imagefolder":
        return {path.stem: path.read_bytes() for path in (folder / "images").glob("n*/*")}
    if format == "parquet":
        rows = pl.read_parquet(folder / "data" / "*.parquet", hive_partitioning=False)
        return {row["candidate_id"]: row["image"]["bytes"] for row in rows.iter_rows(named=True)}
    found = {}
    for path in sorted((folder / "data").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".jpg"):
                    found[member.name[:-4]] = tar.extractfile(member).read()  # type: ignore[union-attr]
    return found


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_holds_the_very_bytes_and_a_second_run_changes_nothing(
    format: str, split: Path, exports: dict[str, Path], tmp_path: Path
) -> None:
    kept, about = read_split(split)
    expected = {
        candidate_id: Path(path).read_bytes() for candidate_id, path in kept.select("candidate_id", "path").rows()
    }
    assert len(expected) == COUNT - 1
    assert stored(format, exports[format]) == expected
    info = json.loads((exports[format] / "export.json").read_text())
    assert (info["rows_count"], info["split"]["digest"]) == (COUNT - 1, about["digest"])
    assert all(file_sha256(exports[format] / shard["file"]) == shard["sha256"] for shard in info["shards"])
    assert sum(shard["rows_count"] for shard in info["shards"]) == COUNT - 1

    before, config = stat_all(exports[format]), ExportConfig(format=format, shard_bytes=6000)
    seen: list[int] = []
    assert export_split(split, config, exports[format], seen.append) == info
    assert (stat_all(exports[format]), sum(seen)) == (before, COUNT - 1)
    export_split(split, config, tmp_path / "elsewhere")
    assert hashes(tmp_path / "elsewhere") == hashes(exports[format])
    with pytest.raises(BadInput, match="another export"):
        export_split(split, ExportConfig(format=format, shard_bytes=6000, positions="stripped"), exports[format])


def test_datasets_gives_class_index_in_every_format_although_classes_are_missing(
    split: Path, exports: dict[str, Path], tmp_path: Path
) -> None:
    import datasets

    truth = read_split(split)[0]["class_index"].to_list()

    def load(*args: str, **options: object) -> datasets.Dataset:
        return datasets.load_dataset(*args, split=options.pop("split", "test"), cache_dir=str(tmp_path), **options)  # type: ignore[arg-type]

    loaded = {
        "split": load(str(split)),
        "split's images": load("imagefolder", data_dir=str(split / "images"), split="train"),
        "images as a path": load(str(split / "images"), split="train"),
        "imagefolder": load(str(exports["imagefolder"])),
        "imagefolder's images": load("imagefolder", data_dir=str(exports["imagefolder"] / "images"), split="train"),
        "parquet": load(str(exports["parquet"])),
        "parquet files": load("parquet", data_files=str(exports["parquet"] / "data" / "*.parquet"), split="train"),
        "webdataset": load(str(exports["webdataset"])).rename_columns({"cls": "label", "jpg": "image"}),
        "parquet, streamed": datasets.Dataset.from_list(
            list(datasets.load_dataset(str(exports["parquet"]), split="test", streaming=True)),
            features=load(str(exports["parquet"])).features,
        ),
    }
    for name, dataset in loaded.items():
        assert dataset["label"] == truth, name
        assert dataset.features["label"].names == WNIDS, name
        assert isinstance(dataset[1]["image"], Image.Image), name
        assert dataset[1]["image"].size == (64, 48), name


def test_webdataset_reads_the_shards_and_its_index(split: Path, exports: dict[str, Path]) -> None:
    import webdataset

    shards = sorted(str(path) for path in (exports["webdataset"] / "data").glob("*.tar"))
    assert len(shards) > 2
    assert all(re.fullmatch(r"test-[0-9a-f]{12}-\d{6}\.tar", Path(path).name) for path in shards)
    url = f"{shards[0][:-10]}{{000000..{len(shards) - 1:06d}}}.tar"
    rows = list(webdataset.WebDataset(url, shardshuffle=False).decode("pil"))
    truth = read_split(split)[0]
    assert [row["__key__"] for row in rows] == truth["candidate_id"].to_list()
    assert [row["cls"] for row in rows] == truth["class_index"].to_list()
    assert [row["json"]["image_sha256"] for row in rows] == truth["image_sha256"].to_list()
    assert {row["json"]["format"] for row in rows} == {"jpeg", "png", "webp"}
    index = json.loads((exports["webdataset"] / "data" / "index.json").read_text())
    assert sum(shard["nsamples"] for shard in index["shardlist"]) == COUNT - 1
    with tarfile.open(shards[0]) as tar:
        assert {(member.mtime, member.uid, member.gid, member.mode) for member in tar} == {(0, 0, 0, 0o644)}


def test_torchvision_reads_the_image_folder(exports: dict[str, Path]) -> None:
    from torchvision.datasets import ImageFolder

    folder = ImageFolder(str(exports["imagefolder"] / "images"))
    assert folder.classes == [WNIDS[index] for index in (7, 134, 517)]
    assert len(folder) == COUNT - 1


@pytest.mark.parametrize("format", FORMATS)
def test_croissant_is_valid_and_gives_the_records(
    format: str, split: Path, exports: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    import mlcroissant

    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(jsonld=str(exports[format] / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    truth = read_split(split)[0]
    records = list(dataset.records("images"))
    assert {row["images/candidate_id"].decode() for row in records} == set(truth["candidate_id"])
    images = {"imagefolder": "files", "webdataset": "images", "parquet": "images"}[format]
    assert all(row[f"{images}/image"].size == (64, 48) for row in dataset.records(images))
    labels = {"imagefolder": "images", "webdataset": "labels", "parquet": "images"}[format]
    told = {row[f"{labels}/candidate_id"].decode(): row[f"{labels}/label"] for row in dataset.records(labels)}
    assert told == dict(truth.select("candidate_id", "class_index").rows())


@pytest.mark.parametrize("format", FORMATS)
def test_the_card_is_one_the_hub_accepts(format: str, exports: dict[str, Path]) -> None:
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(exports[format] / "README.md")
    assert card.data.license == "other"
    assert card.data.size_categories == ["n<1K"]
    assert card.data.configs[0]["data_files"][0]["split"] == "test"
    assert card.data.dataset_info["splits"][0]["num_examples"] == COUNT - 1
    assert "This is the miniature" in card.text


@pytest.mark.parametrize("format", FORMATS)
def test_positions_are_taken_out_where_asked_and_both_hashes_are_told(format: str, split: Path, tmp_path: Path) -> None:
    info = export_split(split, ExportConfig(format=format, positions="stripped"), tmp_path / "out")
    kept, _ = read_split(split)
    original = dict(kept.select("candidate_id", "image_sha256").rows())
    told = told_hashes(format, tmp_path / "out")
    changed = {key for key, pair in told.items() if pair[0] != pair[1]}
    for candidate_id, data in stored(format, tmp_path / "out").items():
        assert told[candidate_id] == (original[candidate_id], hash_of(data))
        with Image.open(io.BytesIO(data)) as image:
            assert not image.getexif().get_ifd(0x8825)
    assert len(changed) == 2
    assert info["left_out"] == []


def hash_of(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def told_hashes(format: str, folder: Path) -> dict[str, tuple[str, str]]:
    if format == "webdataset":
        rows = []
        for path in (folder / "data").glob("*.tar"):
            with tarfile.open(path) as tar:
                rows += [json.load(tar.extractfile(name)) for name in tar.getnames() if name.endswith(".json")]  # type: ignore[arg-type]
    else:
        files = "data/*.parquet" if format == "parquet" else "images/metadata.parquet"
        columns = ["candidate_id", "image_sha256", "stored_sha256"]
        rows = pl.read_parquet(folder / files, columns=columns).to_dicts()
    return {row["candidate_id"]: (row["image_sha256"], row["stored_sha256"]) for row in rows}


def test_an_image_positions_cannot_be_taken_out_of_is_left_out_and_named(tmp_path: Path) -> None:
    _, split = make_split(tmp_path, 7)
    rows, _ = read_split(split)
    place = Path(rows["path"][0])
    broken = b"\xff\xd8\xff\xe1\xff"  # a segment that ends before it begins
    swap_bytes(split, rows["candidate_id"][0], place, broken)
    info = export_split(split, ExportConfig(format="webdataset", positions="stripped"), tmp_path / "out")
    assert [row["candidate_id"] for row in info["left_out"]] == [rows["candidate_id"][0]]
    assert info["rows_count"] == 5 == len(stored("webdataset", tmp_path / "out"))
    assert "1 image is left out" in (tmp_path / "out" / "README.md").read_text()
    whole = export_split(split, ExportConfig(format="webdataset"), tmp_path / "whole")
    assert (whole["rows_count"], whole["left_out"]) == (6, [])


def swap_bytes(split: Path, candidate_id: str, place: Path, data: bytes) -> None:
    from relaionet.manifests.store import Store
    from relaionet.manifests.tables import SPLIT

    place.write_bytes(data)
    here = pl.col("candidate_id") == candidate_id
    rows = Store(split).read_all(SPLIT).with_columns(
        image_sha256=pl.when(here).then(pl.lit(hash_of(data))).otherwise("image_sha256"),
        bytes_count=pl.when(here).then(len(data)).otherwise("bytes_count"),
    )  # fmt: skip
    Store(split).write(rows, SPLIT, "0" * 64)


EXPORT = """
import sys
from pathlib import Path
from relaionet.pipeline.splits.export import ExportConfig, export_split
split, format, out = sys.argv[1:]
config = ExportConfig(format=format, shard_bytes=6000)
export_split(Path(split), config, Path(out), lambda count: print(count, flush=True))
"""


@pytest.mark.parametrize("format", FORMATS)
def test_a_killed_export_ends_like_an_undisturbed_one(
    format: str, split: Path, exports: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", EXPORT, str(split), format, str(out)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(random.Random(format).randint(1, COUNT - 2)):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    if any((out / ".receipts").glob("*.receipt.json")):
        with pytest.raises(BadInput, match="beginning of another"):
            export_split(split, ExportConfig(format=format, shard_bytes=7000), out)
    export_split(split, ExportConfig(format=format, shard_bytes=6000), out)
    assert hashes(out) == hashes(exports[format])


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_stopped_in_its_first_shard_goes_on(
    format: str, split: Path, exports: dict[str, Path], tmp_path: Path
) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_split(split, ExportConfig(format=format, shard_bytes=6000), tmp_path / "out", stop)
    export_split(split, ExportConfig(format=format, shard_bytes=6000), tmp_path / "out")
    assert hashes(tmp_path / "out") == hashes(exports[format])


def test_a_lost_image_of_a_folder_is_said(split: Path, tmp_path: Path) -> None:
    export_split(split, ExportConfig(format="imagefolder"), tmp_path / "out")
    next((tmp_path / "out" / "images").glob("n*/*")).unlink()
    with pytest.raises(Corrupt, match="1 files are missing or cut, first images/n"):
        export_split(split, ExportConfig(format="imagefolder"), tmp_path / "out")


def test_cards_name_files_that_are_there(split: Path, exports: dict[str, Path]) -> None:
    for folder in (split, *exports.values()):
        card = (folder / "README.md").read_text().partition("## Bytes")[2].partition("##")[0]
        named = [word.strip("`.,") for word in card.split() if word.startswith("`") and "." in word.strip("`.,")]
        assert named
        assert [name for name in named if not (folder / name).is_file()] == []


def test_bytes_that_are_not_the_split_s_are_refused(tmp_path: Path) -> None:
    _, split = make_split(tmp_path, 4)
    place = Path(read_split(split)[0]["path"][1])
    place.write_bytes(place.read_bytes()[:-1] + b"x")
    for format in FORMATS:
        with pytest.raises(Corrupt, match="not the image the split says"):
            export_split(split, ExportConfig(format=format), tmp_path / format)
        assert not (tmp_path / format / "export.json").exists()


def test_other_people_s_folders_and_the_split_itself_are_left_alone(split: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for out in (tmp_path / "mine", split, split / "images" / "shards"):
        with pytest.raises(BadInput, match="choose another folder"):
            export_split(split, ExportConfig(format="parquet"), out)


def test_a_lost_shard_is_said(split: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    info = export_split(split, ExportConfig(format="parquet"), out)
    (out / info["shards"][0]["file"]).unlink()
    with pytest.raises(Corrupt, match="delete the folder and export again"):
        export_split(split, ExportConfig(format="parquet"), out)


def test_memory_does_not_grow_with_the_split(split: Path, tmp_path: Path) -> None:
    """A shard of many times the size of the largest image is written with far less than itself in memory."""
    from relaionet.pipeline.exports.formats.webdataset import WebDatasetWriter
    from relaionet.pipeline.exports.pictures import ExportedPicture

    data = bytes(200_000)
    pictures = (
        ExportedPicture(
            candidate_id=f"{number:064x}", wnid=WNIDS[0], class_index=0, class_name="tench", path=tmp_path,
            format="jpeg", image_sha256="0" * 64, stored_sha256="0" * 64, data=data,
        )
        for number in range(200)
    )  # fmt: skip
    tracemalloc.start()
    WebDatasetWriter("0" * 64).write_shard(tmp_path, tmp_path / "a.tar", pictures)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "a.tar").stat().st_size > 40_000_000
    assert peak < 4_000_000


@given(st.lists(st.integers(0, 100)), st.integers(1, 200), st.integers(1, 20))
def test_shards_cover_every_row_once(sizes: list[int], shard_bytes: int, most_rows: int) -> None:
    plan = plan_shards(sizes, shard_bytes, most_rows)
    assert [place for start, end in plan for place in range(start, end)] == list(range(len(sizes)))
    for start, end in plan:
        assert 0 < end - start <= most_rows
        assert sum(sizes[start : end - 1]) < shard_bytes


def test_an_empty_split_is_an_empty_export(tmp_path: Path) -> None:
    _, split = make_split(tmp_path, 1)
    for format in FORMATS:
        info = export_split(split, ExportConfig(format=format), tmp_path / format)
        assert (info["rows_count"], info["classes_count"]) == (0, 0)


def test_names_are_checked() -> None:
    assert ExportConfig(format="hf").format == "parquet"
    with pytest.raises(BadInput, match="Did you mean 'parquet'"):
        ExportConfig(format="parket")
    with pytest.raises(BadInput, match="shard_bytes"):
        ExportConfig(shard_bytes=0)
    with pytest.raises(BadInput, match="positions"):
        ExportConfig(positions="some")  # type: ignore[arg-type]
