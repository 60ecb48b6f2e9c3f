"""`relaionet evaluate`: a recipe shown, planned or run."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import click

from relaionet.evaluators.generators.requests import make_requests
from relaionet.flows.evaluate import run_evaluate
from relaionet.flows.evaluate_outlook import plan_lines
from relaionet.flows.evaluate_plan import EvaluateRecipe, read_evaluate_recipe, read_rows
from relaionet.flows.recipe import find_recipe
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import write_atomic


def run_command(
    name: str, out: Path | None, split: Path | None, *, is_plan: bool, is_shown: bool, requests: Path | None, on: str
) -> None:
    """Show, plan or run a recipe.

    Args:
        name: file of the recipe, or one that comes with the project.
        out: folder of the evaluation; needed to run it.
        split: in place of the recipe's.
        is_plan: say what would run, only.
        is_shown: print the recipe, only.
        requests: write what is asked for to this file, only.
        on: where images are sampled.

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
    if requests is not None:
        count = write_requests(recipe, requests)
        click.echo(f"{requests}: {count:,} requests. Name each image <sample_id>.png; docs/generators.md, `samples`.")
        return
    if out is None:
        raise BadInput("name the folder to write to: --out DIR; --plan says what would run without one.")
    run_evaluate(recipe, out, on=on)


def write_requests(recipe: EvaluateRecipe, path: Path) -> int:
    """Write what a recipe asks of every generator, a line of JSON each; returns how many.

    Raises:
        BadInput: the split is not there.
    """
    rows, split_name = read_rows(recipe)
    requests = make_requests(rows, base_seed=recipe.base_seed, split_name=split_name, prompt=recipe.prompt)
    write_atomic(path, "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in requests).encode())
    return len(requests)
