"""The flow `curate`: LAION rows in, review tasks out. Each line of `run_stages` is one stage of the story."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from relaionet.flows.curation.choice import choose_all, match_shard, read_all_candidates
from relaionet.flows.curation.downloads import download_shard, finish_downloads, stop_without_images
from relaionet.flows.curation.embeddings import embed_shard, find_all_published
from relaionet.flows.curation.neighbours import search_all_neighbours
from relaionet.flows.curation.proposals import calibrate_proposals, make_review_tasks, propose_shard, route_all
from relaionet.flows.curation.recipe import CurateRecipe, places_of, read_curate_recipe
from relaionet.flows.curation.recipe_checks import check_recipe, references_of
from relaionet.flows.curation.references import reference_folders
from relaionet.flows.curation.screens import screen_all, screens_record
from relaionet.flows.curation.texts import calibrate_texts, load_text_threshold, text_threshold_file
from relaionet.flows.curation.vectors import RunModels, search_labels
from relaionet.flows.pages.candidates import write_missing_report
from relaionet.flows.pages.charts.threshold import draw_text_threshold
from relaionet.flows.pages.proposals import write_proposals_report
from relaionet.flows.pages.screens import write_screens_page
from relaionet.flows.reviewing.push import push_if_possible
from relaionet.flows.runs.finished import note_finished
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.handed import handed, handing
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.run_record import write_run_record
from relaionet.flows.runs.runners import THREADS, check_runner
from relaionet.flows.runs.served import served_flow
from relaionet.flows.runs.stages import publish_counts, run_shards, share_cores, working_on
from relaionet.flows.terminal.finished import rests_of_curate
from relaionet.manifests.tables import DOWNLOADS, EMBEDDINGS, PROPOSALS, TEXT_MATCHES


@dataclass(frozen=True, kw_only=True)
class CurateWork:
    """What the flow works with.

    Attributes:
        run: its folder, held by whoever made this.
        recipe: what to do, checked.
    """

    run: Run
    recipe: CurateRecipe


@served_flow("curate")
def curate(recipe: str, out: Path, push: bool | None = None, retry: bool = False, on: str = THREADS) -> Path:
    """Turn LAION rows into review tasks: candidates, images, embeddings, proposals, screens.

    What is done is not done again: call it once more with the same folder and it goes on where it was stopped.

    Args:
        recipe: TOML file that says what to do, or its text; relative paths are relative to the file's folder, those of
            a text to the working folder. Prefect stores a text, so it names no proxy with a password.
        out: folder of the run.
        push: push the tasks to Label Studio at the end; where this is not said, if LABEL_STUDIO_URL is set.
        retry: ask again for images that failed for a reason that may pass.
        on: where shards are worked on: `threads` of this process, `ray` (a cluster of this machine alone) or
            `ray://host:port`.

    Returns:
        Folder of the run.

    Raises:
        BadInput: the recipe is wrong, or what it names is not there.
        Unavailable: something that may come back does not answer; run again then.
    """
    with _opened(recipe, out) as work:
        with working_on(work.run, on, work.recipe.workers):
            run_stages(work.run, work.recipe, retry=retry)
        if push is not False:
            push_if_possible(work.run, must=bool(push))
    return out


@contextmanager
def _opened(recipe: str, out: Path) -> Iterator[CurateWork]:
    """What was handed to the flow, else what its parameters name."""
    work = handed(CurateWork)
    if work is not None:
        yield work
        return
    read = read_curate_recipe(recipe)
    check_recipe(read)
    with hold_folder(out):
        yield CurateWork(run=Run(root=out), recipe=read)


def run_curate(
    recipe: CurateRecipe,
    out: Path,
    *,
    push: bool | None = None,
    retry: bool = False,
    on: str = THREADS,
    reporter: Reporter | None = None,
) -> Run:
    """Run the flow with a recipe that is read already; what is wrong with it is said before anything is started.

    Args:
        recipe: what to do.
        out: folder of the run.
        push: push the tasks to Label Studio at the end; None pushes where a server is set up.
        retry: ask again for images that failed for a reason that may pass.
        on: where shards are worked on: `threads`, `ray` or `ray://host:port`.
        reporter: where progress is shown.
    """
    run = Run(root=out, reporter=reporter or Reporter())
    check_recipe(recipe)
    with hold_folder(out), handing(CurateWork(run=run, recipe=recipe)):
        check_runner(on)
        rests = rests_of_curate(recipe, retry=retry, on=on)
        curate(recipe.name, out, push=push, retry=retry, on=on)
        note_finished(run, rests)
    return run


def models_of(recipe: CurateRecipe) -> RunModels:
    """The models of a recipe, none of them loaded yet."""
    return RunModels(
        encoder_name=recipe.encoder, encoder_options=recipe.encoder_options, templates=recipe.templates
    )  # fmt: skip


def run_stages(run: Run, recipe: CurateRecipe, *, retry: bool = False) -> None:
    """One line per stage, in the order of the story."""
    models, references, workers = models_of(recipe), references_of(recipe), recipe.workers
    run.reporter.headline(f"Curate {recipe.name}")
    share_cores(workers)
    # a proxy changes nothing of what is made, and its address may hold a password
    shown = replace(recipe, download=replace(recipe.download, proxy=None))
    write_run_record(run.root, shown, screens=screens_record(recipe.screen, references))
    search_all_neighbours(run, models, recipe.neighbours, workers)
    shards, rows_count = read_all_candidates(run, places_of(recipe.source), recipe.candidates)
    models.encoder  # noqa: B018  a wrong name is found before anything is fetched
    draw_threshold(run, anew=calibrate_texts(run, models, recipe.text))
    run_shards(run, TEXT_MATCHES, match_shard, shards, rows_count, models, recipe.text)
    rows_count = choose_all(run, recipe.choose)
    write_missing_report(run, recipe.name, recipe.choose, recipe.published_counts)
    run_shards(run, DOWNLOADS, download_shard, shards, rows_count, recipe.download, retry)
    finish_downloads(run)
    stop_without_images(run)
    find_all_published(run, models, recipe.published, shards, recipe.embed)
    embedding = (models, recipe.published, recipe.embed, workers)
    run_shards(run, EMBEDDINGS, embed_shard, shards, rows_count, *embedding, gpu=models.wants_gpu)
    search_labels(run, models, recipe.retrieve)
    calibrate_proposals(run, models, recipe.calibrate, recipe.controls, recipe.embed)
    run_shards(run, PROPOSALS, propose_shard, shards, rows_count, models, recipe.propose)
    screen_all(run, models, recipe.screen, references, recipe.embed)
    write_screens_page(run, recipe.name, recipe.screen, reference_folders(references, models.encoder))
    route_all(run, recipe.route, recipe.overlap)
    make_review_tasks(run, recipe.controls, recipe.tasks, recipe.overlap, recipe.screen)
    run.reporter.say(f"  {'':<12}report: {write_proposals_report(run, recipe.name, recipe.overlap, recipe.route)}")
    publish_counts(run, "curate")


def draw_threshold(run: Run, *, anew: bool) -> None:
    """Draw the threshold of the texts where it was found now, or its plot is missing."""
    file = text_threshold_file(run)
    plot = file.with_suffix(".png")
    if anew or (file.is_file() and not plot.is_file()):
        draw_text_threshold(load_text_threshold(run), plot)
