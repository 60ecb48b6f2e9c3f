"""The examples in the face's docstrings, which docs/reference/api.md shows, give what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import relaionet as rn

ROOT = Path(__file__).parents[3]


def examples() -> list[doctest.DocTest]:
    modules = [import_module(f"relaionet.{path.stem}") for path in sorted((ROOT / "relaionet").glob("*.py"))
               if path.stem != "__init__"]  # fmt: skip
    found = [one for module in modules for one in doctest.DocTestFinder().find(module, extraglobs={"rn": rn})]
    return [one for one in found if one.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda one: one.name)
def test_an_example_gives_what_it_says(example: doctest.DocTest, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    said: list[str] = []
    done = doctest.DocTestRunner().run(example, out=said.append)
    assert done.attempted
    assert not done.failed, "".join(said)


def test_every_function_of_the_face_has_an_example() -> None:
    shown = {one.name.rpartition(".")[2] for one in examples()}
    functions = {name for name in rn.__all__ if name.islower() and not name.startswith("__")}
    assert functions - shown == {"load_split"}  # shown by its class
    assert "Split" in shown
