"""The flow `demo`: the whole job on the miniature, with simulated reviewers in a real Label Studio."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.annotations.label_studio.client import connect_studio
from relaionet.annotations.label_studio.installation import install_studio
from relaionet.annotations.label_studio.server import StudioServer, start_studio
from relaionet.annotations.simulated_reviewers import ReviewersConfig, answer_tasks
from relaionet.flows.curate import curate
from relaionet.flows.curation.known_pictures import read_controls
from relaionet.flows.curation.recipe import CurateRecipe, read_curate_recipe
from relaionet.flows.evaluate import evaluate
from relaionet.flows.evaluation.plan import ScoredSet, plan_sets
from relaionet.flows.evaluation.recipe import EvaluateRecipe, read_evaluate_recipe
from relaionet.flows.evaluation.report import curation_facts, write_evaluation_report
from relaionet.flows.rebuild import rebuild
from relaionet.flows.review import review
from relaionet.flows.reviewing.push import push
from relaionet.flows.reviewing.release import release_run
from relaionet.flows.reviewing.studio import Studio
from relaionet.flows.reviewing.verdicts import make_next_round, review_facts
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.recipes import demo_recipe_file
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run, input_digest
from relaionet.flows.runs.run_record import package_versions
from relaionet.flows.runs.stages import as_flow
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, read_json, write_json
from relaionet.manifests.release.release import Release, check_release
from relaionet.manifests.store import Receipt
from relaionet.manifests.tables import TASKS, VERDICTS
from relaionet.pipeline.miniature.server import serve_world
from relaionet.pipeline.miniature.world import World, WorldConfig, make_world, open_world
from relaionet.pipeline.splits.plan import SplitConfig

REVIEWERS = ReviewersConfig(accuracies=(0.97, 0.95, 0.93, 0.96, 0.9), seed=0)
ROUNDS = 3
ANSWERS = {"word": "drawing", "placeholder": "drawing", "pair": "several", "clutter": "none"}


def run_demo(out: Path, *, seed: int = 0, reporter: Reporter | None = None) -> dict[str, Any]:
    """Run the whole job on the miniature.

    Args:
        out: folder of the run; running again continues there and does no work over.
        seed: of the world and of the samples.
        reporter: where progress is shown.

    Returns:
        What `summary.json` holds.
    """
    started = time.perf_counter()
    run = Run(root=out, reporter=reporter or Reporter())
    if out.exists() and any(out.iterdir()) and not (out / "world").is_dir():
        raise BadInput(f"{out} holds something that is no demo; choose another folder with --out.")
    run.reporter.say("reLAIONet on the miniature: a made world, simulated reviewers. No number is about reLAIONet.")
    with hold_folder(out):
        summary = as_flow("demo", lambda: demo(run, seed), seed=str(seed), out=str(out))
    say_summary(run, summary, time.perf_counter() - started)
    return summary


def demo(run: Run, seed: int) -> dict[str, Any]:
    """Rows in, a proofread release out, generators scored."""
    with run.reporter.bar("world", None) as advance:
        world = make_world(run.root / "world", WorldConfig(seed=seed), advance)
    recipe = demo_recipe(run, world)
    with starting_studio(run) as studio:
        with serve_world(world.folder) as server:
            curate(run, replace(recipe, download=replace(recipe.download, proxy=server.proxy)))
        review_by_simulation(run, recipe, world, studio)
    release = check_release(release_run(run, recipe, miniature=True, simulated_reviewers=True))
    split = Run(root=run.root / "split", reporter=run.reporter)
    drop_split_of_another_release(split.root, release)
    with serve_world(world.folder, later=True) as server:
        rebuild(split, release, SplitConfig(), replace(recipe.download, proxy=server.proxy))
    run.counts += split.counts
    scoring = replace(
        read_evaluate_recipe(str(demo_recipe_file("evaluate-miniature"))), split=split.root, base_seed=seed
    )
    evaluation = Run(root=run.root / "evaluation", reporter=run.reporter)
    sets = plan_sets(scoring, evaluation.root)
    scores = evaluate(evaluation, scoring, sets).scores
    return write_results(run, recipe, world, evaluation, scoring, sets, scores)


def drop_split_of_another_release(split: Path, release: Release) -> None:
    """A demo whose settings changed has a new release; its old split is made anew, unlike a user's."""
    path = split / "split.json"
    if path.exists() and read_json(path).get("release_digest") != release.info.digest:
        shutil.rmtree(split)


def demo_recipe(run: Run, world: World) -> CurateRecipe:
    """The recipe `miniature`, pointed at this world."""
    recipe = read_curate_recipe(str(demo_recipe_file("miniature")))
    return replace(recipe, source=str(world.rows), reference=world.reference, controls=world.controls)


@contextmanager
def starting_studio(run: Run) -> Iterator[Future[StudioServer] | None]:
    """Label Studio, starting beside the first stages; nothing is started where the review is done."""
    if run.store.receipt("reviewed") is not None:
        yield None
        return
    install_studio(progress=run.reporter.say)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(start_studio, run.root / "studio")
        try:
            yield starting
        finally:
            if starting.exception() is None:
                starting.result().stop()


def review_by_simulation(run: Run, recipe: CurateRecipe, world: World, starting: Future[StudioServer] | None) -> None:
    """Push, let the simulated reviewers answer, pull and settle; a second round for what is undecided."""
    digest = digest_of(
        input_digest(run, TASKS, "round1"), REVIEWERS, ROUNDS, recipe.agreement, recipe.overlap, recipe.overlap_again
    )
    if run.store.is_done("reviewed", digest):
        run.count(VERDICTS, "review")
        return
    if starting is None:
        run.store.forget("reviewed")
        with starting_studio(run) as again:
            review_by_simulation(run, recipe, world, again)
        return
    run.reporter.headline("Label Studio is starting …")
    server = starting.result()
    studio = Studio(client=connect_studio(server.url, server.token), documents=server.documents, server=server)
    truth = true_answers(run, recipe, world)
    for number in range(1, ROUNDS + 1):
        push(run, recipe, studio)
        let_simulated_reviewers_answer(run, recipe, server, truth)
        verdicts = review(run, recipe, studio)
        if number == ROUNDS or "again" not in verdicts["status"].to_list():
            break
        make_next_round(run, recipe)
    run.store.write_receipt(
        Receipt(table="reviewed", shard="all", rows_count=verdicts.height, sha256=digest, digest=digest, seconds=0)
    )


def let_simulated_reviewers_answer(
    run: Run, recipe: CurateRecipe, server: StudioServer, truth: dict[str, str | None]
) -> None:
    """Simulated reviewers answer what is open, through Label Studio's API."""
    started = time.perf_counter()
    tasks = run.store.read_all(TASKS)
    newest = int(tasks["round"].max())  # type: ignore[arg-type]
    overlap = recipe.overlap if newest == 1 else recipe.overlap_again
    with run.reporter.bar("answers", tasks.filter(round=newest).height * overlap) as advance:
        count = answer_tasks(
            server.url, server.token, recipe.name, truth, config=REVIEWERS, overlap=overlap, progress=advance
        )
    seconds = time.perf_counter() - started
    run.reporter.say(f"  {len(REVIEWERS.accuracies)} simulated reviewers gave {count:,} answers ({seconds:.0f} s)")


def true_answers(run: Run, recipe: CurateRecipe, world: World) -> dict[str, str | None]:
    """What a perfect reviewer would answer: candidate_id -> wnid, or why there is none."""
    truth = pl.read_parquet(world.truth).filter(pl.col("candidate_id").is_not_null())
    answers: dict[str, str | None] = {}
    for row in truth.iter_rows(named=True):
        answers[row["candidate_id"]] = row["wnid"] or ANSWERS.get(row["kind"])
    controls = read_controls(recipe.controls, run.images)
    return answers | dict(controls.select("candidate_id", "wnid").iter_rows())


def score_release(release: Path, truth: Path) -> dict[str, Any]:
    """Precision and recall of the released rows against the truth, with the counts they come from."""
    known = pl.read_parquet(truth).filter(pl.col("candidate_id").is_not_null())
    known = known.select("candidate_id", "releasable", pl.col("wnid").alias("true_wnid"))
    released = check_release(release).manifest.join(known, on="candidate_id", how="left")
    right = released.filter(pl.col("releasable") & (pl.col("wnid") == pl.col("true_wnid"))).height
    releasable = known.filter("releasable").height
    return {
        "released": released.height, "released_right": right, "releasable": releasable,
        "precision": right / released.height, "recall": right / releasable,
    }  # fmt: skip


def write_results(
    run: Run, recipe: CurateRecipe, world: World, evaluation: Run, scoring: EvaluateRecipe, sets: list[ScoredSet],
    scores: pl.DataFrame,
) -> dict[str, Any]:  # fmt: skip
    """Write `summary.json`, `scores.parquet` and `report.html` into the run's folder."""
    against_truth = score_release(run.root / "release", world.truth)
    facts = review_facts(run, recipe)
    stages = [{key: value for key, value in asdict(count).items() if key != "done"} for count in run.counts]
    summary = {
        "about": "the miniature, a made world with simulated reviewers; no number here is about reLAIONet",
        "stages": stages,
        **against_truth,
        "agreement": facts["agreement"],
        "reviewers": facts["reviewers"].to_dicts(),
        "split": {key: value for key, value in read_json(scoring.split / "split.json").items() if key != "classes"},
        "scored_sets": len(sets),
        "packages": package_versions(),
    }
    write_evaluation_report(
        [evaluation.root], run.root / "report.html",
        curation=curation_facts(run, **against_truth), agreement=facts["agreement"], reviewers=facts["reviewers"],
        is_miniature=True, is_simulated=True, provenance={"curation": read_json(run.root / "run.json")},
    )  # fmt: skip
    part = run.root / "scores.parquet.part"
    scores.write_parquet(part)
    part.replace(run.root / "scores.parquet")
    write_json(run.root / "summary.json", summary)
    return summary


def say_summary(run: Run, summary: dict[str, Any], seconds: float) -> None:
    """What happened and what to open, in a few lines."""
    run.reporter.headline(f"Done in {seconds:.0f} s")
    run.reporter.say(
        f"  {summary['released']:,} rows released: precision {summary['precision']:.3f}, recall "
        f"{summary['recall']:.3f} against the truth of the made world.\n"
        f"  {summary['split']['kept_count']:,} images rebuilt from it, {summary['scored_sets']} sets scored.\n"
        f"\nOpen    {run.root / 'report.html'}\n"
        f"Numbers {run.root / 'summary.json'}, {run.root / 'scores.parquet'}\n"
        f"A row   relaionet trace {first_released(run)} --run {run.root}"
    )


def first_released(run: Run) -> str:
    """The start of a released row's id, to try `trace` on."""
    return str(pl.read_parquet(run.root / "release" / "manifest.parquet")["candidate_id"][0])[:12]


def serve_miniature(world: Path, *, later: bool) -> None:
    """Serve a made world's pictures as an HTTP proxy until Ctrl-C."""
    reporter = Reporter()
    open_world(world)
    with serve_world(world, later=later) as server:
        reporter.say(f"The miniature's web is served by the proxy {server.proxy}\nCtrl-C stops it.")
        while True:
            time.sleep(1)
