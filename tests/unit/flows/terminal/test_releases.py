"""What the release commands print, through the real command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from relaionet.flows.cli.main import main
from relaionet.manifests.labels import read_labels
from relaionet.manifests.release.decisions import RELEASED_DECISIONS
from relaionet.manifests.release.diff import DIFF
from relaionet.manifests.release.release import make_release
from tests.unit.manifests.conftest import manifest_rows


def run(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def fail(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 2, done.output
    return done.output


def voted(rows: pl.DataFrame, choice: str = "yes") -> pl.DataFrame:
    told = [
        {"candidate_id": row["candidate_id"], "round": 1, "reviewer": who, "choice": choice, "other_wnid": None,
         "seconds": 1.0, "at": datetime(2025, 1, 1, tzinfo=UTC), "annotation_id": number * 10 + place,
         "proposed_wnid": row["wnid"], "is_control": False, "control_wnid": None}
        for number, row in enumerate(rows.iter_rows(named=True)) for place, who in enumerate(row["reviewers"])
    ]  # fmt: skip
    return pl.DataFrame(told, schema=dict(RELEASED_DECISIONS.schema))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    first = manifest_rows(9).with_columns(yes_count=pl.col("votes_count"), selection_frac=pl.lit(1.0))
    crane = read_labels()[134]
    second = first.slice(1).with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(value, dtype=first.schema[name])).otherwise(name).alias(name)
        for name, value in {
            "wnid": crane.wnid, "class_index": 134, "class_name": crane.name, "reviewers": ["r-1", "r-2", "r-9"],
        }.items()
    )  # fmt: skip
    make_release(first, tmp_path / "releases", notes={"miniature": True}, decisions=voted(first))
    make_release(second, tmp_path / "releases", notes={"settings": {"agreement": {"votes_needed": 5}}})
    return tmp_path / "releases"


def test_list_and_show(folder: Path) -> None:
    lines = run("release", "list", folder).splitlines()
    assert [line.split()[0] for line in lines] == ["relaionet-v1", "relaionet-v2"]
    assert lines[0].endswith("miniature")
    shown = run("release", "show", folder)
    assert "relaionet-v2" in shown
    assert "8 of 8 classes" in shown
    assert "cite       reLAIONet v2, 8 images, digest" in shown
    assert "This is the miniature" in run("release", "show", folder / "relaionet-v1")
    assert json.loads(run("release", "show", folder, "--json"))["rows_count"] == 8
    assert "no release there" in fail("release", "list", folder / "relaionet-v3")


def test_check_says_what_was_checked(folder: Path) -> None:
    shown = run("release", "check", folder / "relaionet-v1")
    assert shown.count("  ok    ") == 5
    assert "27 answers of 3 reviewers" in shown
    assert "settled again by the rules it states, 9 of 9 labels come out the same" in shown
    assert "relaionet-v1 is whole." in shown
    card = folder / "relaionet-v1" / "README.md"
    card.write_text(card.read_text() + " ")
    assert "README.md is missing or not what release.json says" in fail("release", "check", folder / "relaionet-v1")


def test_rules_that_are_none_are_refused(tmp_path: Path) -> None:
    rows = manifest_rows(3).with_columns(yes_count=pl.col("votes_count"), selection_frac=pl.lit(1.0))
    for number, rules in enumerate(
        ({"votes_neded": 3}, {"posterior": {"rounds_max": 10**9}}, {"posterior": {"alternatives_count": 0}}, [1])
    ):
        path = make_release(
            rows, tmp_path / str(number), notes={"settings": {"agreement": rules}}, decisions=voted(rows)
        )
        assert "notes.settings.agreement" in fail("release", "check", path)


def test_diff_in_words_json_and_rows(folder: Path, tmp_path: Path) -> None:
    old, new = folder / "relaionet-v1", folder / "relaionet-v2"
    shown = run("release", "diff", old, new, "--rows", tmp_path / "rows.parquet")
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "1 removed in the older release only" in lines
    assert "1 relabelled another class, or others beside it" in lines
    assert "7 unchanged" in lines
    assert "notes that differ: miniature, settings" in lines
    (relabelled,) = [line for line in lines if " -> crane bird (n02012849)" in line]
    assert "votes 3/3 -> 3/3, by r-1, r-2, r-9; new: r-9; no longer: r-3" in relabelled
    assert pl.read_parquet(tmp_path / "rows.parquet").schema == DIFF.schema
    told = json.loads(run("release", "diff", old, new, "--json"))
    assert told["counts"] == {"added": 0, "removed": 1, "relabelled": 1, "bytes": 0, "votes": 0, "details": 0}
    (row,) = [row for row in told["rows"] if row["change"] == "relabelled"]
    assert row["new"]["wnid"] == "n02012849"
    assert set(row["old"]) == {"wnid", "class_index", "class_name", "reviewers"}
    assert "the same 9 rows" in run("release", "diff", old, old)


def test_help_teaches(tmp_path: Path) -> None:
    assert "relaionet release diff" in run("release", "--help")
    assert "relaionet adopt imagenetv2-matched-frequency" in run("adopt", "--help")
    assert "no such folder" in fail("release", "diff", tmp_path / "a", tmp_path / "b")
