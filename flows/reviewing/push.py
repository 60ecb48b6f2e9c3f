"""Tasks pushed to Label Studio: only those that are not there yet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from relaionet.annotations.label_studio.push import PushConfig, PushResult, push_tasks
from relaionet.annotations.tasks.page import label_config, page_labels
from relaionet.annotations.tasks.tasks import interface_config
from relaionet.flows.curation.recipe import read_run_recipe
from relaionet.flows.reviewing.studio import KEY, URL, Studio, open_studio
from relaionet.flows.reviewing.verdicts import make_next_round
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import TASKS

if TYPE_CHECKING:
    from relaionet.flows.curation.recipe import CurateRecipe


def push_if_possible(run: Run, *, must: bool) -> None:
    """Push where a server is set up or running; say how to go on where none is."""
    if must or os.environ.get(URL):
        run_push(run.root, reporter=run.reporter)
        return
    run.reporter.say(
        f"\nNext: `relaionet review serve --run {run.root}` in a second terminal and `relaionet review push "
        f"--run {run.root}` here; or set {URL} and {KEY}."
    )


def run_push(
    root: Path, *, again: bool = False, budget: int | None = None, pictures: str | None = None,
    restore_page: bool = False, reporter: Reporter | None = None,
) -> PushResult:  # fmt: skip
    """Push a run's tasks; what is there already is not pushed again.

    Args:
        root: folder of the run.
        again: first make a further round of the pictures that are undecided.
        budget: answers the further round may ask for in all; None asks about every undecided picture.
        pictures: where the server takes pictures from; None as the recipe says. See `PushConfig`.
        restore_page: put back the page of projects whose labelling config was changed.
        reporter: where progress is shown.
    """
    run = Run(root=root, reporter=reporter or Reporter())
    recipe = read_run_recipe(root)
    with hold_folder(root):
        if again:
            make_next_round(run, recipe, budget=budget)
        with open_studio(run) as studio:
            return push(run, recipe, studio, pictures=pictures, restore_page=restore_page)


def push(
    run: Run, recipe: CurateRecipe, studio: Studio, *, pictures: str | None = None, restore_page: bool = False
) -> PushResult:
    """Push all rounds' tasks to an open Label Studio."""
    tasks = run.store.read_all(TASKS)
    if tasks.is_empty():
        raise BadInput(f"{run.root} has no tasks; run `relaionet curate` to its end first.")
    page = label_config(
        read_labels() if recipe.offer_all_labels else page_labels(tasks),
        interface_config(recipe.tasks, references=recipe.examples is not None),
    )
    newest = int(tasks["round"].max())  # type: ignore[arg-type]
    overlap = recipe.overlap if newest == 1 else recipe.overlap_again
    config = PushConfig(
        overlap=overlap, documents=studio.documents, tasks=recipe.tasks, references=recipe.examples,
        pictures=pictures or recipe.pictures, restore_page=restore_page,
    )  # fmt: skip
    with run.reporter.bar("push", tasks.height) as advance:
        result = push_tasks(studio.client, recipe.name, tasks, run.images, page, config, progress=advance)
    run.reporter.say(
        f"  {'push':<12}{tasks.height:>7,} = {result.pushed_count:,} pushed + {result.already_there_count:,} there"
    )
    if result.pictures:
        run.reporter.say(f"  pictures are {result.pictures}")
    if result.doubles_count:
        run.reporter.say(f"  {result.doubles_count:,} tasks stood twice and were taken out")
    for number, project in result.projects.items():
        run.reporter.say(f"  round {number}: {studio.client.url}/projects/{project}")
    return result
