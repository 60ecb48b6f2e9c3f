"""Screens: one picture of a group is kept, evidence stands beside every status, order does not matter."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables import SCREENED, check_table, count_statuses
from relaionet.pipeline.perceptual_hash import phash_distance, phash_hex
from relaionet.pipeline.screen import Reference, ScreenConfig, screen_images

CPU = ScreenConfig(device="cpu", threads=2)


def scene(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((240, 180), Image.Resampling.BICUBIC)


def vector(image: Image.Image) -> np.ndarray:
    row = np.asarray(image.convert("RGB").resize((6, 6)), dtype=np.float64).ravel() - 127.5
    return (row / np.linalg.norm(row)).astype(np.float16)


def encoded(image: Image.Image, size: tuple[int, int], quality: int) -> bytes:
    out = io.BytesIO()
    image.resize(size).save(out, format="JPEG", quality=quality)
    return out.getvalue()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame, np.ndarray]:
    folder = tmp_path_factory.mktemp("screen")
    files = {f"single{seed}": encoded(scene(seed), (200, 150), 90) for seed in range(6)}
    # two pictures that stand three times each, and two equal ones
    for seed in (10, 11):
        for size, quality in ((240, 90), (160, 60), (120, 40)):
            files[f"again{seed}-{size}"] = encoded(scene(seed), (size, size * 3 // 4), quality)
    files["equal-a"] = files["equal-b"] = encoded(scene(12), (200, 150), 80)
    files["tiny"] = encoded(scene(13), (80, 50), 90)
    files["plain-a"] = encoded(Image.new("RGB", (200, 150), (200, 30, 30)), (200, 150), 90)
    files["plain-b"] = encoded(Image.new("RGB", (200, 150), (200, 30, 30)), (220, 150), 90)
    rows, vectors = [], []
    for name, data in files.items():
        (folder / name).write_bytes(data)
        image = Image.open(io.BytesIO(data))
        rows.append((name, name, phash_hex(image), *image.size))
        vectors.append(vector(image))
    columns = ["candidate_id", "path", "phash", "width_px", "height_px"]
    return folder, pl.DataFrame(rows, schema=columns, orient="row"), np.stack(vectors)


def screen(world: tuple[Path, pl.DataFrame, np.ndarray], **options: object) -> pl.DataFrame:
    folder, rows, vectors = world
    return check_table(screen_images(rows, vectors, folder, CPU, **options), SCREENED)


def leak_reference() -> Reference:
    known = {"val/3": scene(3), "val/11": scene(11).resize((100, 75)), "val/99": scene(99)}
    return Reference(
        ids=list(known),
        vectors=np.stack([vector(image) for image in known.values()]),
        phashes=[phash_hex(image) for image in known.values()],
    )


def test_statuses(world: tuple) -> None:
    table = screen(world)
    assert table["candidate_id"].to_list() == world[1]["candidate_id"].to_list()
    assert count_statuses(table) == {"ok": 9, "duplicate": 5, "plain": 2, "too_small": 1}
    kept = dict(table.filter(status="duplicate").select("candidate_id", "duplicate_of").iter_rows())
    assert kept == {
        "again10-160": "again10-240", "again10-120": "again10-240",
        "again11-160": "again11-240", "again11-120": "again11-240",
        "equal-b": "equal-a",
    }  # fmt: skip
    assert table.filter(status="ok")["reason"].null_count() == 9


def test_evidence_stands_beside_every_row(world: tuple) -> None:
    table = screen(world)
    evidence = ["nearest_id", "nearest_cosine", "phash_distance", "side_px", "contrast"]
    assert table.select(evidence).null_count().row(0) == (0,) * 5
    hashes = dict(world[1].select("candidate_id", "phash").iter_rows())
    for name, other, distance in table.select("candidate_id", "nearest_id", "phash_distance").iter_rows():
        assert other != name
        assert distance == phash_distance(hashes[name], hashes[other])
    small = table.filter(candidate_id="tiny").row(0, named=True)
    assert (small["side_px"], small["status"]) == (50, "too_small")
    duplicate = table.filter(status="duplicate")
    assert (duplicate["phash_distance"] <= CPU.duplicate_phash_bits).all()
    assert (duplicate["nearest_cosine"] >= CPU.duplicate_cosine).all()


def test_a_leak_takes_its_whole_group_along(world: tuple) -> None:
    table = screen(world, reference=leak_reference())
    leaks = dict(table.filter(status="leak").select("candidate_id", "reference").iter_rows())
    group = {f"again11-{size}": "val/11" for size in (240, 160, 120)}
    assert leaks == {"single3": "val/3", **group}
    assert count_statuses(table)["duplicate"] == 3
    evidence = table.filter(status="leak").select("reference_cosine", "reference_distance")
    assert (evidence["reference_cosine"] >= CPU.leak_cosine).all()
    assert (evidence["reference_distance"] <= CPU.leak_phash_bits).all()
    assert table.filter(pl.col("status") != "leak")["reference"].is_null().all()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(17)))
def test_order_does_not_matter(world: tuple, order: list[int]) -> None:
    folder, rows, vectors = world
    reference = leak_reference()
    table = screen_images(rows, vectors, folder, CPU, reference)
    again = screen_images(rows[order], vectors[order], folder, CPU, reference)
    assert again.equals(table[order])


def test_near_rows_with_other_hashes_and_the_other_way_round_are_no_duplicates(world: tuple) -> None:
    folder, rows, vectors = world
    same_row = np.tile(vectors[:1], (len(vectors), 1))
    singles = rows["candidate_id"].str.starts_with("single")
    assert screen_images(rows, same_row, folder, CPU).filter(singles)["status"].to_list() == ["ok"] * 6
    far = np.eye(len(vectors), dtype=np.float16)
    assert count_statuses(screen_images(rows, far, folder, CPU)).get("duplicate") is None


def test_progress_counts_every_row_and_no_rows_are_no_rows(world: tuple) -> None:
    done: list[int] = []
    screen(world, progress=done.append)
    assert sum(done) == 17
    folder, rows, vectors = world
    assert screen_images(rows.clear(), vectors[:0], folder, CPU, leak_reference()).equals(SCREENED.empty())
    alone = screen_images(rows[:1], vectors[:1], folder, CPU)
    assert alone.select("status", "nearest_id").row(0) == ("ok", None)


def test_wrong_input_is_named(world: tuple, tmp_path: Path) -> None:
    folder, rows, vectors = world
    with pytest.raises(BadInput, match="17 rows for 3 pictures"):
        screen_images(rows, vectors[:3], folder, CPU)
    with pytest.raises(BadInput, match="duplicate_phash_bits is 65"):
        screen_images(rows, vectors, folder, ScreenConfig(duplicate_phash_bits=65))
    wrong = Reference(ids=["a"], vectors=np.eye(1, 5), phashes=["0" * 16])
    with pytest.raises(BadInput, match="another encoder"):
        screen_images(rows, vectors, folder, CPU, wrong)
    with pytest.raises(BadInput, match="differ in number"):
        screen_images(rows, vectors, folder, CPU, Reference(ids=["a"], vectors=vectors[:2], phashes=["0" * 16]))
    with pytest.raises(Corrupt, match="fetch it again"):
        screen_images(rows, vectors, tmp_path, CPU)
    with pytest.raises(BadInput, match="no path inside"):
        screen_images(rows.with_columns(path=pl.lit("../a")), vectors, folder, CPU)
