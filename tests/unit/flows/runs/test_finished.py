"""A finished run is known by what it rested on, and by nothing less."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from relaionet.flows.runs import finished
from relaionet.flows.runs.finished import NOTED, describe_tree, find_finished, note_finished, rests_on
from relaionet.flows.runs.run import Run, StageCount


@dataclass(frozen=True, kw_only=True)
class Recipe:
    source: str
    encoder: str = "miniature"
    reference: Path | None = None
    options: dict[str, Any] = field(default_factory=dict)


COUNT = StageCount(
    stage="candidates", rows_in=3, statuses={"ok": 2, "gone": 1}, reasons={"gone": {"HTTP 404": 1}}, seconds=1.5,
    done=False,
)  # fmt: skip


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "rows.parquet").write_bytes(b"rows")
    pictures = tmp_path / "pictures" / "n01440764"
    pictures.mkdir(parents=True)
    (pictures / "1.jpg").write_bytes(b"one")
    return Recipe(source=str(tmp_path / "rows.parquet"), reference=tmp_path / "pictures")


@pytest.fixture
def run(tmp_path: Path, recipe: Recipe) -> Run:
    run = Run(root=tmp_path / "run", counts=[COUNT])
    (run.root / "candidates").mkdir(parents=True)
    (run.root / "candidates" / "all.parquet").write_bytes(b"table")
    (run.root / "page.html").write_text("page")
    note_finished(run, rests_on("curate", recipe), said=["a line"])
    return run


def found(run: Run, recipe: Recipe, **options: Any) -> dict[str, Any] | None:
    return find_finished(Run(root=run.root), rests_on("curate", recipe, **options), "Curate")


def test_what_did_not_change_is_found_with_its_counts(run: Run, recipe: Recipe) -> None:
    again = Run(root=run.root)
    noted = find_finished(again, rests_on("curate", recipe), "Curate")
    assert noted is not None
    assert noted["said"] == ["a line"]
    assert [(one.stage, one.rows_in, one.statuses, one.reasons, one.done) for one in again.counts] == [
        ("candidates", 3, {"ok": 2, "gone": 1}, {"gone": {"HTTP 404": 1}}, True)
    ]
    assert found(run, recipe) is not None  # looking changes nothing


def same_size_and_time(path: Path) -> None:
    """What a hostile or careless program does: other bytes, every time it can set as before."""
    about = path.stat()
    path.write_bytes(b"x" * about.st_size)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a source of other bytes": lambda root: same_size_and_time(root / "rows.parquet"),
    "a source exchanged": lambda root: (root / "other").write_bytes(b"rows") and (root / "other").replace(
        root / "rows.parquet"
    ),
    "a source gone": lambda root: (root / "rows.parquet").unlink(),
    "a picture more": lambda root: (root / "pictures" / "n01440764" / "2.jpg").write_bytes(b"two"),
    "a picture of other bytes": lambda root: same_size_and_time(root / "pictures" / "n01440764" / "1.jpg"),
    "a table of other bytes": lambda root: same_size_and_time(root / "run" / "candidates" / "all.parquet"),
    "a table gone": lambda root: (root / "run" / "candidates" / "all.parquet").unlink(),
    "a page gone": lambda root: (root / "run" / "page.html").unlink(),
    "a table more": lambda root: (root / "run" / "decisions.parquet").write_bytes(b"new"),
    "no note": lambda root: (root / "run" / NOTED).unlink(),
    "a note cut short": lambda root: (root / "run" / NOTED).write_text("{"),
    "another's note": lambda root: (root / "run" / NOTED).write_text("[]"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changed_the_stages_are_asked(what: str, tmp_path: Path, run: Run, recipe: Recipe) -> None:
    CHANGES[what](tmp_path)
    assert found(run, recipe) is None


@pytest.mark.parametrize(
    "other", [{"encoder": "another"}, {"options": {"batch_size": 2}}, {"source": "elsewhere.parquet"}]
)
def test_other_settings_are_another_run(other: dict[str, Any], run: Run, recipe: Recipe) -> None:
    asked = Recipe(**{"source": recipe.source, "reference": recipe.reference, **other})
    assert found(run, asked) is None
    assert found(run, recipe, report=False) is None
    assert find_finished(Run(root=run.root), rests_on("evaluate", recipe), "") is None


def test_other_code_or_packages_are_another_run(run: Run, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = describe_tree
    monkeypatch.setattr(
        finished, "describe_tree", lambda place: "edited" if place.name == "evaluators" else usual(place)
    )
    assert found(run, recipe) is None
    monkeypatch.undo()
    assert found(run, recipe) is not None
    monkeypatch.setattr(finished.sys, "version", "4.0")
    assert found(run, recipe) is None


@pytest.mark.parametrize("encoder", ["package.module:make", "mine.py:make", "/a/b c/mine.py:make", "hf-hub:org/model"])
def test_what_rests_on_code_or_on_a_server_is_never_known(encoder: str, run: Run, recipe: Recipe) -> None:
    asked = Recipe(source=recipe.source, encoder=encoder)
    assert rests_on("curate", asked) is None
    note_finished(run, None)
    assert not (run.root / NOTED).exists()


def test_a_package_that_adds_things_is_code_too(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    class Points:
        groups = ("console_scripts", "relaionet.screens")

    monkeypatch.setattr(finished.metadata, "entry_points", Points)
    assert rests_on("curate", recipe) is None


@pytest.mark.parametrize("text", ["a photo of a {name}: {gloss}", "C: a note", "x" * 5000, "a\0b"])
def test_texts_that_are_no_paths_are_texts(text: str, recipe: Recipe) -> None:
    asked = [Recipe(source=recipe.source, options={"prompt": one}) for one in (text, f"{text}.")]
    first, second = (rests_on("curate", one) for one in asked)
    assert first is not None
    assert second is not None
    assert first.digest != second.digest


def test_a_link_is_looked_at_with_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "card").write_text("one")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "release").symlink_to(tmp_path / "v1")
    before = describe_tree(tmp_path / "run")
    assert describe_tree(tmp_path / "run") == before
    same_size_and_time(tmp_path / "v1" / "card")
    assert describe_tree(tmp_path / "run") != before
