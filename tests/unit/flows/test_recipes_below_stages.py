"""Recipes lie below stages: only the flow, the recipe's own modules and the command line know a whole recipe."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("manifests", "pipeline", "annotations", "evaluators", "flows", "relaionet")
# the last two do a part of the flow again, and tell the flow from its end
MAY_TAKE_IT = (
    "flows/curate.py", "flows/cli/", "flows/curation/recipe", "flows/reviewing/refit.py", "flows/terminal/finished.py"
)  # fmt: skip
# what a parameter named `recipe` may be elsewhere: another flow's recipe, or the name of a file
OTHERS = frozenset({"EvaluateRecipe", "EmbedRecipe", "str", "str | Path", "Path"})
# of the evaluation and the embedding, which have recipes of their own
RECIPE = "CurateRecipe"


def sources() -> list[Path]:
    return sorted(
        path
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if not path.relative_to(ROOT).as_posix().startswith(MAY_TAKE_IT)
    )


def parameters(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """Name, annotation as text (without quotes) and line of every parameter of every function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            every = node.args
            found = [*every.posonlyargs, *every.args, *every.kwonlyargs]
            for one in [*found, *(extra for extra in (every.vararg, every.kwarg) if extra is not None)]:
                kind = ast.unparse(one.annotation) if one.annotation is not None else ""
                yield one.arg, kind.strip("'\""), node.lineno


def faults(text: str) -> list[str]:
    """Parameters that are, or may hide, a whole recipe of `curate`; fields of such a type, too."""
    tree = ast.parse(text)
    found = [
        f"line {line}: {name}: {kind or 'no type'}"
        for name, kind, line in parameters(tree)
        if RECIPE in kind or (name == "recipe" and kind not in OTHERS)
    ]
    fields = [node for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)]
    return found + [
        f"line {node.lineno}: {ast.unparse(node)}" for node in fields if RECIPE in ast.unparse(node.annotation)
    ]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_stage_takes_a_whole_recipe(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f(run, settings: CurateRecipe): ...",
        "def f(*, settings: 'CurateRecipe | None' = None): ...",
        "def f(recipe): ...",
        "def f(recipe: Any): ...",
        "f = lambda recipe: recipe.name",
        "class A:\n    settings: recipe_module.CurateRecipe",
    ],
)
def test_a_whole_recipe_is_found(text: str) -> None:
    assert len(faults(text)) == 1


def test_what_names_another_recipe_or_a_file_is_none() -> None:
    assert faults("def f(recipe: EvaluateRecipe, file: Path): ...\ndef g(recipe: str): ...") == []


def test_the_recipe_imports_no_stage() -> None:
    tree = ast.parse((ROOT / "flows" / "curation" / "recipe.py").read_text(encoding="utf-8"))
    flows = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("relaionet.flows")
    }
    assert flows <= {"relaionet.flows.runs.recipes"}
    assert flows


def test_runs_know_nothing_of_curation() -> None:
    for path in (ROOT / "flows" / "runs").glob("*.py"):
        assert "relaionet.flows.curation" not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("path", sorted((ROOT / "flows" / "curation").glob("*.py")), ids=lambda path: path.name)
def test_no_model_lives_in_a_global_of_a_stage(path: Path) -> None:
    """What is loaded belongs to the flow's `RunModels`; a mapping or a lock at module level would keep it for ever."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kept = [
        ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and node.value is not None
        and (
            (isinstance(node.value, ast.Dict) and not node.value.keys)
            or (isinstance(node.value, ast.Call) and "Lock" in ast.unparse(node.value.func))
        )
    ]
    assert kept == []
