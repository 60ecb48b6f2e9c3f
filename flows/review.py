"""The flow `review`: answers pulled from Label Studio, settled into verdicts; and the commands around it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.annotations import agreement as votes
from relaionet.annotations.installation import install_studio
from relaionet.annotations.interface import label_config, page_labels
from relaionet.annotations.projects import read_progress
from relaionet.annotations.server import StudioServer, start_studio
from relaionet.annotations.studio import StudioClient, connect_studio
from relaionet.annotations.task_push import PushConfig, PushResult, push_tasks
from relaionet.annotations.tasks import answered_tasks, interface_config, make_tasks
from relaionet.flows.console import Reporter
from relaionet.flows.curate_stages import read_controls
from relaionet.flows.folder_lock import hold_folder
from relaionet.flows.recipe import build
from relaionet.flows.review_pull import PULLED, pull_decisions
from relaionet.flows.stage import Run, as_flow, input_digest, publish_counts
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.manifests.store import digest_of, read_json
from relaionet.manifests.tables import DECISIONS, TASKS, VERDICTS

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
    root: Path, *, again: bool = False, pictures: str | None = None, restore_page: bool = False,
    reporter: Reporter | None = None,
) -> PushResult:  # fmt: skip
    """Push a run's tasks; what is there already is not pushed again.

    Args:
        root: folder of the run.
        again: first make a further round of the pictures that are undecided.
        pictures: where the server takes pictures from; None as the recipe says. See `PushConfig`.
        restore_page: put back the page of projects whose labelling config was changed.
        reporter: where progress is shown.
    """
    run = Run(root=root, reporter=reporter or Reporter())
    recipe = read_run_recipe(root)
    with hold_folder(root):
        if again:
            make_next_round(run, recipe)
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


def make_next_round(run: Run, recipe: CurateRecipe) -> int:
    """Tasks of a further round for the pictures that are undecided; returns how many."""
    verdicts = run.store.read_all(VERDICTS)
    again = verdicts.filter(pl.col("status") == "again")
    tasks = run.store.read_all(TASKS)
    if again.is_empty():
        raise BadInput(f"{run.root}: no picture is undecided; pull the answers first, or release.")
    finished = answered_tasks(tasks, run.store.read_all(DECISIONS), recipe.overlap, recipe.overlap_again)
    rows = again.select("candidate_id").join(finished, on="candidate_id", maintain_order="left").rename(
        {"proposed_wnid": "wnid", "runner_up_wnids": "top_wnids", "image_path": "path"}
    ).drop("answers_wanted_count")  # fmt: skip
    if rows.is_empty():
        raise BadInput(
            f"{run.root}: the {again.height:,} undecided pictures still wait for answers of the rounds there are; "
            "finish those and pull first."
        )
    waiting = again.height - rows.height
    run.reporter.say(f"  {'again':<12}{again.height:>7,} = {rows.height:,} asked again + {waiting:,} still open")
    number = int(tasks["round"].max()) + 1  # type: ignore[arg-type, operator]
    controls = read_controls(recipe.controls, run.images)
    digest = digest_of(
        rows["candidate_id"].sort().to_list(), controls.rows(), recipe.tasks, recipe.overlap_again, number
    )

    def make() -> pl.DataFrame:
        return make_tasks(rows, controls, round_number=number, overlap=recipe.overlap_again, config=recipe.tasks)

    run.make(TASKS, digest, make, shard=f"round{number}")
    return rows.height


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
    return as_flow("review", lambda: settle(run, recipe, studio), title=recipe.name, out=str(run.root))


def settle(run: Run, recipe: CurateRecipe, studio: Studio) -> pl.DataFrame:
    """Pull, settle, count."""
    run.reporter.headline(f"Review {recipe.name}")
    decisions = pull_decisions(run, recipe, studio.client)
    tasks = run.store.read_all(TASKS)
    digest = digest_of(
        input_digest(run, DECISIONS, "all"), [receipt.sha256 for receipt in run.store.receipts(TASKS)],
        recipe.agreement, votes.VERSION,
    )  # fmt: skip
    run.make(VERDICTS, digest, lambda: votes.settle_votes(decisions, tasks, recipe.agreement))
    run.count(VERDICTS, "review")
    say_agreement(run, decisions, tasks, recipe)
    publish_counts(run, "review")
    return run.store.read(VERDICTS)


def say_agreement(run: Run, decisions: pl.DataFrame, tasks: pl.DataFrame, recipe: CurateRecipe) -> None:
    """Agreement and reviewers, in a few lines."""
    found = votes.agreement(decisions, tasks, recipe.agreement)
    if found["alpha"] is not None:
        interval = f" (95 %: {found['low']:.3f} to {found['high']:.3f})" if found["low"] is not None else ""
        run.reporter.say(f"  agreement   Krippendorff's alpha {found['alpha']:.3f}{interval}")
    for row in votes.reviewer_accuracy(decisions, tasks).iter_rows(named=True):
        right = f"{row['right']} of {row['controls']} controls right" if row["controls"] else "no controls yet"
        run.reporter.say(f"  {row['reviewer']:<28} {row['answered']:>6,} answers, {right}")


def review_facts(run: Run, recipe: CurateRecipe) -> dict[str, Any]:
    """Agreement and reviewers, for the report."""
    decisions, tasks = run.store.read_all(DECISIONS), run.store.read_all(TASKS)
    return {
        "agreement": votes.agreement(decisions, tasks, recipe.agreement),
        "reviewers": votes.reviewer_accuracy(decisions, tasks),
    }


def show_status(root: Path) -> None:
    """Print progress, agreement, reviewers and what is left."""
    run = Run(root=root)
    recipe = read_run_recipe(root)
    with hold_folder(root), open_studio(run) as studio:
        rounds = read_progress(studio.client, recipe.name)
        if not rounds:
            raise BadInput(
                f"{studio.client.url} has no review '{recipe.name}'; run `relaionet review push --run {root}`."
            )
        decisions = pull_decisions(run, recipe, studio.client)
        for row in rounds:
            left = row["tasks"] - row["finished"]
            run.reporter.say(
                f"  round {row['round']}     {row['tasks']:>7,} tasks = {row['finished']:,} finished + {left:,} left "
                f"({row['answers']:,} answers)  {studio.client.url}/projects/{row['project']}"
            )
    say_agreement(run, decisions, run.store.read_all(TASKS), recipe)
