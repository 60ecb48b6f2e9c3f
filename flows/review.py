"""The flow `review`: answers pulled from Label Studio, settled into verdicts; and the commands around it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.flows.curation.recipe import read_run_recipe
from relaionet.flows.reviewing.pull import PULLED, pull_decisions
from relaionet.flows.reviewing.studio import Studio, open_studio
from relaionet.flows.reviewing.verdicts import settle_run
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.stages import as_flow, publish_counts

if TYPE_CHECKING:
    from relaionet.flows.curation.recipe import CurateRecipe


def run_review(
    root: Path, *, release: bool = False, vectors: bool = False, full: bool = False, reporter: Reporter | None = None
) -> Run:
    """Pull, settle, and say what is left; release the accepted rows where asked to."""
    run = Run(root=root, reporter=reporter or Reporter())
    recipe = read_run_recipe(root)
    with hold_folder(root):
        if full:
            (root / PULLED).unlink(missing_ok=True)
        with open_studio(run) as studio:
            review(run, recipe, studio)
        if release:
            from relaionet.flows.reviewing.release import release_run

            release_run(run, recipe, vectors=vectors)
    return run


def review(run: Run, recipe: CurateRecipe, studio: Studio) -> pl.DataFrame:
    """The flow: answers pulled and settled into verdicts."""

    def pull_and_settle() -> pl.DataFrame:
        run.reporter.headline(f"Review {recipe.name}")
        pull_decisions(run, recipe, studio.client)
        verdicts = settle_run(run, recipe)
        publish_counts(run, "review")
        return verdicts

    return as_flow("review", pull_and_settle, title=recipe.name, out=str(run.root))
