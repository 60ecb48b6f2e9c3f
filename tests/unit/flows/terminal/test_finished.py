"""What a `curate` and an `evaluate` rest on, and when only their stages can tell."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.evaluation.recipe import EvaluateRecipe, GeneratorEntry, RaterEntry
from relaionet.flows.runs.runners import THREADS
from relaionet.flows.terminal.finished import rests_of_curate, rests_of_evaluate, show_finished_curate
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.neighbours.queries import NeighboursConfig

SAMPLES = 'type = "samples"\nname = "theirs"\npath = "pictures"\n'


def curate(**more: Any) -> CurateRecipe:
    return CurateRecipe(source="rows.parquet", encoder="miniature", **more)


def rests(recipe: CurateRecipe) -> str | None:
    found = rests_of_curate(recipe, retry=False, on=THREADS)
    return found and found.digest


def test_a_proxy_changes_nothing_and_everything_else_does() -> None:
    usual = rests(curate())
    assert usual is not None
    assert rests(curate(download=DownloadConfig(proxy="http://me:secret@host:1"))) == usual
    assert rests(curate(download=DownloadConfig(retries=9))) not in (None, usual)
    assert rests(curate(overlap=5)) not in (None, usual)


@pytest.mark.parametrize(
    "recipe",
    [
        replace(curate(), source="https://host.example/rows.parquet"),
        replace(curate(), source=("rows.parquet", "hf://datasets/owner/name")),
        replace(curate(), encoder="package.module:make"),
        replace(curate(), encoder="hf-hub:organisation/model"),
        replace(curate(), neighbours=NeighboursConfig(service="http://127.0.0.1:1")),
    ],
)
def test_what_lies_elsewhere_is_asked_each_time(recipe: CurateRecipe) -> None:
    assert rests(recipe) is None


def test_what_asks_for_more_than_is_there_is_run() -> None:
    assert rests_of_curate(curate(), retry=True, on=THREADS) is None
    assert rests_of_curate(curate(), retry=False, on="ray") is None


def evaluate(generator: str, **more: Any) -> EvaluateRecipe:
    return EvaluateRecipe(split=Path("split"), generators=(GeneratorEntry(generator=generator),), **more)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").write_bytes(b"one")
    (tmp_path / "theirs.toml").write_text(SAMPLES)
    return tmp_path / "theirs.toml"


def test_pictures_of_samples_are_looked_at(samples: Path) -> None:
    recipe = evaluate(str(samples))
    first, same = (rests_of_evaluate(recipe, on=THREADS) for _ in range(2))
    assert first is not None
    assert first == same
    (samples.parent / "pictures" / "2.png").write_bytes(b"two")
    assert rests_of_evaluate(recipe, on=THREADS) not in (None, first)
    second = rests_of_evaluate(recipe, on=THREADS)
    samples.write_text(SAMPLES + 'licence = "other"\n')
    assert rests_of_evaluate(recipe, on=THREADS) not in (None, second)


@pytest.mark.parametrize(("kind", "about"), [("command", 'command = ["a"]'), ("http", 'url = "http://127.0.0.1:1"')])
def test_generators_of_others_are_asked(kind: str, about: str, tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(f'type = "{kind}"\nname = "one"\n{about}\n')
    assert rests_of_evaluate(evaluate(str(tmp_path / "one.toml")), on=THREADS) is None
    assert rests_of_evaluate(evaluate("package.module:make"), on=THREADS) is None


def test_raters_and_retries_are_asked() -> None:
    assert rests_of_evaluate(evaluate("miniature-flow"), on=THREADS) is not None
    assert rests_of_evaluate(evaluate("miniature-flow", retry_failed=True), on=THREADS) is None
    rater = RaterEntry(metric="m", command=("a",))
    assert rests_of_evaluate(evaluate("miniature-flow", raters=(rater,)), on=THREADS) is None


def test_a_server_of_the_users_own_is_shown_the_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert show_finished_curate(curate(), tmp_path) is None


# what each of these commands imports before it has anything to do, in a process of its own
MODULES = (
    "relaionet.flows.terminal.review_status", "relaionet.flows.terminal.review_pull", "relaionet.flows.reviewing.push",
    "relaionet.flows.terminal.finished", "relaionet.flows.curation.recipe_checks", "relaionet.flows.evaluation.recipe",
)  # fmt: skip


def test_small_commands_import_neither_models_nor_prefect() -> None:
    program = f"import sys, importlib; [importlib.import_module(name) for name in {MODULES}]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"torch", "prefect", "open_clip", "transformers", "matplotlib", "scipy", "pandas", "ray"} == set()
    assert "polars" in loaded
