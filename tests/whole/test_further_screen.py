"""A screen of another package in a whole run: installed and named in a recipe, and not a line changed besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relaionet.manifests.files import read_json
from relaionet.manifests.store import Store
from relaionet.manifests.tables import COMPARED, MEASURED, SCREENED, alive
from tests.toy_package.install import toy_installed
from tests.whole.conftest import Command

ON = "[screen.more.mostly_green]\nmax_green_frac = 0.2\n"


@dataclass(frozen=True)
class GreenRun:
    """A run without the screen and then, in the same folder, one with it."""

    folder: Path
    before: dict[str, object]
    printed: str


@pytest.fixture(scope="module")
def green(relaionet: Command, source_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GreenRun]:
    folder = tmp_path_factory.mktemp("green") / "run"
    done = relaionet("curate", "--recipe", source_recipe, "--out", folder, "--no-push")
    assert done.returncode == 0, done.stderr[-2000:]
    before = dict(Store(folder).read(SCREENED).select("candidate_id", "status").iter_rows())
    recipe = source_recipe.with_name("green.toml")
    recipe.write_text(source_recipe.read_text() + ON)
    with toy_installed(tmp_path_factory.mktemp("toy")):
        done = relaionet("curate", "--recipe", recipe, "--out", folder, "--no-push")
        assert done.returncode == 0, done.stderr[-2000:]
        yield GreenRun(folder, before, done.stderr + done.stdout)


def test_it_rules_out_what_it_finds_and_nothing_else(green: GreenRun) -> None:
    table = Store(green.folder).read(SCREENED)
    found = table.filter(status="mostly_green")
    assert found.height
    assert (found["green_frac"] > 0.2).all()
    assert set(found["reason"]) == {"more than 20% of the picture is green"}
    assert (alive(table)["green_frac"] <= 0.2).all()
    left = alive(table)["candidate_id"]
    assert not set(left) & {name for name, status in green.before.items() if status not in ("ok", "duplicate")}


def test_summary_record_page_and_trace_tell_of_it(green: GreenRun, relaionet: Command) -> None:
    row = Store(green.folder).read(SCREENED).filter(status="mostly_green").row(0, named=True)
    assert "mostly_green" in green.printed
    record = read_json(green.folder / "run.json")
    assert record["screens"]["mostly_green"] == "over 20% green"
    assert record["recipe"]["screen"]["more"] == {"mostly_green": {"max_green_frac": 0.2}}
    page = (green.folder / "screens.html").read_text(encoding="utf-8")
    for words in ("Mostly green", "over 20% green", "most of the picture is green", "<dt>green frac</dt>"):
        assert words in page, words
    told = relaionet("trace", row["candidate_id"], "--run", green.folder).stdout
    assert "mostly_green" in told
    assert "green_frac" in told


def test_a_second_run_with_it_makes_nothing_and_one_without_it_is_as_before(
    green: GreenRun, relaionet: Command, source_recipe: Path
) -> None:
    paths = [path for table in (MEASURED, COMPARED, SCREENED) for path in (green.folder / table.name).iterdir()]
    times = {path: path.stat().st_mtime_ns for path in paths}
    recipe = source_recipe.with_name("green.toml")
    assert relaionet("curate", "--recipe", recipe, "--out", green.folder, "--no-push").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in paths} == times
    done = relaionet("curate", "--recipe", source_recipe, "--out", green.folder, "--no-push")
    assert done.returncode == 0
    table = Store(green.folder).read(SCREENED)
    assert table.columns == list(SCREENED.columns)
    assert dict(table.select("candidate_id", "status").iter_rows()) == green.before


def test_a_wrong_name_or_setting_is_said_before_anything_is_made(
    green: GreenRun, relaionet: Command, source_recipe: Path, tmp_path: Path
) -> None:
    for table, words in (
        ("[screen.more.mostly_grene]\n", "Did you mean 'mostly_green'?"),
        (ON.replace("max_green_frac", "max_green"), "Did you mean 'max_green_frac'?"),
    ):
        recipe = source_recipe.with_name("wrong.toml")
        recipe.write_text(source_recipe.read_text() + table)
        done = relaionet("curate", "--recipe", recipe, "--out", tmp_path / "out", "--no-push")
        assert done.returncode == 2
        assert words in done.stderr.replace("\n", " ")
        assert not (tmp_path / "out").exists()
