"""The synthetic world: bytes and ids that do not change, a truth that adds up, alt texts that mean what they say."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from random import Random

import polars as pl
import pytest
from PIL import Image, UnidentifiedImageError

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import file_sha256
from relaionet.pipeline.captions.lemma_match import name_classes
from relaionet.pipeline.images.perceptual_hash import phash_distance, phash_hex
from relaionet.pipeline.miniature.captions import CAPTION_KINDS, write_caption
from relaionet.pipeline.miniature.drawings.pictures import CLASSES
from relaionet.pipeline.miniature.rows import FAULT_COUNTS, NO_BYTES, plan_rows
from relaionet.pipeline.miniature.world import World, WorldConfig, make_world, open_world

SMALL = WorldConfig(seed=1, per_class_count=3, faults_scale=0.25, reference_per_class_count=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("miniature") / "world", SMALL)


def name_of(url: str) -> str:
    return url.split("/")[-1].partition(".jpg")[0]


def picture(world: World, url: str, folder: str = "photos") -> Image.Image:
    return Image.open(world.folder / folder / name_of(url))


def files(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in folder.rglob("*") if path.is_file()}


def test_same_config_same_bytes(world: World, tmp_path: Path) -> None:
    assert files(make_world(tmp_path / "again", SMALL).folder) == files(world.folder)


def test_second_call_does_nothing_and_another_config_replaces(tmp_path: Path) -> None:
    config = WorldConfig(per_class_count=1, faults_scale=0, reference_per_class_count=1)
    first = make_world(tmp_path / "w", config)
    stamp = first.rows.stat().st_mtime_ns
    assert make_world(tmp_path / "w", config) == first == open_world(tmp_path / "w")
    assert first.rows.stat().st_mtime_ns == stamp
    other = make_world(tmp_path / "w", WorldConfig(seed=5, per_class_count=1, faults_scale=0))
    assert other.rows.stat().st_mtime_ns != stamp
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w"]


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match="no synthetic world"):
        make_world(tmp_path, SMALL)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    with pytest.raises(BadInput):
        make_world(tmp_path / "x", WorldConfig(per_class_count=0))


def test_ids_are_hashes_of_stable_addresses(world: World) -> None:
    truth = pl.read_parquet(world.truth).filter(pl.col("url").is_not_null())
    for url, candidate_id in truth.select("url", "candidate_id").iter_rows():
        assert candidate_id == hashlib.sha256(url.encode()).hexdigest()
    # a run of another day must find the ids of this one
    assert plan_rows(0, 26, 1.0)[0].url == "http://miniature.invalid/83b653a1b10395b8e520.jpg"


def test_truth_adds_up(world: World) -> None:
    rows, truth = pl.read_parquet(world.rows), pl.read_parquet(world.truth)
    assert rows.height == truth["rows_count"].sum()
    counts = dict(rows["URL"].drop_nulls().value_counts().iter_rows())
    known = truth.filter(pl.col("url").is_not_null())
    assert counts == dict(known.select("url", "rows_count").iter_rows())
    assert rows["URL"].gather(truth["source_row"]).equals(truth["url"], null_equal=True)
    good = truth.filter("releasable")
    assert dict(good["wnid"].value_counts().iter_rows()) == dict.fromkeys(CLASSES, 3)
    assert good["fault"].null_count() == good.height
    assert good["group"].is_unique().all()
    found = {str(fault): count for fault, count in truth["fault"].drop_nulls().value_counts().iter_rows()}
    expected = {fault: round(count * 0.25) for fault, count in FAULT_COUNTS.items() if fault != "repeated"}
    assert found == expected


def test_a_whole_world_has_the_promised_size() -> None:
    rows = plan_rows(0, 26, 1.0)
    assert sum(row.rows_count for row in rows) >= 1080
    assert sum(row.releasable for row in rows) == 520
    assert len({row.url for row in rows if row.url}) == sum(row.url is not None for row in rows)
    originals = {row.name: row for row in rows}
    for row in rows:
        if row.copy_of:
            assert originals[row.copy_of].releasable
            assert row.size_px < originals[row.copy_of].size_px


def test_files_are_there_for_rows_that_have_bytes_and_no_others(world: World) -> None:
    truth = pl.read_parquet(world.truth)
    expected = {
        name_of(url) for url in truth.filter(~pl.col("fault").is_in(NO_BYTES) | pl.col("fault").is_null())["url"]
    }
    assert {path.name for path in (world.folder / "photos").iterdir()} == expected
    assert world.photos_count == len(expected)
    later = truth.filter(pl.col("later").is_in(["same_picture", "changed"]))["url"]
    assert {path.name for path in (world.folder / "later").iterdir()} == {name_of(url) for url in later}


def test_good_pictures_decode_and_broken_ones_do_not(world: World) -> None:
    truth = pl.read_parquet(world.truth)
    for url in truth.filter("releasable")["url"]:
        picture(world, url).load()
    for url in truth.filter(pl.col("fault").is_in(["html", "corrupt", "truncated"]))["url"]:
        with pytest.raises((UnidentifiedImageError, OSError, SyntaxError)):
            picture(world, url).load()


def test_copies_and_leaks_are_the_same_picture_with_other_bytes(world: World) -> None:
    truth = pl.read_parquet(world.truth)
    original = dict(truth.filter("releasable").select("group", "url").iter_rows())
    for group, url in truth.filter(pl.col("fault") == "duplicate").select("group", "url").iter_rows():
        assert phash_distance(phash_hex(picture(world, url)), phash_hex(picture(world, original[group]))) <= 6
        assert picture(world, url).width < picture(world, original[group]).width
    leaks = truth.filter("is_leak")
    assert leaks.height == 10
    for url, wnid in leaks.select("url", "wnid").iter_rows():
        known = phash_hex(Image.open(world.reference / wnid / "000.jpg"))
        assert phash_distance(phash_hex(picture(world, url)), known) <= 6


def test_later_epoch_is_what_the_truth_says(world: World) -> None:
    truth = pl.read_parquet(world.truth)
    for url, later in truth.filter("releasable").select("url", "later").iter_rows():
        if later in ("same_picture", "changed"):
            before, after = picture(world, url), picture(world, url, "later")
            bits = phash_distance(phash_hex(before), phash_hex(after))
            assert (bits <= 6) == (later == "same_picture")
            assert (world.folder / "later" / name_of(url)).read_bytes() != (
                world.folder / "photos" / name_of(url)
            ).read_bytes()


def test_controls_are_known_and_named_opaquely(world: World) -> None:
    controls = pl.read_parquet(world.controls)
    assert dict(controls["wnid"].value_counts().iter_rows()) == dict.fromkeys(CLASSES, 3)
    for path in controls["path"]:
        Image.open(io.BytesIO((world.folder / path).read_bytes())).load()
        assert not any(wnid in path for wnid in CLASSES)


@pytest.mark.parametrize("kind", CAPTION_KINDS)
def test_captions_mean_what_they_say(kind: str) -> None:
    rows = [(wnid, write_caption(kind, wnid, Random(f"{kind}{wnid}{i}"))) for wnid in CLASSES for i in range(120)]
    named = name_classes(pl.Series([caption for _, caption in rows], dtype=pl.String))
    for (wnid, caption), (found, words, others, possible) in zip(rows, named.iter_rows(), strict=True):
        meant = possible or [found]
        right = {
            "right": meant == [wnid],
            "wrong": len(meant) == 1 and meant != [wnid] and not others,
            "none": words is None,
            "ambiguous": len(others) > 1 or len(possible) > 1 or ", " in (words or ""),
        }
        assert right[kind], caption


def test_an_unknown_kind_of_caption_is_refused() -> None:
    with pytest.raises(BadInput, match="wrong"):
        write_caption("wrnog", CLASSES[0], Random(0))
