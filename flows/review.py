"""The flow `review`: answers pulled from Label Studio, settled into verdicts; and the commands around it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.annotations.label_studio.client import StudioClient, connect_studio
from relaionet.annotations.label_studio.installation import install_studio
from relaionet.annotations.label_studio.push import PushConfig, PushResult, push_tasks
from relaionet.annotations.label_studio.server import StudioServer, start_studio
from relaionet.annotations.tasks.page import label_config, page_labels
from relaionet.annotations.tasks.tasks import interface_config
from relaionet.flows.console import Reporter
from relaionet.flows.folder_lock import hold_folder
from relaionet.flows.recipe import build
from relaionet.flows.review_pull import PULLED, pull_decisions
from relaionet.flows.stage import Run, as_flow, publish_counts
from relaionet.flows.verdicts import make_next_round, settle_run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import TASKS

if TYPE_CHECKING:
    from relaionet.flows.curate import CurateRecipe

URL, KEY = "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"


@dataclass(frozen=True, kw_only=True)
class Studio:
    """A Label Studio to work with.

    Attributes:
        client: connection under the user's key.
        documents: folder its local-file storage reads, where it runs on this machine; None where images are uploaded.
        server: the local server, where it is one.
    """

    client: StudioClient
    documents: Path | None = None
    server: StudioServer | None = None


def read_run_recipe(root: Path) -> CurateRecipe:
    """The recipe a run was curated with.

    Raises:
        BadInput: the folder holds no curated run.
    """
    from relaionet.flows.curate import CurateRecipe

    if not (root / "run.json").is_file():
        raise BadInput(f"{root} holds no run; make one with `relaionet curate --recipe FILE --out {root}`.")
    record = read_json(root / "run.json")
    if not isinstance(record, dict) or not isinstance(record.get("recipe"), dict):
        raise BadInput(f"{root / 'run.json'} is not that of a curated run; name one with --run.")
    return build(CurateRecipe, record["recipe"], where=str(root / "run.json"))


@contextmanager
def open_studio(run: Run) -> Iterator[Studio]:
    """The user's Label Studio where LABEL_STUDIO_URL is set, else the run's own, started where it does not run yet.

    Raises:
        BadInput: the key is missing or wrong.
        Unavailable: the server does not answer.
    """
    url = os.environ.get(URL)
    if url:
        key = os.environ.get(KEY)
        if not key:
            raise BadInput(f"{URL} is set but {KEY} is not. Take a key from Label Studio's account page and set it.")
        yield Studio(client=connect_studio(url, key))
        return
    install_studio(progress=run.reporter.say)
    run.reporter.say("  Label Studio on this machine: started where it does not run yet …")
    with start_studio(run.root / "studio") as server:
        yield Studio(client=connect_studio(server.url, server.token), documents=server.documents, server=server)


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
            from relaionet.flows.release import release_run

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
