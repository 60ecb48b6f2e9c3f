"""Releases from strangers: whatever their files hold, the answer is BadInput or Corrupt, soon; nothing is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relaionet.manifests.containers.limits import ParquetLimits
from relaionet.manifests.containers.parquet_table import read_guarded
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.release.info import MAX_INFO_BYTES
from relaionet.manifests.release.manifest_check import adopted_id, check_manifest, url_id
from relaionet.manifests.release.release import Release, check_release, make_release, read_release
from relaionet.manifests.tables import MANIFEST
from tests.depth import deep
from tests.unit.manifests.conftest import manifest_rows

Make = Callable[[int], pl.DataFrame]
REFUSED = (BadInput, Corrupt)
# outlives everything that was ever allocated from it
COUNTED = pa.proxy_memory_pool(pa.default_memory_pool())


def change_info(path: Path, **values: object) -> None:
    file = path / "release.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def replace_file(path: Path, name: str, data: bytes) -> None:
    """As a stranger would who wants to be believed: the sha256 is put right too."""
    (path / name).write_bytes(data)
    files = json.loads((path / "release.json").read_text())["files"]
    change_info(path, files=files | {name: hashlib.sha256(data).hexdigest()})


def set_value(rows: pl.DataFrame, **values: object) -> pl.DataFrame:
    here = pl.int_range(pl.len()) == 0
    return rows.with_columns(
        pl.when(here).then(pl.lit(value, dtype=rows.schema[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )


def adopt(rows: pl.DataFrame, path: str | None) -> pl.DataFrame:
    one = adopted_id(rows["image_sha256"][0], path or "")
    return set_value(
        rows, url=None, path=path, candidate_id=one, votes_count=0, yes_count=0, selection_frac=None, reviewers=[]
    )


URL = "http://user@example.org/%s"
RULES = {
    "candidate_id is not that of its url": {"candidate_id": "0" * 64},
    "candidate_id is not that of its url or path": {"path": "a.jpg"},
    "url is not http": {"url": "javascript:alert(1)"},
    "url is not http(s)": {"url": URL % "\x1b[2J"},
    "url is not http ": {"url": URL % "\u0085"},
    "format is no file ending": {"format": "../../sh"},
    "class_name has control": {"class_name": "tench\x07"},
    "class_name is longer": {"class_name": "x" * 201},
    "source has control": {"source": "a\nb"},
    "caption is longer": {"caption": "x" * 1_000_001},
    "reviewers are no pseudonyms": {"reviewers": ["anna@example.org"]},
    "reviewers are no": {"reviewers": [None]},
    "reviewers are more": {"reviewers": ["r"] * 10_001},
    "selection_frac is not": {"selection_frac": float("nan")},
    "confidence is not": {"confidence": float("inf")},
}


@pytest.mark.parametrize("rule", RULES)
def test_a_row_that_breaks_a_rule_is_named(make_manifest: Make, rule: str) -> None:
    values = RULES[rule]
    rows = set_value(make_manifest(3), **values)
    if "url" in values:
        rows = set_value(rows, candidate_id=url_id(str(values["url"])))
    with pytest.raises(BadInput, match=rf"{rule.strip().split('(')[0]}.* in 1 of 3 rows"):
        check_manifest(rows)


@pytest.mark.parametrize("path", ["crane/ä 1 (2).jpg", "a..b/.c/..d.jpg", "train.parquet/12", "0/00.jpeg"])
def test_an_adopted_image_has_a_path(make_manifest: Make, path: str) -> None:
    assert check_manifest(adopt(make_manifest(2), path))["path"][0] == path


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../a", "a/../b", "a/..", "./a", "a//b", "a/", "", "C:/a", "a\\b", "a\nb", "a\x9bb", "x" * 1025],
)
def test_a_path_never_leaves_its_folder(make_manifest: Make, path: str) -> None:
    with pytest.raises(BadInput, match="path is"):
        check_manifest(adopt(make_manifest(2), path))


def test_a_row_needs_a_url_or_a_path(make_manifest: Make) -> None:
    with pytest.raises(BadInput, match=r"url is not http\(s\) in 1 of 2"):
        check_manifest(adopt(make_manifest(2), None))


@pytest.mark.parametrize(
    "name", ["../secret", "a/b", "/etc/passwd", "..", "", "a\x00b", ".hidden", "release.json", "x" * 200]
)
def test_files_are_names_inside_the_release(make_manifest: Make, tmp_path: Path, name: str) -> None:
    path = make_release(make_manifest(2), tmp_path, notes={})
    files = json.loads((path / "release.json").read_text())["files"]
    change_info(path, files=files | {name: "0" * 64})
    with pytest.raises(Corrupt, match="no file name inside the release"):
        check_release(path)


def test_a_file_that_is_a_link_is_not_followed_out(make_manifest: Make, tmp_path: Path) -> None:
    path = make_release(make_manifest(2), tmp_path / "in", notes={})
    (tmp_path / "outside").write_bytes((path / "README.md").read_bytes())
    (path / "README.md").unlink()
    (path / "README.md").symlink_to(tmp_path / "outside")
    with pytest.raises(Corrupt, match=r"README\.md is missing or not"):
        check_release(path)


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "[" * 100_000, '{"name": ' * 50_000, '{"a": "\\ud800"}', "1" * 5000, "\ufeff{", '"' + "x" * 1000,
     '{"rows_count": 1e999}', "\x00" * 100],
)  # fmt: skip
def test_release_json_may_be_anything(make_manifest: Make, tmp_path: Path, text: str) -> None:
    path = make_release(make_manifest(2), tmp_path, notes={})
    (path / "release.json").write_text(text)
    with pytest.raises(REFUSED):
        check_release(path)


def test_a_huge_release_json_is_not_read(make_manifest: Make, tmp_path: Path) -> None:
    path = make_release(make_manifest(2), tmp_path, notes={})
    with (path / "release.json").open("r+b") as file:
        file.truncate(MAX_INFO_BYTES + 1)
    with pytest.raises(BadInput, match="is longer than"):
        read_release(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 10**30), ("version", True), ("rows_count", -1), ("rows_count", 2**80), ("class_counts", {"a": "b"}),
        ("class_counts", {str(number): 1 for number in range(1001)}), ("files", {"a": 1}), ("created", "x" * 99),
        ("created", "\x1b]0;"), ("digest", "zz"), ("notes", []), ("files", {f"f{n}": "0" * 64 for n in range(1001)}),
        ("notes", {"a": "\ud800"}),
    ],
)  # fmt: skip
def test_values_of_release_json_are_bounded(make_manifest: Make, tmp_path: Path, key: str, value: object) -> None:
    path = make_release(make_manifest(2), tmp_path, notes={})
    change_info(path, **{key: value})
    with pytest.raises(Corrupt):
        check_release(path)


# parquet ----------------------------------------------------------------------------------------------------------


def test_a_small_file_of_many_rows_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    rows_count = 6_000_000  # a few kB on disk
    pl.DataFrame({"candidate_id": pl.repeat("a" * 64, rows_count, eager=True)}).write_parquet(tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 200_000
    with pytest.raises(BadInput, match=r"6,000,000 rows; expected at most 5,000,000; nothing of it was read"):
        read_guarded(tmp_path / "bomb.parquet")


def test_long_lists_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    column = pa.array([[7] * 3_000_000], pa.list_(pa.int64()))
    pq.write_table(pa.table({"a": column}), tmp_path / "bomb.parquet", compression="zstd")
    with pytest.raises(BadInput, match="3,000,000 values in 1 rows"):
        read_guarded(tmp_path / "bomb.parquet")


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    rows = pl.DataFrame({"a": ["x" * 10_000] * 2_000})  # one dictionary entry, two thousand times
    rows.write_parquet(tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    with pytest.raises(BadInput, match=r"more than it says|bytes when unpacked"):
        read_guarded(tmp_path / "a.parquet", ParquetLimits(max_bytes=5_000_000))
    assert read_guarded(tmp_path / "a.parquet")[0].height == 2_000


@pytest.mark.parametrize("lists", [False, True])
def test_a_long_text_that_stands_in_every_row_is_not_unpacked_to_be_counted(tmp_path: Path, lists: bool) -> None:
    texts = pa.chunked_array([pa.array(["x" * 1_000_000] * 100)] * 4)  # under a kB on disk
    column = pa.chunked_array([pa.array([[text] for text in chunk.to_pylist()]) for chunk in texts.chunks])
    pq.write_table(pa.table({"a": column if lists else texts}), tmp_path / "a.parquet", compression="zstd")
    usual = pa.default_memory_pool()
    pa.set_memory_pool(COUNTED)
    try:
        with pytest.raises(BadInput, match="unpacks to more"):
            read_guarded(tmp_path / "a.parquet", ParquetLimits(max_bytes=100_000_000))
        assert COUNTED.max_memory() < 50_000_000
    finally:
        pa.set_memory_pool(usual)
    with pytest.raises(BadInput, match="unpacks to more"):
        read_guarded(tmp_path / "a.parquet")
    rows, _ = read_guarded(tmp_path / "a.parquet", ParquetLimits(floor_bytes=500_000_000))
    assert rows["a"].explode().str.len_bytes().sum() == 400_000_000


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_columns": 1}, "2 columns"),
        ({"max_rows": 1}, "2 rows"),
        ({"max_row_groups": 1}, "2 row groups"),
    ],
)
def test_limits_are_named(tmp_path: Path, limits: dict[str, int], words: str) -> None:
    pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}).write_parquet(tmp_path / "a.parquet", row_group_size=1)
    with pytest.raises(BadInput, match=words):
        read_guarded(tmp_path / "a.parquet", ParquetLimits(**limits))


def test_text_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    wrong = pa.StringArray.from_buffers(1, pa.py_buffer(b"\x00\x00\x00\x00\x02\x00\x00\x00"), pa.py_buffer(b"\xff\xfe"))
    pq.write_table(pa.table({"a": wrong}), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match="cannot be read as parquet"):
        read_guarded(tmp_path / "a.parquet")


@pytest.mark.parametrize("column", list(MANIFEST.columns))
def test_a_column_of_another_type_is_bad_input(make_manifest: Make, tmp_path: Path, column: str) -> None:
    path = make_release(make_manifest(3), tmp_path, notes={})
    for number, values in enumerate((["x", "y", "z"], [[1], [], [2]], [True, False, None], [None] * 3, [b"\xff"] * 3)):
        rows = make_manifest(3).with_columns(pl.Series(column, values))
        rows.write_parquet(tmp_path / f"{number}.parquet")
        replace_file(path, "manifest.parquet", (tmp_path / f"{number}.parquet").read_bytes())
        try:
            release = check_release(path)
        except REFUSED:
            continue
        assert isinstance(release, Release)  # a column that may be null


# mutated bytes ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(manifest_rows(40), tmp_path_factory.mktemp("good"), notes={"a": [1, {"b": "c"}]})


EDITS = st.lists(
    st.tuples(st.sampled_from(["set", "cut", "insert", "copy"]), st.integers(0, 1 << 20), st.integers(0, 255)),
    min_size=1, max_size=6,
)  # fmt: skip


def mutate(data: bytes, edits: list[tuple[str, int, int]]) -> bytes:
    changed = bytearray(data)
    for edit, place, value in edits:
        at = place % (len(changed) + 1)
        if edit == "set" and at < len(changed):
            changed[at] = value
        elif edit == "cut":
            del changed[at : at + value]
        elif edit == "insert":
            changed[at:at] = bytes([value]) * 3
        elif edit == "copy":
            changed[at:at] = changed[:value]
    return bytes(changed)


@settings(max_examples=deep(250), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDITS, st.booleans())
def test_mutated_parquet_is_refused_or_good(good: Path, edits: list[tuple[str, int, int]], tail: bool) -> None:
    """Near the end lie the lengths and places of everything else, so half of the edits go there."""
    original, rows = (good / "manifest.parquet").read_bytes(), pl.read_parquet(good / "manifest.parquet")
    info = (good / "release.json").read_bytes()
    try:
        start = len(original) - 3000 if tail else 0
        replace_file(good, "manifest.parquet", original[:start] + mutate(original[start:], edits))
        assert check_release(good).manifest.equals(rows), "what the digest does not hold was believed"
    except REFUSED:
        pass
    finally:
        (good / "manifest.parquet").write_bytes(original)
        (good / "release.json").write_bytes(info)


@settings(max_examples=deep(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDITS)
def test_mutated_release_json_is_refused_or_good(good: Path, edits: list[tuple[str, int, int]]) -> None:
    info, rows = (good / "release.json").read_bytes(), pl.read_parquet(good / "manifest.parquet")
    try:
        (good / "release.json").write_bytes(mutate(info, edits))
        assert check_release(good).manifest.equals(rows)
    except REFUSED:
        pass
    finally:
        (good / "release.json").write_bytes(info)
