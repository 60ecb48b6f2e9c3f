"""`relaionet evaluate`: a recipe shown, planned or run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from relaionet.flows.evaluate import run_evaluate
from relaionet.flows.evaluate_outlook import plan_lines
from relaionet.flows.evaluate_plan import read_evaluate_recipe
from relaionet.flows.recipe import find_recipe
from relaionet.manifests.errors import BadInput


def run_command(name: str, out: Path | None, split: Path | None, *, is_plan: bool, is_shown: bool) -> None:
    """Show, plan or run a recipe.

    Args:
        name: file of the recipe, or one that comes with the project.
        out: folder of the evaluation; needed to run it.
        split: in place of the recipe's.
        is_plan: say what would run, only.
        is_shown: print the recipe, only.

    Raises:
        BadInput: the recipe is wrong, or there is nowhere to write to.
    """
    if is_shown:
        click.echo(find_recipe(name).read_text(encoding="utf-8").rstrip())
        return
    recipe = read_evaluate_recipe(name)
    if split is not None:
        recipe = replace(recipe, split=split)
    if is_plan:
        for line in plan_lines(recipe):
            click.echo(line)
        return
    if out is None:
        raise BadInput("name the folder to write to: --out DIR; --plan says what would run without one.")
    run_evaluate(recipe, out)
