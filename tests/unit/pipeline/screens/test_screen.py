"""Screens: one picture of a group is kept, evidence stands beside every status, order does not matter."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables import SCREENED, check_table, count_statuses
from relaionet.pipeline.images.perceptual_hash import phash_distance, phash_hex
from relaionet.pipeline.screens.config import DrawingConfig, ScreenConfig, UnsafeConfig
from relaionet.pipeline.screens.duplicates import Reference
from relaionet.pipeline.screens.plan import screens_asked
from relaionet.pipeline.screens.registration import take_print
from relaionet.pipeline.screens.same_pictures import Pictures, SamePictureConfig
from relaionet.pipeline.screens.screen import screen_images
from tests.depth import deep

CPU = ScreenConfig(device="cpu", threads=2)
Set = tuple[Path, pl.DataFrame, np.ndarray]


def scene(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((240, 180), Image.Resampling.BICUBIC)


def vector(image: Image.Image) -> np.ndarray:
    """Brightness by place, mirror images alike, and all pictures rather near each other, as an encoder has it."""
    small = np.asarray(image.convert("RGB").resize((3, 3)), dtype=np.float64) - 127.5
    row = np.append((small + small[:, ::-1]).ravel(), 250)
    return (row / np.linalg.norm(row)).astype(np.float16)


def encoded(image: Image.Image, size: tuple[int, int], quality: int) -> bytes:
    out = io.BytesIO()
    image.resize(size).save(out, format="JPEG", quality=quality)
    return out.getvalue()


def cut(image: Image.Image, share: float) -> Image.Image:
    return image.crop((0, 0, round(image.width * (1 - share)), round(image.height * (1 - share))))


def a_set(folder: Path, files: dict[str, bytes]) -> Set:
    rows, vectors = [], []
    for name, data in files.items():
        (folder / name).write_bytes(data)
        image = Image.open(io.BytesIO(data))
        rows.append((name, name, phash_hex(image), *image.size))
        vectors.append(vector(image))
    columns = ["candidate_id", "path", "phash", "width_px", "height_px"]
    return folder, pl.DataFrame(rows, schema=columns, orient="row"), np.stack(vectors)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Set:
    files = {f"single{seed}": encoded(scene(seed), (200, 150), 90) for seed in range(6)}
    # two pictures that stand three times each, two equal ones, a mirrored and a cropped one
    for seed in (10, 11):
        for size, quality in ((240, 90), (160, 60), (120, 40)):
            files[f"again{seed}-{size}"] = encoded(scene(seed), (size, size * 3 // 4), quality)
    files["equal-a"] = files["equal-b"] = encoded(scene(12), (200, 150), 80)
    files["turned-a"] = encoded(scene(14), (200, 150), 80)
    files["turned-b"] = encoded(ImageOps.mirror(scene(14)), (160, 120), 80)
    files["whole"] = encoded(scene(15), (240, 180), 80)
    files["part"] = encoded(cut(scene(15), 0.1), (200, 150), 80)
    files["tiny"] = encoded(scene(13), (80, 50), 90)
    files["thin"] = encoded(scene(16), (700, 100), 90)
    files["plain-a"] = encoded(Image.new("RGB", (200, 150), (200, 30, 30)), (200, 150), 90)
    files["plain-b"] = encoded(Image.new("RGB", (200, 150), (200, 30, 30)), (220, 150), 90)
    return a_set(tmp_path_factory.mktemp("screen"), files)


ROWS = 22


def screen(world: Set, **options: object) -> pl.DataFrame:
    folder, rows, vectors = world
    return check_table(screen_images(rows, vectors, folder, CPU, **options), SCREENED)


def reference_of(pictures: dict[str, Image.Image], name: str = "val") -> Reference:
    return Reference(
        name=name,
        ids=list(pictures),
        pictures=Pictures(
            phashes=[phash_hex(image) for image in pictures.values()],
            prints=np.stack([np.frombuffer(take_print(image), dtype=np.uint8) for image in pictures.values()]),
            vectors=np.stack([vector(image) for image in pictures.values()]),
        ),
    )


def leak_reference() -> Reference:
    return reference_of({"3": scene(3), "11": scene(11).resize((100, 75)), "99": scene(99)})


def test_statuses(world: Set) -> None:
    table = screen(world)
    assert table["candidate_id"].to_list() == world[1]["candidate_id"].to_list()
    assert count_statuses(table) == {"ok": 11, "duplicate": 7, "plain": 2, "thin": 1, "too_small": 1}
    kept = dict(table.filter(status="duplicate").select("candidate_id", "duplicate_of").iter_rows())
    assert kept == {
        "again10-160": "again10-240", "again10-120": "again10-240",
        "again11-160": "again11-240", "again11-120": "again11-240",
        "equal-b": "equal-a", "turned-b": "turned-a", "part": "whole",
    }  # fmt: skip
    assert table.filter(status="ok")["reason"].null_count() == 11
    assert table.filter(pl.col("status") != "ok")["reason"].null_count() == 0


def test_hashes_alone_find_all_but_the_crop(world: Set) -> None:
    folder, rows, _ = world
    table = screen_images(rows, None, folder, CPU)
    known = dict(screen(world).select("candidate_id", "status").iter_rows()) | {"part": "ok"}
    assert dict(table.select("candidate_id", "status").iter_rows()) == known
    assert table["nearest_cosine"].null_count() == ROWS


def test_evidence_stands_beside_every_row(world: Set) -> None:
    table = screen(world)
    evidence = ["nearest_id", "nearest_cosine", "phash_distance", "side_px", "aspect", "contrast", "flat_frac"]
    assert table.select(evidence).null_count().row(0) == (0,) * len(evidence)
    hashes = dict(world[1].select("candidate_id", "phash").iter_rows())
    same = ["correlation", "detail", "shared_frac", "is_mirrored"]
    for row in table.iter_rows(named=True):
        assert row["nearest_id"] != row["candidate_id"]
        straight = phash_distance(hashes[row["candidate_id"]], hashes[row["nearest_id"]])
        assert row["phash_distance"] == straight or row["phash_distance"] < straight  # of the mirror image
        is_same = row["duplicate_of"] is not None or row["candidate_id"] in set(table["duplicate_of"])
        assert [row[name] is not None for name in same] == [is_same] * 4
    told = {row["candidate_id"]: row for row in table.iter_rows(named=True)}
    assert (told["tiny"]["side_px"], told["tiny"]["status"]) == (50, "too_small")
    assert told["thin"]["aspect"] == pytest.approx(7)
    assert [name for name, row in told.items() if row["is_mirrored"]] == ["turned-a", "turned-b"]
    assert told["part"]["shared_frac"] == pytest.approx(0.9**2, abs=0.03)
    duplicate = table.filter(status="duplicate")
    assert (duplicate["detail"] >= CPU.same.min_detail).all()
    assert (duplicate["correlation"] >= CPU.same.min_correlation).all()


def test_a_leak_takes_what_is_the_same_along(world: Set) -> None:
    table = screen(world, references=[leak_reference(), reference_of({"w": ImageOps.mirror(scene(15))}, "v2")])
    leaks = dict(table.filter(status="leak").select("candidate_id", "reference").iter_rows())
    group = {f"again11-{size}": "val:11" for size in (240, 160, 120)}
    assert leaks == {"single3": "val:3", **group, "whole": "v2:w", "part": "v2:w"}
    evidence = table.filter(status="leak").select("reference_detail", "reference_distance", "reference_cosine")
    assert evidence.null_count().row(0) == (0, 0, 0)
    assert (evidence["reference_detail"] >= CPU.same.min_detail).all()
    assert table.filter(pl.col("status") != "leak")["reference"].is_null().all()


def test_a_chain_of_resemblance_does_not_draw_in_its_ends(tmp_path: Path) -> None:
    """Each picture is cropped from the one before: it is the same as that, and too small a part of the one before."""
    files, image = {}, scene(5).resize((480, 360))
    for place in range(4):
        files[f"w{place}"] = encoded(image, image.size, 90)
        image = cut(image, 0.2)
    folder, rows, vectors = a_set(tmp_path, files)
    loose = replace(CPU, same=SamePictureConfig(hash_bits=64, min_cosine=-1, neighbours_count=0))
    table = screen_images(rows, vectors, folder, loose)
    assert dict(table.select("candidate_id", "duplicate_of").iter_rows()) == {
        "w0": None, "w1": "w0", "w2": None, "w3": "w2",
    }  # fmt: skip


@settings(max_examples=deep(5), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(ROWS)))
def test_order_does_not_matter(world: Set, order: list[int]) -> None:
    folder, rows, vectors = world
    table = screen_images(rows, vectors, folder, CPU, [leak_reference()])
    again = screen_images(rows[order], vectors[order], folder, CPU, [leak_reference()])
    assert again.equals(table[order])


def test_near_rows_with_other_pictures_are_no_duplicates(world: Set) -> None:
    folder, rows, vectors = world
    same_row = np.tile(vectors[:1], (len(vectors), 1))
    singles = rows["candidate_id"].str.starts_with("single")
    assert screen_images(rows, same_row, folder, CPU).filter(singles)["status"].to_list() == ["ok"] * 6


def test_far_rows_are_the_same_only_where_hash_and_print_are_equal(world: Set) -> None:
    folder, rows, vectors = world
    far = np.eye(len(vectors), dtype=np.float16)
    assert screen_images(rows, far, folder, CPU).filter(status="duplicate")["candidate_id"].to_list() == ["equal-b"]


def with_columns(world: Set, **columns: object) -> Set:
    folder, rows, vectors = world
    return folder, rows.with_columns(**columns), vectors


def test_what_the_source_says_rules_out_first(world: Set) -> None:
    marked = with_columns(
        world,
        punsafe=pl.when(pl.col("candidate_id") == "single0").then(0.9).when(pl.col("candidate_id") == "tiny").then(0.7),
        pwatermark=pl.when(pl.col("candidate_id").is_in(["single0", "single1"])).then(0.95).otherwise(0.1),
        source=pl.lit("rows/coyo-0.parquet"),
    )
    told = dict(screen(marked).select("candidate_id", "status").iter_rows())
    assert [told[name] for name in ("single0", "tiny", "single1", "single2")] == [
        "unsafe", "unsafe", "watermark", "ok",
    ]  # fmt: skip
    lenient = replace(CPU, unsafe=UnsafeConfig(by_source={"laion*": 0.1, "coyo*": 0.8}))
    folder, rows, vectors = marked
    told = dict(screen_images(rows, vectors, folder, lenient).select("candidate_id", "status").iter_rows())
    assert (told["single0"], told["tiny"]) == ("unsafe", "too_small")


def test_one_picture_for_several_classes_is_a_placeholder(world: Set) -> None:
    wnids = pl.when(pl.col("candidate_id").str.starts_with("equal")).then(4).otherwise(1)
    told = dict(screen(with_columns(world, same_bytes_wnids=wnids)).select("candidate_id", "status").iter_rows())
    assert (told["equal-a"], told["equal-b"], told["single0"]) == ("placeholder", "placeholder", "ok")
    folder, rows, vectors = with_columns(world, same_bytes_wnids=wnids)
    without = screen_images(rows, vectors, folder, replace(CPU, placeholder_wnids=0))
    assert "placeholder" not in count_statuses(without)


def test_flat_pictures_are_a_hint_and_a_status_where_that_is_asked(tmp_path: Path) -> None:
    from PIL import ImageDraw

    shapes = Image.new("RGB", (240, 180), (250, 250, 245))
    draw = ImageDraw.Draw(shapes)
    draw.rectangle((20, 30, 130, 150), fill=(200, 40, 40))
    draw.ellipse((110, 20, 220, 130), fill=(30, 90, 200))
    noise = np.random.default_rng(0).normal(0, 6, (180, 240, 3))
    photo = Image.fromarray((np.asarray(scene(1)) + noise).clip(0, 255).astype(np.uint8))
    files = {"shapes": encoded(shapes, (240, 180), 90), "photo": encoded(photo, (240, 180), 90)}
    folder, rows, vectors = a_set(tmp_path, files)
    hinted = screen_images(rows, vectors, folder, CPU)
    assert hinted.select("looks_drawn", "status").rows() == [(True, "ok"), (False, "ok")]
    strict = replace(CPU, drawing=DrawingConfig(screen_out=True))
    assert screen_images(rows, vectors, folder, strict)["status"].to_list() == ["drawing", "ok"]


def test_what_was_not_asked_is_null_and_said(world: Set) -> None:
    table = screen(world)
    for name in ("unsafe_score", "watermark_score", "kind", "photo_score", "punsafe", "text", "text_words_frac"):
        assert table[name].null_count() == ROWS, name
    assert not table["is_text_read"].any()
    asked = screens_asked(CPU)
    assert set(asked) == set(SCREENED.statuses) - {"ok"}
    assert [name for name, how in asked.items() if how.startswith("not run")] == ["leak", "faces", "text_in_image"]
    assert "imagenet-val" in screens_asked(CPU, ["imagenet-val"])["leak"]


def test_progress_counts_every_row_and_no_rows_are_no_rows(world: Set) -> None:
    done: list[int] = []
    screen(world, progress=done.append)
    assert sum(done) == ROWS
    folder, rows, vectors = world
    assert screen_images(rows.clear(), vectors[:0], folder, CPU, [leak_reference()]).equals(SCREENED.empty())
    alone = screen_images(rows[:1], vectors[:1], folder, CPU)
    assert alone.select("status", "nearest_id").row(0) == ("ok", None)


def test_wrong_input_is_named(world: Set, tmp_path: Path) -> None:
    folder, rows, vectors = world
    with pytest.raises(BadInput, match="22 rows, 22 measured, 3 vectors"):
        screen_images(rows, vectors[:3], folder, CPU)
    with pytest.raises(BadInput, match="hash_bits is 65"):
        SamePictureConfig(hash_bits=65)
    with pytest.raises(BadInput, match="max_punsafe is 2"):
        UnsafeConfig(max_punsafe=2)
    wide = replace(leak_reference().pictures, vectors=np.eye(3, 5))
    with pytest.raises(BadInput, match="one width"):
        screen_images(rows, vectors, folder, CPU, [Reference(name="val", ids=["a", "b", "c"], pictures=wide)])
    with pytest.raises(BadInput, match="2 names for 3 pictures"):
        Reference(name="val", ids=["a", "b"], pictures=leak_reference().pictures)
    with pytest.raises(Corrupt, match="fetch it again"):
        screen_images(rows, vectors, tmp_path, CPU)
    with pytest.raises(BadInput, match="no path inside"):
        screen_images(rows.with_columns(path=pl.lit("../a")), vectors, folder, CPU)
