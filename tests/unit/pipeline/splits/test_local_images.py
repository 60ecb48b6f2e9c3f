"""Images of a release found in a folder: by bytes whatever their names, else by picture, else said to be gone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pytest
from PIL import Image, ImageDraw

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import DOWNLOADS, check_table
from relaionet.pipeline.adoption.adopt import AdoptConfig, label_pictures, make_adopted_manifest, plan_adoption
from relaionet.pipeline.images.files import PictureLimits, read_pictures
from relaionet.pipeline.splits.local_images import collect_images

PIXELS = 10_000_000


def picture(seed: int) -> Image.Image:
    """A picture with shapes enough for a perceptual hash of its own."""
    import numpy as np

    image = Image.new("RGB", (120, 90), tuple(int(value) for value in np.random.default_rng(seed).integers(0, 255, 3)))
    pen, rng = ImageDraw.Draw(image), np.random.default_rng(seed + 100)
    for _ in range(6):
        x, y, w, h = (int(value) for value in rng.integers(5, 80, 4))
        pen.ellipse((x, y, x + w, y + h), fill=tuple(int(value) for value in rng.integers(0, 255, 3)))
    return image


def save(image: Image.Image, path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format="JPEG", **{"quality": 92, **options})
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for number in range(6):
        save(picture(number), tmp_path / "set" / ("tench" if number % 2 else "goldfish") / f"{number}.jpg")
    return tmp_path / "set"


def manifest_of(source: Path) -> pl.DataFrame:
    adoption = plan_adoption(source, AdoptConfig(name="set"))
    pictures = read_pictures(source, [place.path for place in adoption.places], PictureLimits())
    return make_adopted_manifest(pictures, label_pictures(pictures, adoption))


def test_files_are_found_by_their_bytes_whatever_they_are_called(source: Path, tmp_path: Path) -> None:
    rows = manifest_of(source)
    other = tmp_path / "elsewhere" / "flat"
    other.mkdir(parents=True)
    for number, path in enumerate(sorted(source.rglob("*.jpg"))):
        (other / f"renamed {number}.png").write_bytes(path.read_bytes())
    (other / "unrelated.jpg").write_bytes(save(picture(99), tmp_path / "x.jpg").read_bytes())
    (other / "broken.jpg").write_bytes(b"no image")
    counted: list[int] = []
    found = check_table(collect_images(rows, other.parent, tmp_path / "out", PIXELS, counted.append), DOWNLOADS)
    assert found["candidate_id"].to_list() == rows["candidate_id"].to_list()
    assert set(found["status"]) == {"ok"}
    assert found["image_sha256"].to_list() == rows["image_sha256"].to_list()
    assert sum(counted) == 6
    for path, one in found.select("path", "candidate_id").iter_rows():
        assert path == f"{one[:2]}/{one}.jpeg"
        assert (tmp_path / "out" / path).is_file()
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 6


def test_the_same_picture_in_other_bytes_is_found_and_another_is_not(source: Path, tmp_path: Path) -> None:
    rows = manifest_of(source)
    other = tmp_path / "other"
    save(picture(0).resize((200, 150)), other / "a.jpg", quality=70)
    save(picture(1).resize((100, 75)), other / "b.jpg", quality=80)
    save(picture(77), other / "c.jpg")
    found = collect_images(rows, other, tmp_path / "out", PIXELS)
    named = dict(zip(rows["path"], found.iter_rows(named=True), strict=True))
    assert named["goldfish/0.jpg"]["status"] == named["tench/1.jpg"]["status"] == "ok"
    assert named["goldfish/0.jpg"]["width_px"] == 200
    assert named["goldfish/0.jpg"]["image_sha256"] not in rows["image_sha256"].to_list()
    gone = [row for path, row in named.items() if path not in ("goldfish/0.jpg", "tench/1.jpg")]
    assert {row["status"] for row in gone} == {"gone"}
    assert {row["reason"] for row in gone} == {"none of the 3 files in other is this picture"}


def test_rows_with_the_same_bytes_share_a_file(source: Path, tmp_path: Path) -> None:
    (source / "tench" / "again.jpg").write_bytes((source / "tench" / "1.jpg").read_bytes())
    rows = manifest_of(source)
    assert rows.height == 7
    assert set(collect_images(rows, source, tmp_path / "out", PIXELS)["status"]) == {"ok"}


def test_images_in_parquet_files_are_found_too(source: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = manifest_of(source)
    images = [{"bytes": path.read_bytes(), "path": None} for path in sorted(source.rglob("*.jpg"))]
    table = pa.table({"image": [*images, None], "label": list(range(7))})
    (tmp_path / "hub").mkdir()
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({})}), tmp_path / "hub" / "a.parquet", 2)
    found = collect_images(rows, tmp_path / "hub", tmp_path / "out", PIXELS)
    assert set(found["status"]) == {"ok"}
    for path, sha256 in found.select("path", "image_sha256").iter_rows():
        import hashlib

        assert hashlib.sha256((tmp_path / "out" / path).read_bytes()).hexdigest() == sha256


def test_a_file_of_another_row_is_nobody_s_nearest_however_the_rows_are_cut(source: Path, tmp_path: Path) -> None:
    save(picture(0), source / "goldfish" / "near.jpg", quality=80)
    rows = manifest_of(source)
    (source / "goldfish" / "near.jpg").unlink()
    whole = collect_images(rows, source, tmp_path / "whole", PIXELS)
    parts = [
        collect_images(rows.slice(at, 2), source, tmp_path / "parts", PIXELS, manifest=rows)
        for at in range(0, rows.height, 2)
    ]
    assert pl.concat(parts).drop("fetched_at").equals(whole.drop("fetched_at"))
    assert dict(zip(rows["path"], whole["status"], strict=True))["goldfish/near.jpg"] == "gone"


def test_a_rebuilt_split_is_a_folder_of_images_too(source: Path, tmp_path: Path) -> None:
    rows = manifest_of(source)
    for name in ("split/all.parquet", "images/metadata.parquet"):
        (source / name).parent.mkdir(exist_ok=True)
        rows.select("candidate_id", "wnid").write_parquet(source / name)
    assert set(collect_images(rows, source, tmp_path / "out", PIXELS)["status"]) == {"ok"}
    (source / "images" / "damaged.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match="cannot be read as parquet"):
        collect_images(rows, source, tmp_path / "out", PIXELS)


def test_the_set_is_only_read(source: Path, tmp_path: Path) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in source.rglob("*.jpg")}
    collect_images(manifest_of(source), source, tmp_path / "out", PIXELS)
    assert {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in source.rglob("*") if path.is_file()
    } == before


def test_a_file_that_shrinks_while_it_is_read_has_a_status(source: Path, tmp_path: Path) -> None:
    from relaionet.pipeline.splits import local_images

    rows = manifest_of(source)
    row = {"from": "tench/1.jpg", "image_sha256": "0" * 64, "candidate_id": rows["candidate_id"][0], "url": None,
           "fetched_at": None, "path": "aa/x.jpeg"}  # fmt: skip
    local_images._copy_one(row, source, tmp_path / "out", {})
    assert (row["status"], row["reason"], row["path"]) == ("broken", "the file changed while it was read", None)
    assert not (tmp_path / "out").exists()


def test_no_folder_is_bad_input(source: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no folder"):
        collect_images(manifest_of(source), tmp_path / "none", tmp_path / "out", PIXELS)


def test_flat_pictures_are_told_apart(tmp_path: Path) -> None:
    """They all have the same perceptual hash; the thumbprint knows their shade."""
    for number, shade in enumerate((10, 120, 240)):
        save(Image.new("RGB", (40, 40), (shade,) * 3), tmp_path / "set" / "tench" / f"{number}.jpg")
    rows = manifest_of(tmp_path / "set")
    buffer = io.BytesIO()
    Image.new("RGB", (50, 50), (240,) * 3).save(buffer, format="PNG")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.png").write_bytes(buffer.getvalue())
    found = collect_images(rows, tmp_path / "other", tmp_path / "out", PIXELS)
    assert dict(zip(rows["path"], found["status"], strict=True)) == {
        "tench/0.jpg": "gone", "tench/1.jpg": "gone", "tench/2.jpg": "ok",
    }  # fmt: skip
