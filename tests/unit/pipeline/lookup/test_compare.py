"""An address counts only if it serves the picture; what was near and is not it is said, and order changes nothing."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from relaionet.manifests.tables.lookups import COMPARED_ADDRESSES
from relaionet.manifests.tables.schema import check_table
from relaionet.pipeline.lookup.compare import Served, compare_addresses
from relaionet.pipeline.splits.verdicts import VerdictConfig
from tests.unit.pipeline.lookup.builders import draw, encode, manifest_of, near_pairs, served_by

SET = {f"class/{number}.png": encode(draw(number)) for number in range(8)}
ROWS = manifest_of(SET)
IDS = dict(zip(ROWS["path"], ROWS["candidate_id"], strict=True))
ADDRESSES: dict[str, bytes | str] = {
    "http://a.example/0.png": SET["class/0.png"],  # the very bytes
    "http://a.example/0.jpg": encode(draw(0).resize((120, 120)), "JPEG", quality=80),
    "http://a.example/1.webp": encode(draw(1), "WEBP", quality=85),
    "http://a.example/2-mirrored.png": encode(ImageOps.mirror(draw(2))),
    "http://a.example/3-gone.png": "404",
    "http://a.example/other.png": encode(draw(99)),
}
NEAR = near_pairs(
    (IDS["class/0.png"], "http://a.example/0.jpg", 0.99), (IDS["class/2.png"], "http://a.example/2-mirrored.png", 0.95),
    (IDS["class/3.png"], "http://a.example/3-gone.png", 0.9), (IDS["class/4.png"], "http://a.example/other.png", 0.8),
)  # fmt: skip


def statuses(found: pl.DataFrame) -> dict[tuple[str, str], str]:
    paths = {candidate_id: path for path, candidate_id in IDS.items()}
    return {
        (paths[row["candidate_id"]], row["url"].rpartition("/")[2]): row["status"]
        for row in found.iter_rows(named=True)
    }


def test_each_pair_has_the_verdict_of_a_rebuild() -> None:
    found = check_table(compare_addresses(ROWS, NEAR, served_by(ADDRESSES), VerdictConfig()), COMPARED_ADDRESSES)
    assert statuses(found) == {
        ("class/0.png", "0.png"): "exact",  # near to nothing, found by its bytes
        ("class/0.png", "0.jpg"): "same_picture",
        ("class/1.png", "1.webp"): "same_picture",  # near to nothing, found by its hash
        ("class/2.png", "2-mirrored.png"): "changed",
        ("class/3.png", "3-gone.png"): "gone",
        ("class/4.png", "other.png"): "changed",
    }
    assert found.filter(pl.col("status") == "gone")["reason"].to_list() == ["gone: 404"]
    cosines = dict(zip(found["url"], found["cosine"], strict=True))
    assert cosines["http://a.example/0.jpg"] == pytest.approx(0.99)
    assert cosines["http://a.example/0.png"] is None


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), cut=st.integers(0, 8))
def test_neither_order_nor_shards_matter(seed: int, cut: int) -> None:
    whole = compare_addresses(ROWS, NEAR, served_by(ADDRESSES), VerdictConfig())
    served = served_by(dict(sorted(ADDRESSES.items(), key=lambda item: hash((seed, item[0])))))
    rows = ROWS.sample(fraction=1.0, shuffle=True, seed=seed)
    near = NEAR.sample(fraction=1.0, shuffle=True, seed=seed)
    parts = [compare_addresses(part, near, served, VerdictConfig()) for part in (rows[:cut], rows[cut:])]
    assert pl.concat(parts).sort(COMPARED_ADDRESSES.key).equals(whole)


def test_a_flat_picture_is_found_by_its_bytes_alone() -> None:
    flat = [encode(Image.new("RGB", (160, 160), (90 + number, 90, 90))) for number in range(3)]
    rows = manifest_of({"a.png": flat[0], "b.png": flat[1]})
    served = served_by({"http://a.example/same.png": flat[0], "http://a.example/like.png": flat[2]})
    found = compare_addresses(rows, NEAR.clear(), served, VerdictConfig())
    assert found.select("candidate_id", "url", "status").rows() == [
        (rows["candidate_id"][0], "http://a.example/same.png", "exact")
    ]


def test_each_row_is_held_against_fingerprints_of_its_own_version() -> None:
    """A transparent picture has other fingerprints in version 1, which dropped the transparency."""
    picture = draw(5).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    again = encode(picture, "WEBP", lossless=True, exact=True)
    rows = pl.concat([manifest_of({"one.png": encode(picture)}, version=1), manifest_of({"two.png": encode(picture)})])
    both = served_by({"http://a.example/x.webp": again}, versions=(1, 2))
    assert both.pictures["phash"].n_unique() == 2
    found = compare_addresses(rows, NEAR.clear(), both, VerdictConfig())
    assert found["status"].to_list() == ["same_picture", "same_picture"]
    assert found["phash_distance"].to_list() == [0, 0]
    only_new = Served(both.fetched, both.pictures.filter(pl.col("fingerprint_version") == 2))
    assert compare_addresses(rows, NEAR.clear(), only_new, VerdictConfig()).height == 1


def test_nothing_served_and_nothing_sought() -> None:
    assert compare_addresses(ROWS, NEAR.clear(), served_by({}), VerdictConfig()).height == 0
    assert compare_addresses(ROWS.clear(), NEAR, served_by(ADDRESSES), VerdictConfig()).height == 0
