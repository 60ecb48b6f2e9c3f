from __future__ import annotations

import hashlib
import io
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.labels import read_labels
from relaionet.manifests.release.copy import RELEASE_FOLDER
from relaionet.manifests.release.release import Release, check_release, make_release, read_release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import DOWNLOADS, MANIFEST, SPLIT, check_table
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.thumbnail_hash import thumbprint_hex
from relaionet.pipeline.splits.build import build_split, read_split
from relaionet.pipeline.splits.plan import SplitConfig, plan_split
from relaionet.pipeline.splits.verdicts import VerdictConfig
from tests.unit.pipeline.conftest import FaultServer

HOST = "http://pictures.invalid"


def smooth(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((160, 120), Image.Resampling.BICUBIC)


def encode(image: Image.Image, format: str = "JPEG") -> bytes:
    out = io.BytesIO()
    image.save(out, format)
    return out.getvalue()


def release_of(server, folder: Path, count: int) -> Release:
    """Serve `count` pictures of three classes and release them."""
    rows = []
    for number in range(count):
        image, url, label = smooth(number), f"{HOST}/{number}.jpg", read_labels()[(7, 134, 517)[number % 3]]
        data = server.files[f"/{number}.jpg"] = encode(image)
        rows.append(
            dict.fromkeys(MANIFEST.columns)
            | {
                "candidate_id": hashlib.sha256(url.encode()).hexdigest(), "url": url, "wnid": label.wnid,
                "class_index": label.class_index, "class_name": label.name, "format": "jpeg",
                "image_sha256": hashlib.sha256(data).hexdigest(), "phash": phash_hex(Image.open(io.BytesIO(data))),
                "thumbprint": thumbprint_hex(Image.open(io.BytesIO(data))),
                "bytes_count": len(data), "width_px": 160, "height_px": 120, "votes_count": 3, "yes_count": 3,
                "selection_frac": 1.0, "fetched_at": datetime(2025, 1, 1, tzinfo=UTC),
            }
        )  # fmt: skip
    return read_release(make_release(pl.DataFrame(rows, schema=MANIFEST.schema), folder, notes={"miniature": True}))


def time_passes(server) -> None:
    """0 is re-encoded smaller, 1 is another picture, 2 is gone, 3 is a web page now, 4 is re-encoded."""
    server.files["/0.jpg"] = encode(smooth(0).resize((80, 60)), "PNG")
    server.files["/1.jpg"] = encode(smooth(1001))
    del server.files["/2.jpg"]
    server.files["/3.jpg"] = b"<html>sold</html>"
    server.files["/4.jpg"] = encode(smooth(4), "WEBP")


def by_number(table: pl.DataFrame, release: Release) -> dict[str, dict[str, object]]:
    urls = dict(release.manifest.select("candidate_id", "url").iter_rows())
    return {urls[row["candidate_id"]].rpartition("/")[2]: row for row in table.iter_rows(named=True)}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pictures(found: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in found.items() if name.startswith(("images/n", "aside/"))}


def told(out: Path) -> dict[str, object]:
    return json.loads((out / "split.json").read_text())


@dataclass(frozen=True)
class Built:
    """A finished split of nine rows, some of whose pictures changed, and the server they came from."""

    server: FaultServer
    release: Release
    folder: Path
    table: pl.DataFrame

    def copy(self, to: Path) -> tuple[Release, DownloadConfig, Path]:
        self.server.asked.clear()
        shutil.copytree(self.folder, to)
        return self.release, DownloadConfig(proxy=self.server.url), to


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    server, folder = FaultServer(), tmp_path_factory.mktemp("built")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    release = release_of(server, folder / "release", 9)
    time_passes(server)
    table = build_split(release, SplitConfig(), folder / "split", DownloadConfig(proxy=server.url))
    yield Built(server, release, folder / "split", table)
    server.shutdown()
    server.server_close()


def test_each_row_gets_its_verdict_and_the_second_run_asks_nobody(fault_server, tmp_path: Path) -> None:
    release = release_of(fault_server, tmp_path / "release", 9)
    time_passes(fault_server)
    download, out = DownloadConfig(proxy=fault_server.url), tmp_path / "split"
    table = build_split(release, SplitConfig(), out, download)

    check_table(table, SPLIT)
    assert table["candidate_id"].equals(release.manifest["candidate_id"])
    rows = by_number(table, release)
    expected = {"0.jpg": "same_picture", "1.jpg": "changed", "2.jpg": "gone", "3.jpg": "gone", "4.jpg": "same_picture"}
    assert {name: row["status"] for name, row in rows.items() if row["status"] != "exact"} == expected
    assert "HTTP 404" in rows["2.jpg"]["reason"]
    assert "broken: not an image" in rows["3.jpg"]["reason"]
    assert rows["1.jpg"]["phash_distance"] > 6 >= rows["0.jpg"]["phash_distance"]
    assert {name for name, row in rows.items() if not row["kept"]} == {"1.jpg", "2.jpg", "3.jpg"}
    for name, row in rows.items():
        if row["kept"]:
            assert (out / row["path"]).read_bytes() == fault_server.files[f"/{name}"]
            assert row["path"].startswith(f"images/{row['wnid']}/{row['candidate_id']}.")
    listed = {"images/metadata.parquet", *table["path"].drop_nulls()}
    assert {path for path in files(out) if path.startswith("images/")} == listed
    assert not (out / ".fetched").exists()

    info = json.loads((out / "split.json").read_text())
    assert info["verdicts"] == {"exact": 4, "same_picture": 2, "changed": 1, "gone": 2}
    assert (info["rows_count"], info["kept_count"]) == (9, 6)
    assert info["coverage_frac"] == pytest.approx(6 / 9)
    assert sum(row["kept_count"] for row in info["classes"].values()) == 6
    assert (info["release"], info["notes"]) == ("relaionet-v1", {"miniature": True})

    before, asked = files(out), fault_server.asked.total()
    assert build_split(release, SplitConfig(), out, download).equals(table)
    assert (files(out), fault_server.asked.total()) == (before, asked)

    kept, read_info = read_split(out)
    assert read_info == info
    assert kept["candidate_id"].to_list() == table.filter("kept")["candidate_id"].to_list()
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in kept["path"])


def test_a_split_keeps_the_release_it_is_from(built: Built) -> None:
    kept = check_release(built.folder / RELEASE_FOLDER)
    assert kept.info == built.release.info
    assert kept.manifest.equals(built.release.manifest)


def test_another_policy_judges_anew_what_is_there(built: Built, tmp_path: Path) -> None:
    release, download, out = built.copy(tmp_path / "split")
    before = files(out)
    exact = build_split(release, SplitConfig(policy="exact"), out, download)
    assert exact.filter("kept")["status"].unique().to_list() == ["exact"]
    assert exact["status"].equals(built.table["status"])
    set_aside = exact["aside_path"].drop_nulls().to_list()
    assert len(set_aside) == 3  # two of the same picture, one changed
    assert set(set_aside) == {path for path in files(out) if path.startswith("aside/")}
    assert read_split(out)[1]["kept_count"] == 4
    assert build_split(release, SplitConfig(), out, download).equals(built.table)
    assert not built.server.asked
    assert pictures(files(out)) == pictures(before)
    assert told(out) == json.loads(before["split.json"])


def test_thresholds_are_applied_to_what_was_measured(built: Built, tmp_path: Path) -> None:
    release, download, out = built.copy(tmp_path / "split")
    strict = SplitConfig(verdicts=VerdictConfig(min_contrast=127.5))
    assert "same_picture" not in build_split(release, strict, out, download)["status"].to_list()
    loose = SplitConfig(verdicts=VerdictConfig(max_phash_distance=64, max_luma_distance=255, max_chroma_distance=255))
    assert "changed" not in build_split(release, loose, out, download)["status"].to_list()
    assert not built.server.asked


def test_a_lost_picture_alone_is_fetched_again(built: Built, tmp_path: Path) -> None:
    release, download, out = built.copy(tmp_path / "split")
    before = files(out)
    lost, cut, turned = built.table.filter("kept")["path"][:3]
    (out / lost).unlink()
    (out / cut).write_bytes((out / cut).read_bytes()[:-10])
    with pytest.raises(Corrupt, match="2 images are missing or not whole"):
        read_split(out)
    data = bytearray((out / turned).read_bytes())
    data[-3] ^= 1
    (out / turned).write_bytes(data)
    assert plan_split(release, SplitConfig(), out).count("repair") == 2
    assert build_split(release, SplitConfig(), out, download, verify=True).equals(built.table)
    assert built.server.asked.total() == 3
    assert pictures(files(out)) == pictures(before)
    assert [attempt["asked_count"] for attempt in told(out)["attempts"]] == [9, 3]
    assert told(out)["digest"] == json.loads(before["split.json"])["digest"]


def test_retry_asks_again_only_for_what_was_gone(fault_server, tmp_path: Path) -> None:
    release = release_of(fault_server, tmp_path / "release", 9)
    time_passes(fault_server)
    fault_server.codes = {"/5.jpg": 503, "/6.jpg": 503}
    download, out = DownloadConfig(proxy=fault_server.url, retries=0), tmp_path / "split"
    table = build_split(release, SplitConfig(), out, download)
    rows = by_number(table, release)
    assert {name for name, row in rows.items() if row["may_come_back"]} == {"5.jpg", "6.jpg"}
    fault_server.asked.clear()
    assert build_split(release, SplitConfig(), out, download).equals(table)
    assert not fault_server.asked
    fault_server.codes = {"/6.jpg": 503}
    again = build_split(release, SplitConfig(), out, download, retry="passing")
    assert set(fault_server.asked) == {"/5.jpg", "/6.jpg"}
    assert by_number(again, release)["5.jpg"]["status"] == "exact"
    unchanged = [name for name in rows if name != "5.jpg"]
    assert [by_number(again, release)[name] for name in unchanged] == [rows[name] for name in unchanged]
    fault_server.codes.clear()
    fault_server.files["/2.jpg"] = fault_server.files["/5.jpg"]
    fault_server.asked.clear()
    whole = build_split(release, SplitConfig(), out, download, retry="all")
    assert set(fault_server.asked) == {"/2.jpg", "/3.jpg", "/6.jpg"}
    assert by_number(whole, release)["2.jpg"]["status"] == "changed"
    assert by_number(whole, release)["6.jpg"]["status"] == "exact"
    history = told(out)["attempts"]
    assert [(row["kind"], row["asked_count"], row["fetched_count"]) for row in history] == [
        ("first", 9, 5), ("retry", 2, 1), ("retry", 3, 2),
    ]  # fmt: skip


def test_attempts_of_an_earlier_version_are_read(built: Built, tmp_path: Path) -> None:
    release, download, out = built.copy(tmp_path / "split")
    fewer = Store(out).read(DOWNLOADS, "00000-first").drop("seconds", "settings", "tries_count")
    old = replace(DOWNLOADS, columns={name: DOWNLOADS.columns[name] for name in fewer.columns})
    receipt = Store(out).receipt(DOWNLOADS.name, "00000-first")
    assert receipt is not None
    Store(out).write(fewer, old, receipt.digest, shard="00000-first")
    assert build_split(release, SplitConfig(), out, download).equals(built.table)
    gone = built.table.filter(status="gone").height
    build_split(release, SplitConfig(), out, download, retry="all")
    assert [attempt["asked_count"] for attempt in told(out)["attempts"]] == [9, gone]


def test_a_split_of_another_release_is_left_alone(built: Built, tmp_path: Path) -> None:
    _, download, out = built.copy(tmp_path / "split")
    other = release_of(built.server, tmp_path / "other", 12)
    time_passes(built.server)
    with pytest.raises(BadInput, match="holds a split of relaionet-v1"):
        build_split(other, SplitConfig(), out, download)
    (out / "split.json").unlink()
    with pytest.raises(BadInput, match="holds a split of another release"):
        build_split(other, SplitConfig(), out, download)


def test_shards_change_nothing(built: Built, tmp_path: Path) -> None:
    out, download = tmp_path / "by-5", DownloadConfig(proxy=built.server.url)
    assert build_split(built.release, SplitConfig(rows_per_shard=5), out, download).equals(built.table)
    assert len(list((out / "downloads").glob("*.parquet"))) == 2
    assert pictures(files(out)) == pictures(files(built.folder))
    alike = ("digest", "verdicts", "classes", "reasons", "coverage_frac")
    assert [told(out)[key] for key in alike] == [told(built.folder)[key] for key in alike]
    assert [attempt["asked_count"] for attempt in told(out)["attempts"]] == [9]


def test_strays_of_an_unfinished_run_are_no_part_of_the_split(fault_server, tmp_path: Path) -> None:
    release = release_of(fault_server, tmp_path / "release", 3)
    stray = tmp_path / "split" / "images" / "n01440764" / f"{'a' * 64}.jpeg"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"x")
    (tmp_path / "split" / ".fetched").mkdir()
    build_split(release, SplitConfig(), tmp_path / "split", DownloadConfig(proxy=fault_server.url))
    assert not stray.exists()
    assert len(list((tmp_path / "split" / "images").glob("*/*"))) == 3


def test_a_folder_of_something_else_is_left_alone(fault_server, tmp_path: Path) -> None:
    release = release_of(fault_server, tmp_path / "release", 3)
    mine = tmp_path / "photos" / "images" / "summer" / "beach.jpeg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"x")
    with pytest.raises(BadInput, match="choose another folder"):
        build_split(release, SplitConfig(), tmp_path / "photos", DownloadConfig(proxy=fault_server.url))
    assert mine.exists()


def test_a_lost_table_is_made_again_from_what_is_left(built: Built, tmp_path: Path) -> None:
    release, download, out = built.copy(tmp_path / "split")
    assert [receipt.seconds > 0 for receipt in Store(out).receipts(SPLIT)] == [True]
    (out / "split" / "all.parquet").unlink()
    with pytest.raises(Corrupt, match="run `relaionet rebuild` again"):
        read_split(out)
    assert build_split(release, SplitConfig(), out, download).equals(built.table)
    (out / "comparisons" / "00000-first.parquet").unlink()
    assert build_split(release, SplitConfig(), out, download).equals(built.table)
    assert not built.server.asked
    (out / "downloads" / "00000-first.parquet").unlink()
    assert plan_split(release, SplitConfig(), out).count("first") == 9


def test_datasets_reads_the_image_folder(fault_server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    release = release_of(fault_server, tmp_path / "release", 6)
    build_split(release, SplitConfig(), tmp_path / "split", DownloadConfig(proxy=fault_server.url))
    kept, _ = read_split(tmp_path / "split")
    loaded = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "split" / "images"), cache_dir=str(tmp_path / "cache"), split="train"
    )
    assert loaded.num_rows == 6
    assert loaded["label"] == kept["class_index"].to_list()
    assert loaded.features["label"].int2str(kept["class_index"].to_list()) == kept["wnid"].to_list()
    assert loaded[0]["image"].size == (160, 120)
    shutil.rmtree(tmp_path / "cache")


def test_an_empty_release_is_an_empty_split(tmp_path: Path) -> None:
    release = read_release(make_release(MANIFEST.empty(), tmp_path / "release", notes={}))
    table = build_split(release, SplitConfig(), tmp_path / "split", DownloadConfig(proxy="http://127.0.0.1:9"))
    assert table.equals(SPLIT.empty())
    assert read_split(tmp_path / "split")[1]["coverage_frac"] == 0


@pytest.mark.parametrize(
    ("wrong", "word"),
    [({"policy": "all"}, "policy"), ({"rows_per_shard": 0}, "rows_per_shard")],
)
def test_config_is_checked(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(BadInput, match=word):
        SplitConfig(**wrong)  # type: ignore[arg-type]
