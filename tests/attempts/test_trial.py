"""A trial notices what gets in: where a door is taken out, the attempts at it are ways in."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attempts import trial
from tests.attempts.attempt import Attempt
from tests.attempts.collected import attempts_of
from tests.attempts.table import cell, code, visible
from tests.attempts.trial import try_one


def attempt(run: Callable[[Path], str]) -> Attempt:
    return Attempt(name="n", kind="k", input_shown="i", expected="e", run=run)


def test_what_is_raised_is_a_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "PEAK_BYTES", 1 << 60)  # what other tests made this process hold is not looked at

    def get_in(folder: Path) -> str:
        assert folder.exists()
        assert not list(folder.iterdir())
        raise ValueError("inside")

    found = try_one(attempt(get_in))
    assert (found.way_in, found.happened) == (True, "ValueError: inside")
    held = try_one(attempt(lambda _folder: "refused"))
    assert (held.way_in, held.happened) == (False, "refused")
    assert held.peak_bytes > 1_000_000


# module of attempts, kind of attempts, where the door is, its name, at least so many ways in without it
DOORS = [
    ("texts.terminal", "Terminal: progress of a flow", "relaionet.flows.runs.reporter", "show_text", 20),
    ("texts.terminal", "Terminal: errors and tracebacks", "relaionet.manifests.errors", "show_text", 20),
    ("texts.pages", "Pages: addresses of links and pictures", "relaionet.flows.pages.frame", "PATH", 10),
    ("texts.documents", "Markdown: a release's card", "relaionet.manifests.release.card", "escape_markdown", 15),
    ("texts.documents", "YAML: front matter of a card", "relaionet.pipeline.exports.card", "escape_yaml", 15),
    ("texts.documents", "LaTeX: leaderboards", "relaionet.flows.pages.evaluation.table_files", "escape_latex", 15),
    ("texts.documents", "JSON-LD: Croissant metadata", "relaionet.pipeline.exports.card", "safe_link", 5),
    ("texts.documents", "Charts: titles", "relaionet.flows.pages.charts.reliability", "chart_text", 2),
    ("texts.tables", "Spreadsheets: the mapping file", "relaionet.pipeline.adoption.mapping", "escape_csv", 15),
    ("texts.tables", "Label Studio: captions of tasks", "relaionet.annotations.tasks.tasks", "one_line", 5),
]


class AnyText:
    """A pattern that fits everything."""

    def fullmatch(self, text: str) -> bool:
        return True


@pytest.mark.parametrize(("module", "kind", "place", "door", "least"), DOORS, ids=lambda one: str(one)[:40])
def test_attempts_get_in_where_there_is_no_door(
    monkeypatch: pytest.MonkeyPatch, module: str, kind: str, place: str, door: str, least: int
) -> None:
    attempts = [one for one in attempts_of(module) if one.kind == kind]
    is_pattern = door.isupper()
    open_door = AnyText() if is_pattern else lambda text, *_given, **_named: text
    monkeypatch.setattr(importlib.import_module(place), door, open_door)
    assert sum(try_one(one).way_in for one in attempts) >= least


def test_the_table_shows_and_does_nothing() -> None:
    assert visible("a\x1b\u202e\ud800") == "a\\x1b\\u202e\\ud800"
    assert cell("<b>|`*") == "&#60;b&#62;&#124;&#96;&#42;"
    assert code("a|b`c``d") == "``` a\\|b`c``d ```"
    assert code("x" * 200).endswith("…`")
