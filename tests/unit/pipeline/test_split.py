from __future__ import annotations

import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.labels import read_labels
from relaionet.manifests.release import Release, make_release, read_release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import MANIFEST, SPLIT, check_table
from relaionet.pipeline.download import DownloadConfig
from relaionet.pipeline.perceptual_hash import phash_hex
from relaionet.pipeline.split import SplitConfig, build_split, read_split

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

    with pytest.raises(BadInput, match="under other settings"):
        build_split(release, SplitConfig(policy="exact"), out, download)
    Path(kept["path"][0]).unlink()
    with pytest.raises(Corrupt, match="1 images are missing"):
        read_split(out)
    (out / "split.json").unlink()
    again = build_split(release, SplitConfig(), out, download)
    assert again.equals(table)
    assert files(out / "images") == {path[7:]: data for path, data in before.items() if path.startswith("images/")}


def test_exact_keeps_only_the_manifest_s_bytes_and_shards_change_nothing(fault_server, tmp_path: Path) -> None:
    release = release_of(fault_server, tmp_path / "release", 6)
    time_passes(fault_server)
    download = DownloadConfig(proxy=fault_server.url)
    table = build_split(release, SplitConfig(policy="exact"), tmp_path / "exact", download)
    assert table.filter("kept")["status"].to_list() == ["exact"]
    both = [
        build_split(release, SplitConfig(rows_per_shard=size), tmp_path / f"by-{size}", download) for size in (4, 100)
    ]
    assert both[0].equals(both[1])
    infos = [json.loads((tmp_path / f"by-{size}" / "split.json").read_text()) for size in (4, 100)]
    assert infos[0]["digest"] == infos[1]["digest"]
    assert infos[0]["digest"] != json.loads((tmp_path / "exact" / "split.json").read_text())["digest"]
    assert files(tmp_path / "by-4" / "images") == files(tmp_path / "by-100" / "images")


BUILD = """
import sys
from pathlib import Path
from relaionet.manifests.release import read_release
from relaionet.pipeline.download import DownloadConfig
from relaionet.pipeline.split import SplitConfig, build_split
release, proxy, out = sys.argv[1:]
seen = lambda count: print(count, flush=True)
build_split(read_release(Path(release)), SplitConfig(rows_per_shard=12), Path(out), DownloadConfig(proxy=proxy), seen)
"""


def test_a_killed_build_ends_like_an_undisturbed_one(fault_server, tmp_path: Path) -> None:
    release = release_of(fault_server, tmp_path / "release", 24)
    time_passes(fault_server)
    config, download = SplitConfig(rows_per_shard=12), DownloadConfig(proxy=fault_server.url)
    whole = build_split(release, config, tmp_path / "whole", download)
    command = [sys.executable, "-c", BUILD, str(release.path), fault_server.url, str(tmp_path / "killed")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    seen = 0
    while seen < 14:
        seen += int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    assert not (tmp_path / "killed" / "split.json").exists()
    with pytest.raises(BadInput, match="no finished split"):
        read_split(tmp_path / "killed")
    fault_server.asked.clear()
    assert build_split(release, config, tmp_path / "killed", download).equals(whole)
    assert fault_server.asked.total() < 24
    assert files(tmp_path / "killed" / "images") == files(tmp_path / "whole" / "images")
    assert files(tmp_path / "killed" / "split").keys() == files(tmp_path / "whole" / "split").keys()


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


def test_a_lost_table_of_a_finished_split_says_what_to_do(fault_server, tmp_path: Path) -> None:
    release, out = release_of(fault_server, tmp_path / "release", 3), tmp_path / "split"
    download = DownloadConfig(proxy=fault_server.url)
    table = build_split(release, SplitConfig(), out, download)
    assert [receipt.seconds > 0 for receipt in Store(out).receipts(SPLIT)] == [True]
    (out / "split" / "00000.parquet").unlink()
    with pytest.raises(Corrupt, match=r"delete .*split\.json"):
        build_split(release, SplitConfig(), out, download)
    (out / "split.json").unlink()
    assert build_split(release, SplitConfig(), out, download).equals(table)


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
    [({"policy": "all"}, "policy"), ({"form": "tar"}, "form"), ({"max_phash_distance": 65}, "0 to 64"),
     ({"rows_per_shard": 0}, "rows_per_shard")],
)  # fmt: skip
def test_config_is_checked(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(BadInput, match=word):
        SplitConfig(**wrong)  # type: ignore[arg-type]
