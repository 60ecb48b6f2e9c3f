"""What was found of each row: best address first, the reason where there is none, and the release that says it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.release.beside import read_evidence
from relaionet.manifests.release.manifest_check import check_manifest
from relaionet.manifests.release.release import check_release, make_release
from relaionet.manifests.tables.lookups import LOOKUP
from relaionet.manifests.tables.schema import check_table, count_statuses
from relaionet.pipeline.lookup.compare import compare_addresses
from relaionet.pipeline.lookup.settle import add_addresses, count_found, lookup_evidence, settle_lookup, tell_found
from relaionet.pipeline.splits.verdicts import VerdictConfig
from tests.unit.pipeline.lookup.builders import AT, draw, encode, manifest_of, near_pairs, origins_of, served_by

SET = {f"{number}.png": encode(draw(number)) for number in range(6)}
KNOWN = {"5.png": "http://known.example/5.png"}
ROWS = manifest_of(SET, KNOWN)
IDS = dict(zip(ROWS["path"], ROWS["candidate_id"], strict=True))
ADDRESSES: dict[str, bytes | str] = {
    "http://a.example/0-small.jpg": encode(draw(0).resize((90, 90)), "JPEG", quality=60),
    "http://a.example/0-fine.jpg": encode(draw(0), "JPEG", quality=95),
    "http://a.example/0.png": SET["0.png"],
    "http://a.example/1-small.jpg": encode(draw(1).resize((90, 90)), "JPEG", quality=50),
    "http://a.example/1-fine.jpg": encode(draw(1), "JPEG", quality=95),
    "http://a.example/2-other.png": encode(draw(70)),
    "http://a.example/2-gone.png": "404",
    "http://a.example/3-gone.png": "404",
}
NEAR = near_pairs(
    (IDS["2.png"], "http://a.example/2-other.png", 0.9), (IDS["2.png"], "http://a.example/2-gone.png", 0.9),
    (IDS["3.png"], "http://a.example/3-gone.png", 0.9), (IDS["1.png"], "http://a.example/1-fine.jpg", 0.97),
)  # fmt: skip
NONE_MISSING = pl.DataFrame(schema={"candidate_id": pl.String, "reason": pl.String})


def settle(missing: pl.DataFrame = NONE_MISSING) -> pl.DataFrame:
    sought = ROWS.filter(pl.col("url").is_null())
    compared = compare_addresses(sought, NEAR, served_by(ADDRESSES), VerdictConfig())
    lookup = settle_lookup(ROWS, compared, origins_of(list(ADDRESSES)), missing, by_embeddings=True)
    return check_table(lookup, LOOKUP)


def test_every_row_is_told_of_once() -> None:
    missing = pl.DataFrame({"candidate_id": [IDS["4.png"]], "reason": ["no picture: not there"]})
    lookup = settle(missing)
    assert lookup["candidate_id"].to_list() == ROWS["candidate_id"].to_list()
    assert lookup["status"].to_list() == ["ok", "ok", "changed", "gone", "no_picture", "known"]
    assert lookup["reason"].to_list() == [
        None, None, "1 near it are other pictures, 1 are gone", "1 near it could not be fetched",
        "no picture: not there", None,
    ]  # fmt: skip
    assert lookup["url"].to_list() == [
        "http://a.example/0.png", "http://a.example/1-fine.jpg", None, None, None, "http://known.example/5.png"
    ]  # fmt: skip
    # the release's own bytes, then the nearest picture
    assert lookup["other_urls"].to_list()[:2] == [
        ["http://a.example/0-fine.jpg", "http://a.example/0-small.jpg"], ["http://a.example/1-small.jpg"]
    ]  # fmt: skip
    assert lookup["verdict"].to_list() == ["exact", "same_picture", None, None, None, None]
    assert sum(count_statuses(lookup).values()) == ROWS.height
    assert settle()["status"][4] == "not_near"


def test_the_release_gains_addresses_and_loses_nothing(tmp_path: Path) -> None:
    before = make_release(ROWS, tmp_path, name="set", notes={"adopted": {"kind": "names", "layout": "folders"}})
    lookup = settle()
    manifest = check_manifest(add_addresses(ROWS, lookup))
    untouched = [name for name in ROWS.columns if name not in ("url", "other_urls", "caption", "source", "source_row",
                                                              "fetched_at")]  # fmt: skip
    assert manifest.select(untouched).equals(ROWS.select(untouched))
    assert manifest["fetched_at"].to_list() == [AT, AT, None, None, None, None]
    assert manifest["caption"][0] == "caption of http://a.example/0.png"
    told = {"adopted": {"kind": "names", "layout": "folders"}, "lookup": tell_found(lookup)}
    after = make_release(manifest, tmp_path, name="set", notes=told, evidence=lookup_evidence(lookup))
    assert (before.name, after.name) == ("set-v1", "set-v2")
    release = check_release(after)
    assert release.evidence is not None
    first = read_evidence(release.evidence, IDS["0.png"])["lookup"]
    assert (first["outcome"], first["verdict"], first["found_in"]) == ("ok", "exact", "rows.parquet")
    assert read_evidence(release.evidence, IDS["2.png"])["lookup"]["why"] == "1 near it are other pictures, 1 are gone"
    assert read_evidence(release.evidence, IDS["5.png"]) == {}
    assert release.info.notes["lookup"] == {
        "outcomes": {"changed": 1, "gone": 1, "known": 1, "not_near": 1, "ok": 2}, "sought": 5, "found": 2
    }  # fmt: skip
    # a second lookup of what it left finds the first one's addresses known
    again = settle_lookup(
        manifest, compare_addresses(manifest.clear(), NEAR, served_by({}), VerdictConfig()),
        origins_of([]), NONE_MISSING, by_embeddings=True,
    )  # fmt: skip
    assert again.filter(pl.col("status") == "known").height == 3
    assert add_addresses(manifest, again).equals(manifest)


def test_the_share_found_by_class() -> None:
    counted = count_found(settle())
    assert counted["sought"].to_list() == [1] * 5
    assert counted["share"].to_list() == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert counted["class_index"].is_sorted()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_order_does_not_matter(seed: int) -> None:
    sought = ROWS.filter(pl.col("url").is_null())
    compared = compare_addresses(sought, NEAR, served_by(ADDRESSES), VerdictConfig())
    mixed = compared.sample(fraction=1.0, shuffle=True, seed=seed)
    found = settle_lookup(ROWS, mixed, origins_of(list(ADDRESSES)), NONE_MISSING, by_embeddings=True)
    assert found.equals(settle())


def test_evidence_holds_no_path_of_this_machine() -> None:
    told = lookup_evidence(settle()).filter(pl.col("fact") == "found_in")
    assert set(told["value"]) == {'"rows.parquet"'}
