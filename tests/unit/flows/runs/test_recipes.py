"""Recipes: what is right is read, what is wrong is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from relaionet.flows.curation.recipe import CurateRecipe, read_curate_recipe, read_run_recipe
from relaionet.flows.runs.recipes import demo_recipe_file, find_recipe, read_recipe
from relaionet.flows.runs.run_record import write_run_record
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.proposals.calibration_fit import CalibrateConfig
from relaionet.pipeline.settings import build


@dataclass(frozen=True, kw_only=True)
class Inner:
    min_side_px: int = 64
    policy: Literal["exact", "same_picture"] = "exact"


@dataclass(frozen=True, kw_only=True)
class Outer:
    source: str
    guidance: tuple[float, ...] = (1.0,)
    proxy: str | None = None
    folder: Path | None = None
    inner: Inner = field(default_factory=Inner)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def test_reads_nested_values_and_keeps_defaults(tmp_path: Path) -> None:
    text = 'source = "a"\nguidance = [1, 2.5]\nfolder = "x/y"\n[inner]\nmin_side_px = 3\n'
    recipe = read_recipe(written(tmp_path, text), Outer)
    assert recipe == Outer(source="a", guidance=(1.0, 2.5), folder=Path("x/y"), inner=Inner(min_side_px=3))
    assert isinstance(recipe.guidance[0], float)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('source = "a"\n[inner]\nmin_sid_px = 3', ["inner", "min_sid_px", "Did you mean 'min_side_px'"]),
        ("guidance = [1]", ["missing key 'source'"]),
        ("source = 3", ["source is 3", "str"]),
        ('source = "a"\nguidance = ["x"]', ["guidance[0]", "'x'", "float"]),
        ('source = "a"\n[inner]\npolicy = "loose"', ["policy", "'exact'", "'same_picture'"]),
        ('source = "a"\ninner = 3', ["inner is 3", "table"]),
        ('source = "a"\n[inner]\nmin_side_px = true', ["min_side_px is True"]),
        ('source = "a', ["is no TOML"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        read_recipe(written(tmp_path, text), Outer)
    for word in [*words, "recipe.toml"]:
        assert word in str(caught.value)


def test_a_recipe_that_is_not_there_says_where_to_find_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no file"):
        find_recipe(str(tmp_path / "nothing.toml"))


def test_binary_file_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="is no TOML"):
        read_recipe(path, Outer)


def test_the_demos_recipes_can_be_read() -> None:
    from relaionet.flows.curation.recipe import CurateRecipe
    from relaionet.flows.evaluation.recipe import EvaluateRecipe

    assert read_recipe(demo_recipe_file("miniature"), CurateRecipe).encoder == "miniature"
    assert len(read_recipe(demo_recipe_file("evaluate-miniature"), EvaluateRecipe).generators) == 4


def test_build_says_where(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="here: inner: unknown key"):
        build(Outer, {"source": "a", "inner": {"nothing_like_it": 1}}, where="here")


def test_what_a_run_writes_down_of_its_recipe_is_read_back_whole(tmp_path: Path) -> None:
    recipe = CurateRecipe(source=("a.parquet", "b.parquet"), calibrate=CalibrateConfig(reviews=(Path("earlier"),)))
    record = write_run_record(tmp_path, recipe)
    assert record["recipe_digest"]
    assert read_run_recipe(tmp_path) == recipe


def test_a_recipe_may_be_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'name = "mine"\nsource = "rows.parquet"\nencoder = "miniature"\n'
    (tmp_path / "mine.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert read_curate_recipe(text) == read_curate_recipe(str(tmp_path / "mine.toml"))
    with pytest.raises(BadInput, match=r"given as text.*sourc"):
        read_curate_recipe('name = "mine"\nsourc = "rows.parquet"\n')
    with pytest.raises(BadInput, match="given as text is no TOML"):
        read_curate_recipe("name\n= 3")
