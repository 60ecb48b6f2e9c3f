"""Pictures of several classes from the answers into a release, and out of it again by anybody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from relaionet.annotations.agreement.settle import AgreementConfig, settle_votes
from relaionet.annotations.tasks.tasks import make_tasks
from relaionet.flows.reviewing.resettle import compare_labels, settle_again, state_rules, stated_rules
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.release.decisions import join_questions
from relaionet.manifests.release.diff import apply_rows, diff_rows
from relaionet.manifests.release.release import Release, check_release, make_release
from relaionet.manifests.tables import DECISIONS
from relaionet.pipeline.settings import build
from tests.unit.manifests.conftest import manifest_rows

OTHER, THIRD = "n01443537", "n01484850"
ACCEPT = AgreementConfig(several="accept")


def review(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(DECISIONS, TASKS): of every third picture three reviewers say that it shows OTHER as well."""
    asked = rows.select(
        "candidate_id", "wnid", top_wnids=pl.concat_list("wnid"), path=pl.lit("x.jpg"), caption="caption"
    )
    told = []
    for place, (one, wnid) in enumerate(rows.select("candidate_id", "wnid").iter_rows()):
        for reviewer in ("r-1", "r-2", "r-3"):
            several = sorted({wnid, OTHER}) if place % 3 == 0 and wnid != OTHER else None
            told.append(
                {
                    "candidate_id": one, "round": 1, "reviewer": reviewer, "choice": "several" if several else "yes",
                    "wnids": several, "seconds": 2.0, "annotation_id": len(told),
                    "at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(told)),
                }
            )  # fmt: skip
    return pl.DataFrame(told, schema=dict(DECISIONS.schema)), make_tasks(asked)


def release(folder: Path, rules: AgreementConfig) -> Release:
    """A release of what the rules accept."""
    rows = manifest_rows(9)
    decisions, tasks = review(rows)
    verdicts = settle_votes(decisions, tasks, rules).filter(status="accept")
    settled = ("wnids", "votes_count", "yes_count", "selection_frac", "confidence", "reviewers")
    manifest = rows.drop(settled).join(verdicts.select("candidate_id", *settled), on="candidate_id")
    notes = {"settings": {"agreement": state_rules(rules)}}
    return check_release(make_release(manifest, folder, notes=notes, decisions=join_questions(decisions, tasks)))


def test_a_release_of_several_classes_is_settled_again_the_same(tmp_path: Path) -> None:
    made = release(tmp_path, ACCEPT)
    assert made.manifest.height == 9
    several = made.manifest.drop_nulls("wnids")
    assert several.height == 3
    assert all(OTHER in wnids and wnid in wnids for wnid, wnids in several.select("wnid", "wnids").iter_rows())
    assert made.manifest["yes_count"].to_list() == [3] * 9
    assert stated_rules(made) == ACCEPT
    assert compare_labels(made) == (9, [])
    assert settle_again(made)["wnids"].null_count() == 6


def test_a_class_nobody_settled_on_is_found(tmp_path: Path) -> None:
    made = release(tmp_path / "made", ACCEPT)
    first = made.manifest["candidate_id"][0]
    for name, wnids in (
        ("added", pl.concat_list("wnid", pl.lit(THIRD))),
        ("dropped", pl.lit(None, pl.List(pl.String))),
    ):
        wrong = made.manifest.with_columns(wnids=wnids)
        path = make_release(wrong, tmp_path / name, notes=made.info.notes, decisions=made.decisions)
        same, differ = compare_labels(check_release(path))
        assert same + len(differ) == 9
        assert (first in differ) == (name == "added" or made.manifest["wnids"][0] is not None)
    less = made.manifest.with_columns(yes_count=pl.lit(2, pl.Int32), selection_frac=2 / 3)
    with pytest.raises(Corrupt, match=r"yes_count of .* is 2"):
        make_release(less, tmp_path / "less", notes=made.info.notes, decisions=made.decisions)


def test_the_card_and_a_comparison_tell_them(tmp_path: Path) -> None:
    made, usual = release(tmp_path / "sets", ACCEPT), release(tmp_path / "usual", AgreementConfig())
    assert (
        "3 images show several classes (`wnids`), one of which is the label." in (made.path / "README.md").read_text()
    )
    assert "one label per image." in (usual.path / "README.md").read_text()
    alone = made.manifest.with_columns(wnids=pl.lit(None, pl.List(pl.String)))
    rows = diff_rows(alone, made.manifest)
    assert rows["change"].to_list() == ["relabelled"] * 3
    assert apply_rows(alone, rows).equals(made.manifest)
    assert rows["changed"].to_list() == [["wnids"]] * 3


def test_by_default_a_release_is_what_it_was(tmp_path: Path) -> None:
    made = release(tmp_path, AgreementConfig())
    assert made.manifest.height == 6
    assert made.manifest["wnids"].null_count() == 6
    assert "several" not in made.info.notes["settings"]["agreement"]
    assert stated_rules(made) == AgreementConfig()
    assert compare_labels(made) == (6, [])


def test_a_recipe_says_which(tmp_path: Path) -> None:
    assert build(AgreementConfig, {"several": "accept"}, where="recipe") == ACCEPT
    for wrong in ("both", True, None):
        with pytest.raises(BadInput, match="several"):
            build(AgreementConfig, {"several": wrong}, where="recipe")
