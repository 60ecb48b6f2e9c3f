"""The flow `curate`: LAION rows in, review tasks out. Each line of the flow is one stage of the story."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from relaionet.flows.curation.choice import choose_all, match_shard, read_all_candidates
from relaionet.flows.curation.downloads import download_shard, finish_downloads
from relaionet.flows.curation.embeddings import embed_shard, find_all_published
from relaionet.flows.curation.neighbours import search_all_neighbours
from relaionet.flows.curation.proposals import calibrate_proposals, make_review_tasks, propose_shard, route_all
from relaionet.flows.curation.recipe import CurateRecipe, places_of
from relaionet.flows.curation.recipe_checks import check_recipe
from relaionet.flows.curation.screens import screen_all, screens_record
from relaionet.flows.curation.texts import calibrate_texts
from relaionet.flows.curation.vectors import get_encoder, search_labels, wants_gpu
from relaionet.flows.pages.proposals import write_proposals_report
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.run_record import write_run_record
from relaionet.flows.runs.runners import THREADS, connected, make_runner
from relaionet.flows.runs.stages import as_flow, publish_counts, run_shards, share_cores
from relaionet.manifests.tables import CANDIDATES, CHOSEN, DOWNLOADS, EMBEDDINGS, PROPOSALS, TEXT_MATCHES


def run_curate(
    recipe: CurateRecipe,
    out: Path,
    *,
    push: bool | None = None,
    retry: bool = False,
    on: str = THREADS,
    reporter: Reporter | None = None,
) -> Run:
    """Run the flow.

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
    with hold_folder(out):
        curate(run, recipe, retry=retry, on=on)
    if push is not False:
        from relaionet.flows.reviewing.push import push_if_possible

        push_if_possible(run, must=bool(push))
    return run


def curate(run: Run, recipe: CurateRecipe, *, retry: bool = False, on: str = THREADS) -> None:
    """The flow: LAION rows in, review tasks out."""
    runner = make_runner(on, recipe.workers)
    run.local = on == THREADS
    with connected(on):
        as_flow(
            "curate", lambda: run_stages(run, recipe, retry=retry), task_runner=runner, title=recipe.name,
            source=", ".join(places_of(recipe.source)), out=str(run.root),
        )  # fmt: skip


def run_stages(run: Run, recipe: CurateRecipe, *, retry: bool = False) -> None:
    """One line per stage, in the order of the story."""
    run.reporter.headline(f"Curate {recipe.name}")
    share_cores(recipe.workers)
    # a proxy changes nothing of what is made, and its address may hold a password
    shown = replace(recipe, download=replace(recipe.download, proxy=None))
    write_run_record(run.root, shown, screens=screens_record(recipe))
    search_all_neighbours(run, recipe)
    shards, rows_count = read_all_candidates(run, recipe)
    get_encoder(recipe)  # a wrong name is found before anything is fetched
    calibrate_texts(run, recipe)
    run_shards(run, TEXT_MATCHES, match_shard, shards, rows_count, recipe)
    rows_count = choose_all(run, recipe)
    report_candidates(run, recipe)
    run_shards(run, DOWNLOADS, download_shard, shards, rows_count, recipe, retry)
    finish_downloads(run)
    find_all_published(run, recipe, shards)
    run_shards(run, EMBEDDINGS, embed_shard, shards, rows_count, recipe, gpu=wants_gpu(recipe))
    search_labels(run, recipe)
    calibrate_proposals(run, recipe)
    run_shards(run, PROPOSALS, propose_shard, shards, rows_count, recipe)
    screen_all(run, recipe)
    route_all(run, recipe)
    make_review_tasks(run, recipe)
    run.reporter.say(f"  {'':<12}report: {write_proposals_report(run, recipe)}")
    publish_counts(run, "curate")


def report_candidates(run: Run, recipe: CurateRecipe) -> None:
    """Write the report of the steps so far where it is missing or something of them was made now."""
    from relaionet.flows.pages.candidates import PAGE, write_candidates_report

    tables = (CANDIDATES, TEXT_MATCHES, CHOSEN)
    if (run.root / PAGE).is_file() and not run.made & {table.name for table in tables}:
        return
    stages = [count for count in run.counts if count.stage in {table.name for table in tables}]
    write_candidates_report(run, recipe.name, recipe.choose, stages, recipe.published_counts)
    run.reporter.say(f"  {'':<12}report: {run.root / PAGE}")
