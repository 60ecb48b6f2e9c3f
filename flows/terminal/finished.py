"""A `curate` or an `evaluate` with every stage done, told from what was noted when it ended.

Neither models nor Prefect are imported. Where a Prefect server is set up, the flow is run and shown there as ever.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from relaionet.flows.runs.environment import server_address
from relaionet.flows.runs.finished import Rests, find_finished, rests_on
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.runners import THREADS

if TYPE_CHECKING:  # each command imports its own side when it asks
    from relaionet.flows.curation.recipe import CurateRecipe
    from relaionet.flows.evaluation.recipe import EvaluateRecipe

# kinds of generators that rest on nothing but their file and the weights or pictures it names
FILES_ALONE = ("flow_map", "samples")


def rests_of_curate(recipe: CurateRecipe, *, retry: bool, on: str) -> Rests | None:
    """What a `curate` rests on; None where it must be asked of the stages.

    Args:
        recipe: what to do.
        retry: ask again for images that failed.
        on: where shards are worked on.
    """
    from relaionet.flows.curation.recipe import places_of
    from relaionet.flows.curation.references import reference_root

    asks_others = any("://" in place for place in places_of(recipe.source)) or (
        recipe.neighbours.is_on and recipe.neighbours.folder is None
    )
    if retry or on != THREADS or asks_others:
        return None
    # a proxy changes nothing of what is made, and its address may hold a password
    settings = replace(recipe, download=replace(recipe.download, proxy=None))
    return rests_on("curate", settings, [reference_root(recipe.reference_store)] if recipe.references else [])


def rests_of_evaluate(recipe: EvaluateRecipe, *, on: str, report: bool = True) -> Rests | None:
    """What an `evaluate` rests on; None where it must be asked of the stages.

    Args:
        recipe: what to do.
        on: where images are sampled.
        report: write the page.
    """
    from relaionet.evaluators.generators.registry import BUILT_IN, read_definition

    definitions = [
        read_definition(one.generator, one.options) for one in recipe.generators if one.generator not in BUILT_IN
    ]
    known = [one for one in definitions if one is not None and one.kind in FILES_ALONE]
    if on != THREADS or recipe.raters or recipe.retry_failed or len(known) < len(definitions):
        return None
    named = [one.path.parent / value for one in known for value in one.options.values() if isinstance(value, str)]
    files = [one.path for one in known] + named
    return rests_on("evaluate", recipe, files, report=report, options=[one.options for one in known])


def show_finished_curate(
    recipe: CurateRecipe, out: Path, *, push: bool | None = None, retry: bool = False, on: str = THREADS,
    reporter: Reporter | None = None,
) -> Run | None:  # fmt: skip
    """Say what a run holds where every stage of it is done, and push its tasks; None where something is to be made.

    Args:
        recipe: what to do.
        out: folder of the run.
        push: push the tasks to Label Studio; None pushes where a server is set up.
        retry: ask again for images that failed for a reason that may pass.
        on: where shards are worked on.
        reporter: where it is shown.

    Raises:
        BadInput: the recipe is wrong.
    """
    if not out.is_dir() or server_address() is not None:
        return None
    from relaionet.flows.curation.recipe_checks import check_recipe

    check_recipe(recipe)
    run = Run(root=out, reporter=reporter or Reporter())
    with hold_folder(out):
        if find_finished(run, rests_of_curate(recipe, retry=retry, on=on), f"Curate {recipe.name}") is None:
            return None
        run.reporter.say(f"  {'':<12}report: {out / 'proposals.html'}")
        if push is not False:
            from relaionet.flows.reviewing.push import push_if_possible

            push_if_possible(run, must=bool(push))
    return run


def show_finished_evaluate(
    recipe: EvaluateRecipe, out: Path, *, on: str = THREADS, report: bool = True, reporter: Reporter | None = None
) -> Run | None:
    """Say what an evaluation came to where all of it is done; None where something is to be made.

    Args:
        recipe: what to do.
        out: folder of the evaluation.
        on: where images are sampled.
        report: the page is wanted too.
        reporter: where it is shown.
    """
    if not out.is_dir() or server_address() is not None:
        return None
    run = Run(root=out, reporter=reporter or Reporter())
    with hold_folder(out):
        noted = find_finished(run, rests_of_evaluate(recipe, on=on, report=report), f"Evaluate {recipe.name}")
    if noted is None:
        return None
    run.reporter.say(*noted["said"])
    return run
