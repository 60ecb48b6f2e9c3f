from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.release.digest import content_digest
from relaionet.manifests.release.manifest_check import check_manifest
from relaionet.manifests.release.release import check_release, make_release, read_release
from relaionet.manifests.tables import MANIFEST

Make = Callable[[int], pl.DataFrame]
NOTES = {"miniature": True, "simulated_reviewers": True, "agreement": {"alpha": 0.91}, "lineage": {"verdicts": "ab"}}


def test_a_release_reads_back_whole(make_manifest: Make, tmp_path: Path) -> None:
    path = make_release(make_manifest(50), tmp_path, notes=NOTES)
    assert path == tmp_path / "relaionet-v1"
    assert sorted(file.name for file in path.iterdir()) == [
        "README.md",
        "croissant.json",
        "manifest.parquet",
        "release.json",
    ]
    for place in (path, tmp_path):
        release = check_release(place)
        assert release.path == path
        assert release.manifest.sort("candidate_id").equals(make_manifest(50).sort("candidate_id"))
        assert release.info.rows_count == sum(release.info.class_counts.values()) == 50
        assert release.info.notes == NOTES
    assert [folder.name for folder in tmp_path.iterdir()] == ["relaionet-v1"]


def test_same_content_is_the_same_version_and_new_content_the_next(make_manifest: Make, tmp_path: Path) -> None:
    first = make_release(make_manifest(20), tmp_path, notes=NOTES)
    before = {file.name: file.read_bytes() for file in first.iterdir()}
    assert make_release(make_manifest(20).sample(fraction=1, shuffle=True, seed=1), tmp_path, notes=NOTES) == first
    second = make_release(make_manifest(21), tmp_path, notes=NOTES)
    third = make_release(make_manifest(21), tmp_path, notes={})
    assert [path.name for path in (second, third)] == ["relaionet-v2", "relaionet-v3"]
    assert make_release(make_manifest(20), tmp_path, notes=NOTES) == first
    assert {file.name: file.read_bytes() for file in first.iterdir()} == before
    assert read_release(tmp_path).info.version == 3
    assert read_release(first).info.version == 1


def test_the_tenth_version_is_newer_than_the_ninth(make_manifest: Make, tmp_path: Path) -> None:
    for number in range(1, 11):
        make_release(make_manifest(number), tmp_path, notes={})
    assert read_release(tmp_path).info.full_name == "relaionet-v10"


def test_digest_does_not_depend_on_order(make_manifest: Make) -> None:
    rows = make_manifest(9)
    assert content_digest(rows, "a", {}) == content_digest(rows.reverse(), "a", {})
    assert content_digest(rows, "a", {}) != content_digest(rows.head(8), "a", {})
    assert content_digest(rows, "a", {}) != content_digest(rows, "b", {})


def test_an_empty_release_is_a_release(tmp_path: Path) -> None:
    assert check_release(make_release(MANIFEST.empty(), tmp_path, notes={})).manifest.is_empty()


BROKEN = {
    "candidate_id is no 64": {"candidate_id": "../../../etc/passwd"},
    "image_sha256 is no 64": {"image_sha256": "ABC"},
    "phash is no 16": {"phash": "xyz"},
    "url is not http": {"url": "file:///etc/passwd"},
    "url is longer": {"url": "http://example.org/" + "x" * 9000},
    "wnid is no ImageNet-1k wnid": {"wnid": "../n01440764"},
    "class_index is not the wnid's": {"class_index": 999},
    "a size is not positive": {"width_px": 0},
    "votes are not": {"yes_count": 9},
    "selection_frac is not": {"selection_frac": 1.5},
}


@pytest.mark.parametrize("rule", BROKEN)
@pytest.mark.parametrize("missing", [False, True])
def test_a_row_that_breaks_a_rule_is_named(make_manifest: Make, tmp_path: Path, rule: str, missing: bool) -> None:
    ((column, value),) = BROKEN[rule].items()
    rows = make_manifest(5)
    wrong = pl.lit(None if missing else value, dtype=rows.schema[column])
    first = pl.int_range(pl.len()) == 2
    rows = rows.with_columns(pl.when(first).then(wrong).otherwise(column).alias(column))
    words = "is longer|is not http" if "url" in rule and missing else rule
    with pytest.raises(BadInput, match=rf"{words}.* in 1 of 5 rows"):
        make_release(rows, tmp_path, notes={})
    assert list(tmp_path.iterdir()) == []


def test_missing_columns_and_repeated_rows_are_bad_input(make_manifest: Make) -> None:
    with pytest.raises(BadInput, match="missing column phash"):
        check_manifest(make_manifest(2).drop("phash"))
    with pytest.raises(BadInput, match="stands twice"):
        check_manifest(pl.concat([make_manifest(2), make_manifest(1)]))


@pytest.mark.parametrize("file", ["manifest.parquet", "README.md", "croissant.json"])
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_every_byte_is_checked(make_manifest: Make, tmp_path: Path, file: str, damage: str) -> None:
    path = make_release(make_manifest(5), tmp_path, notes={}) / file
    data = path.read_bytes()
    path.unlink()
    if damage == "changed":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Corrupt, match=file.replace(".", r"\.")):
        check_release(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("rows_count", 4, "rows_count is not that"),
        ("class_counts", {}, "class_counts is not that"),
        ("digest", "0" * 64, "digest is not that"),
        ("notes", {"x": 1}, "digest is not that"),
        ("files", {"manifest.parquet": "0" * 64}, "manifest.parquet is not what"),
        ("version", "1", "version is str, expected int"),
        ("files", None, "files is NoneType"),
        ("name", "a\x1b[2J", "no name of a release"),
        ("name", "../../a", "no name of a release"),
    ],
)
def test_what_release_json_says_is_checked(
    make_manifest: Make, tmp_path: Path, key: str, value: object, words: str
) -> None:
    path = make_release(make_manifest(5), tmp_path, notes={}) / "release.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(Corrupt, match=words):
        check_release(tmp_path)


def test_files_outside_the_release_are_never_named(make_manifest: Make, tmp_path: Path) -> None:
    path = make_release(make_manifest(5), tmp_path / "in", notes={}) / "release.json"
    (tmp_path / "secret").write_text("x")
    told = json.loads(path.read_text())
    told["files"]["../../secret"] = "0" * 64
    path.write_text(json.dumps(told))
    with pytest.raises(Corrupt, match="no file name inside the release"):
        check_release(tmp_path / "in")


def test_where_there_is_no_release_the_error_says_so(make_manifest: Make, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        read_release(tmp_path / "none")
    with pytest.raises(BadInput, match="found none"):
        read_release(tmp_path)
    make_release(make_manifest(1), tmp_path, name="a", notes={})
    make_release(make_manifest(1), tmp_path, name="b", notes={})
    with pytest.raises(BadInput, match="several: a, b"):
        read_release(tmp_path)
    with pytest.raises(BadInput, match="release name"):
        make_release(make_manifest(1), tmp_path, name="../x", notes={})
    (tmp_path / "a-v1" / "release.json").write_text("{")
    with pytest.raises(Corrupt, match="is no JSON"):
        read_release(tmp_path / "a-v1")


def test_a_manifest_that_is_no_parquet_is_bad_input(make_manifest: Make, tmp_path: Path) -> None:
    import hashlib

    path = make_release(make_manifest(1), tmp_path, notes={})
    (path / "manifest.parquet").write_bytes(b"PAR1 nothing PAR1")
    told = json.loads((path / "release.json").read_text())
    told["files"]["manifest.parquet"] = hashlib.sha256(b"PAR1 nothing PAR1").hexdigest()
    (path / "release.json").write_text(json.dumps(told))
    with pytest.raises(BadInput, match="cannot be read as parquet"):
        read_release(path)


def test_a_write_that_fails_leaves_nothing(make_manifest: Make, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot digest"):
        make_release(make_manifest(2), tmp_path, notes={"at": object()})
    (tmp_path / "relaionet-v1").write_text("in the way")
    with pytest.raises(OSError, match="relaionet-v1"):
        make_release(make_manifest(2), tmp_path, notes={})
    assert [path.name for path in tmp_path.iterdir()] == ["relaionet-v1"]


def test_card_and_croissant_are_valid_and_say_what_it_is(make_manifest: Make, tmp_path: Path) -> None:
    import mlcroissant

    path = make_release(make_manifest(12), tmp_path, notes=NOTES)
    card = (path / "README.md").read_text()
    assert card.startswith('---\npretty_name: "relaionet v1 (miniature)"')
    for words in ("This is the miniature", "reviewers are simulated", "URLs, hashes and labels, not images", "0.910"):
        assert words in card
    real = (make_release(make_manifest(13), tmp_path, notes={}) / "README.md").read_text()
    assert "miniature" not in real
    assert "simulated" not in real
    dataset = mlcroissant.Dataset(jsonld=path / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    ids = {record["images/candidate_id"].decode() for record in dataset.records("images")}
    assert ids == set(make_manifest(12)["candidate_id"])


def test_the_front_matter_is_what_the_hub_reads(make_manifest: Make, tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(make_release(make_manifest(12), tmp_path, notes={}) / "README.md")
    assert card.data.pretty_name == "relaionet v1"
    assert card.data.size_categories == ["n<1K"]
