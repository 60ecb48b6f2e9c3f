"""The laws of differences between releases, on manifests that differ in every way a release can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.manifests.release.diff import CHANGES, DIFF, apply_rows, diff_releases, diff_rows, mirror_rows
from relaionet.manifests.release.release import make_release, read_release
from relaionet.manifests.tables import MANIFEST
from relaionet.manifests.tables.schema import check_table
from tests.depth import deep
from tests.unit.manifests.conftest import manifest_rows

Make = Callable[[int], pl.DataFrame]
ROWS = manifest_rows(12)


def set_value(rows: pl.DataFrame, number: int, **values: object) -> pl.DataFrame:
    here = pl.int_range(pl.len()) == number
    return rows.with_columns(
        pl.when(here).then(pl.lit(value, dtype=rows.schema[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )


def relabel(rows: pl.DataFrame, number: int, class_index: int) -> pl.DataFrame:
    label = read_labels()[class_index]
    return set_value(rows, number, wnid=label.wnid, class_index=class_index, class_name=label.name)


EDITS = {
    "relabel": lambda rows, number: relabel(rows, number, 7),
    "bytes": lambda rows, number: set_value(rows, number, image_sha256="ab" * 32),
    "votes": lambda rows, number: set_value(rows, number, reviewers=["r-9"], votes_count=9),
    "no votes": lambda rows, number: set_value(rows, number, selection_frac=None, votes_count=0, yes_count=0),
    "caption": lambda rows, number: set_value(rows, number, caption=None),
}


@st.composite
def manifests(draw: st.DrawFn) -> pl.DataFrame:
    rows = ROWS
    for number in range(ROWS.height):
        edit = draw(st.sampled_from([None, None, *EDITS]))
        rows = EDITS[edit](rows, number) if edit else rows
    keep = draw(st.lists(st.booleans(), min_size=ROWS.height, max_size=ROWS.height))
    return rows.filter(pl.Series(keep)).sort("class_index", "candidate_id")


@settings(max_examples=deep(40), deadline=None)
@given(manifests(), manifests())
def test_laws(old: pl.DataFrame, new: pl.DataFrame) -> None:
    rows = check_table(diff_rows(old, new), DIFF)
    assert diff_rows(old, old).is_empty()
    assert mirror_rows(rows).equals(diff_rows(new, old))
    assert apply_rows(old, rows).equals(new)
    assert apply_rows(new, mirror_rows(rows)).equals(old)
    same = old.join(new, on=list(MANIFEST.columns), how="semi", nulls_equal=True).height
    assert old.height == same + rows.filter(pl.col("change") != "added").height
    assert set(rows["change"]) <= set(CHANGES)


def test_each_change_has_its_name(make_manifest: Make) -> None:
    old = make_manifest(6)
    new = relabel(old, 0, 134)
    for number, edit in enumerate(("bytes", "votes", "caption"), start=1):
        new = EDITS[edit](new, number)
    ids = old["candidate_id"]
    found = {row["candidate_id"]: row for row in diff_rows(old, new.slice(0, 5)).iter_rows(named=True)}
    changes = [found[one]["change"] if one in found else None for one in ids]
    assert changes == ["relabelled", "bytes", "votes", "details", None, "removed"]
    assert found[ids[0]]["changed"] == ["wnid", "class_index", "class_name"]
    assert (found[ids[0]]["old_wnid"], found[ids[0]]["new_wnid"]) == (old["wnid"][0], "n02012849")
    assert found[ids[3]]["changed"] == ["caption"]
    assert found[ids[5]]["new_wnid"] is None


def test_an_image_at_another_url_is_recognised_by_its_bytes(make_manifest: Make) -> None:
    old = make_manifest(3)
    new = set_value(old, 0, url="http://elsewhere.invalid/0.jpg", candidate_id="f" * 64)
    rows = {row["change"]: row for row in diff_rows(old, new).iter_rows(named=True)}
    assert set(rows) == {"added", "removed"}
    assert rows["added"]["same_bytes_as"] == old["candidate_id"][0]
    assert rows["removed"]["same_bytes_as"] == "f" * 64


def test_two_releases(make_manifest: Make, tmp_path: Path) -> None:
    first = make_release(make_manifest(8), tmp_path, notes={"settings": {"votes": 3}})
    second = make_release(
        relabel(make_manifest(9), 0, 134), tmp_path, notes={"settings": {"votes": 5}, "limitations": ["a"]}
    )
    found = diff_releases(read_release(first), read_release(second))
    assert (found.old, found.new) == ("relaionet-v1", "relaionet-v2")
    assert found.counts == {"added": 1, "removed": 0, "relabelled": 1, "bytes": 0, "votes": 0, "details": 0}
    assert found.unchanged_count == 7
    assert found.notes == ("limitations", "settings")
    classes = {row["wnid"]: row for row in found.classes.iter_rows(named=True)}
    assert classes["n02012849"]["moved_in"] == 1
    assert classes["n01440764"] == {
        "wnid": "n01440764", "class_index": 0, "class_name": "tench", "old_count": 1, "new_count": 0, "added": 0,
        "removed": 0, "moved_in": 0, "moved_out": 1,
    }  # fmt: skip
    for row in classes.values():
        assert row["new_count"] - row["old_count"] == row["added"] - row["removed"] + row["moved_in"] - row["moved_out"]
    same = diff_releases(read_release(first), read_release(first))
    assert same.is_empty()
    assert same.classes.is_empty()


def test_differences_of_another_release_are_refused(make_manifest: Make) -> None:
    rows = diff_rows(make_manifest(4), make_manifest(6))
    with pytest.raises(BadInput, match="2 not new"):
        apply_rows(make_manifest(6), rows)
