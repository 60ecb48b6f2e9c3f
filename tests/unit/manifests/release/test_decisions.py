"""Answers shipped with a release: the votes of every row are theirs, or the release is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.release.decisions import RELEASED_DECISIONS, check_decisions, check_votes, count_votes
from relaionet.manifests.release.release import check_release, make_release
from tests.unit.manifests.conftest import manifest_rows

Make = Callable[[int], pl.DataFrame]
OTHER = "n01443537"


def answers(manifest: pl.DataFrame) -> pl.DataFrame:
    """Answers that give each row its votes; each reviewer first said `unsure` and changed it later."""
    rows = []
    for row in manifest.iter_rows(named=True):
        for number, reviewer in enumerate(row["reviewers"]):
            yes = number < row["yes_count"]
            for minute, choice in enumerate(("unsure", "yes" if yes else "other")):
                rows.append(
                    {
                        "candidate_id": row["candidate_id"], "round": 1, "reviewer": reviewer, "choice": choice,
                        "other_wnid": OTHER if choice == "other" else None, "seconds": 2.0,
                        "at": datetime(2025, 1, 1, 0, minute, tzinfo=UTC), "annotation_id": len(rows) // 2,
                        "proposed_wnid": row["wnid"], "is_control": False, "control_wnid": None,
                    }
                )  # fmt: skip
    return pl.DataFrame(rows, schema=dict(RELEASED_DECISIONS.schema))


def test_answers_travel_with_the_release_and_are_part_of_it(make_manifest: Make, tmp_path: Path) -> None:
    rows = make_manifest(6)
    without = make_release(rows, tmp_path, notes={})
    path = make_release(rows, tmp_path, notes={}, decisions=answers(rows))
    again = make_release(rows, tmp_path, notes={}, decisions=answers(rows).sample(fraction=1, shuffle=True, seed=3))
    assert (without.name, path.name, again.name) == ("relaionet-v1", "relaionet-v2", "relaionet-v2")
    told: list[str] = []
    release = check_release(path, told.append)
    assert release.decisions is not None
    assert release.decisions.sort("annotation_id", "at").equals(answers(rows).sort("annotation_id", "at"))
    assert told[-1] == "36 answers of 3 reviewers: the votes of every row are theirs"
    assert "decisions.parquet" in (path / "README.md").read_text()
    (path / "decisions.parquet").write_bytes(b"x")
    with pytest.raises(Corrupt, match=r"decisions\.parquet is not what"):
        check_release(path)


def test_the_last_answer_counts(make_manifest: Make) -> None:
    rows = make_manifest(4)
    votes = count_votes(answers(rows))
    assert votes.height == 12
    assert "unsure" not in votes["choice"].to_list()
    check_votes(rows, answers(rows))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"votes_count": 2, "yes_count": 2, "selection_frac": 1.0}, "votes_count of .* is 2, but .* holds 3"),
        ({"yes_count": 1}, "yes_count of .* is 1, but .* holds 2"),
        ({"wnid": OTHER, "class_index": 1}, "yes_count of .* is 2, but .* holds 1"),
        ({"reviewers": ["r-1", "r-2", "r-4"]}, "reviewers of .* are not those"),
    ],
)
def test_votes_that_nobody_cast_are_found(
    make_manifest: Make, tmp_path: Path, values: dict[str, object], words: str
) -> None:
    rows = make_manifest(4)
    here = pl.int_range(pl.len()) == 2
    wrong = rows.with_columns(
        pl.when(here).then(pl.lit(value, dtype=rows.schema[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )
    with pytest.raises(Corrupt, match=words):
        make_release(wrong, tmp_path, notes={}, decisions=answers(rows))
    assert list(tmp_path.iterdir()) == []


def test_an_answer_is_for_each_class_it_names(make_manifest: Make) -> None:
    rows = make_manifest(4)
    both = pl.concat_list("proposed_wnid", pl.lit(OTHER)).list.unique()
    yes = pl.col("choice") == "yes"
    among = answers(rows).with_columns(
        pl.when(yes).then(pl.lit("several")).otherwise("choice").alias("choice"), wnids=pl.when(yes).then(both)
    )
    assert check_decisions(among).height == among.height
    check_votes(rows, among)
    with pytest.raises(Corrupt, match=r"yes_count of .* is 2, but .* holds 0"):
        check_votes(rows, among.with_columns(wnids=pl.lit(None, pl.List(pl.String))))
    # classes beside any other answer say nothing
    assert count_votes(answers(rows).with_columns(wnids=both))["wnids"].null_count() == 12
    votes = count_votes(among)
    assert votes.filter(choice="several")["wnid"].null_count() == votes.filter(choice="several").height > 0


def test_who_is_not_counted_is_counted_nowhere(make_manifest: Make, tmp_path: Path) -> None:
    """A review of which one reviewer was flagged is released with his answers, which count for no row."""
    rows = make_manifest(4)
    spam = answers(rows).with_columns(reviewer=pl.lit("spammer"), annotation_id=pl.col("annotation_id") + 1000)
    path = make_release(rows, tmp_path, notes={}, decisions=pl.concat([answers(rows), spam]))
    assert check_release(path).decisions is not None
    here = pl.int_range(pl.len()) == 1
    partly = rows.with_columns(
        reviewers=pl.when(here).then(pl.concat_list("reviewers", pl.lit("spammer"))).otherwise("reviewers")
    )
    with pytest.raises(Corrupt, match=r"votes_count of .* is 3, but .* holds 4"):
        check_votes(partly, pl.concat([answers(rows), spam]))


def test_a_row_without_answers_is_found(make_manifest: Make) -> None:
    rows = make_manifest(3)
    with pytest.raises(Corrupt, match=r"votes_count of .* is 3, but .* holds 0"):
        check_votes(rows, answers(rows.head(2)))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("reviewer", "anna@example.org"), ("reviewer", None), ("candidate_id", "x"), ("choice", "<b>"),
        ("other_wnid", "n0"), ("proposed_wnid", None), ("at", None), ("is_control", None), ("wnids", ["n0"]),
        ("wnids", []), ("wnids", [OTHER, OTHER]), ("wnids", [OTHER, None]),
    ],
)  # fmt: skip
def test_answers_are_a_strangers_too(make_manifest: Make, column: str, value: object) -> None:
    rows = answers(make_manifest(2))
    wrong = rows.with_columns(pl.lit(value, dtype=rows.schema[column]).alias(column))
    with pytest.raises(BadInput, match="decisions: "):
        check_decisions(wrong)
    with pytest.raises(BadInput, match="missing column"):
        check_decisions(rows.drop("choice"))


def test_two_makers_at_once_get_two_versions_or_the_same_one(tmp_path: Path) -> None:
    """Eight threads, four contents: four whole versions, no damage, nothing left over."""
    made: dict[int, list[Path]] = {}
    lock, start = threading.Lock(), threading.Barrier(8)

    def work(number: int) -> None:
        rows = manifest_rows(5 + number % 4)
        start.wait()
        path = make_release(rows, tmp_path, notes={})
        with lock:
            made.setdefault(number % 4, []).append(path)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"relaionet-v{number}" for number in range(1, 5)]
    for number, paths in made.items():
        assert len(set(paths)) == 1
        assert check_release(paths[0]).info.rows_count == 5 + number
