"""Tasks pushed to Label Studio: only those that are not there yet."""

from __future__ import annotations

import os
from pathlib import Path

from relaionet.annotations.label_studio.push import PushConfig, PushResult, push_tasks
from relaionet.annotations.tasks.page import label_config, page_labels
from relaionet.annotations.tasks.tasks import interface_config
from relaionet.flows.reviewing.settings import ReviewSettings, read_review_settings
from relaionet.flows.reviewing.studio import KEY, URL, Studio, open_studio
from relaionet.flows.reviewing.verdicts import make_next_round
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import TASKS
from relaionet.manifests.words import say_count


def push_if_possible(run: Run, *, must: bool) -> None:
    """Push where a server is set up or running; say how to go on where none is.

    Args:
        run: a run with review tasks, whose folder is held.
        must: push in any case; a server of the run's own is started where there is none.
    """
    if must or os.environ.get(URL):
        settings = read_review_settings(run.root)
        with open_studio(run) as studio:
            push(run, settings, studio)
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
    settings = read_review_settings(root)
    with hold_folder(root):
        if again:
            make_next_round(run, settings, budget=budget)
        with open_studio(run) as studio:
            return push(run, settings, studio, pictures=pictures, restore_page=restore_page)


def push(
    run: Run, settings: ReviewSettings, studio: Studio, *, pictures: str | None = None, restore_page: bool = False
) -> PushResult:
    """Push all rounds' tasks to an open Label Studio."""
    tasks = run.store.read_all(TASKS)
    if tasks.is_empty():
        raise BadInput(f"{run.root} has no tasks; run `relaionet curate` to its end first.")
    page = label_config(
        read_labels() if settings.offer_all_labels else page_labels(tasks),
        interface_config(settings.tasks, references=settings.examples is not None),
    )
    newest = int(tasks["round"].max())  # type: ignore[arg-type]
    overlap = settings.overlap if newest == 1 else settings.overlap_again
    config = PushConfig(
        overlap=overlap, documents=studio.documents, tasks=settings.tasks, references=settings.examples,
        pictures=pictures or settings.pictures, restore_page=restore_page,
    )  # fmt: skip
    with run.reporter.bar("push", tasks.height) as advance:
        result = push_tasks(studio.client, settings.name, tasks, run.images, page, config, progress=advance)
    run.reporter.say(
        f"  {'push':<12}{tasks.height:>7,} = {result.pushed_count:,} pushed + {result.already_there_count:,} there"
    )
    if result.pictures:
        run.reporter.say(f"  pictures are {result.pictures}")
    if result.doubles_count:
        twice = say_count(result.doubles_count, "task stood twice and was", "tasks stood twice and were")
        run.reporter.say(f"  {twice} taken out")
    for number, project in result.projects.items():
        run.reporter.say(f"  round {number}: {studio.client.url}/projects/{project}")
    return result
