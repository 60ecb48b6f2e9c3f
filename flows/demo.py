"""The flow `demo`: the whole job on the miniature, with simulated reviewers in a real Label Studio."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.annotations.agreement.settle import AgreementConfig
from relaionet.annotations.label_studio.client import connect_studio
from relaionet.annotations.label_studio.server import StudioServer, start_studio
from relaionet.annotations.simulated_reviewers import ReviewersConfig, answer_tasks
from relaionet.flows.curate import CurateWork, curate
from relaionet.flows.curation.known_pictures import read_controls
from relaionet.flows.curation.recipe import CurateRecipe, read_curate_recipe
from relaionet.flows.evaluate import EvaluateWork, evaluate, plan_work
from relaionet.flows.evaluation.recipe import read_evaluate_recipe
from relaionet.flows.evaluation.report import curation_facts, write_evaluation_report
from relaionet.flows.pages.review import write_reviewed_pages
from relaionet.flows.rebuild import fetch_in_flow
from relaionet.flows.rebuilding import RebuildWork
from relaionet.flows.review import review_pull
from relaionet.flows.reviewing.push import push
from relaionet.flows.reviewing.release import release_run
from relaionet.flows.reviewing.settings import ReviewSettings, read_review_settings
from relaionet.flows.reviewing.studio import Studio, install_here
from relaionet.flows.reviewing.verdicts import make_next_round, review_facts
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.handed import handed, handing
from relaionet.flows.runs.recipes import demo_recipe_file
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run, input_digest
from relaionet.flows.runs.run_record import package_versions
from relaionet.flows.runs.served import served_flow
from relaionet.flows.terminal.demo import say_summary
from relaionet.flows.terminal.review_pull import ReviewWork
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, read_json, write_json
from relaionet.manifests.release.release import Release, check_release
from relaionet.manifests.store import Receipt, write_parquet
from relaionet.manifests.tables import DECISIONS, TASKS, VERDICTS
from relaionet.manifests.words import say_count, say_seconds
from relaionet.pipeline.miniature.server import serve_world
from relaionet.pipeline.miniature.world import World, WorldConfig, make_world, open_world
from relaionet.pipeline.splits.plan import SplitConfig, plan_split

REVIEWERS = ReviewersConfig(accuracies=(0.97, 0.95, 0.93, 0.96, 0.9), seed=0)
ROUNDS = 3
ANSWERS = {"word": "drawing", "placeholder": "drawing", "pair": "several", "clutter": "none"}


@dataclass(frozen=True, kw_only=True)
class DemoWork:
    """What the flow works with.

    Attributes:
        run: its folder, held by whoever made this.
    """

    run: Run


@served_flow("demo")
def demo(out: Path, seed: int = 0) -> dict[str, Any]:
    """Run the whole job on the built-in miniature: rows in, a proofread release out, generators scored.

    Starts Label Studio itself and lets simulated reviewers answer through its API. Calling it again with the same
    folder does no work over. Numbers it gives are about the miniature, never about reLAIONet.

    Args:
        out: folder of the run.
        seed: of the world and of the samples.

    Returns:
        What `summary.json` holds.

    Raises:
        BadInput: the folder holds something that is no demo.
    """
    work = handed(DemoWork)
    if work is not None:
        return make_demo(work.run, seed)
    with open_demo(Run(root=out)) as opened:
        return make_demo(opened.run, seed)


@contextmanager
def open_demo(run: Run) -> Iterator[DemoWork]:
    """The demo's folder, held.

    Raises:
        BadInput: it holds something that is no demo.
    """
    out = run.root
    if out.exists() and any(out.iterdir()) and not (out / "world").is_dir():
        raise BadInput(f"{out} holds something that is no demo; choose another folder with --out.")
    run.reporter.say(
        "reLAIONet on the miniature: a synthetic world, simulated reviewers; no number is about reLAIONet."
    )
    with hold_folder(out):
        yield DemoWork(run=run)


def run_demo(out: Path, *, seed: int = 0, reporter: Reporter | None = None) -> dict[str, Any]:
    """Run the whole job on the miniature, and say what came of it.

    Args:
        out: folder of the run; running again continues there and does no work over.
        seed: of the world and of the samples.
        reporter: where progress is shown.

    Returns:
        What `summary.json` holds.
    """
    started = time.perf_counter()
    with open_demo(Run(root=out, reporter=reporter or Reporter())) as work, handing(work):
        summary = demo(out, seed)
    say_summary(work.run, summary, time.perf_counter() - started)
    return summary


def make_demo(run: Run, seed: int) -> dict[str, Any]:
    """Rows in, a proofread release out, generators scored."""
    with run.reporter.bar("world", None) as advance:
        world = make_world(run.root / "world", WorldConfig(seed=seed), advance)
    recipe = demo_recipe(world)
    with starting_studio(run) as studio:
        with serve_world(world.folder) as server:
            proxied = replace(recipe, download=replace(recipe.download, proxy=server.proxy))
            with handing(CurateWork(run=run, recipe=proxied)):
                curate(recipe.name, run.root, push=False)
        settings = read_review_settings(run.root)
        review_by_simulation(run, settings, world, studio)
    if run.made & {DECISIONS.name, VERDICTS.name}:
        write_reviewed_pages(run, settings)
    release = check_release(release_run(run, settings, miniature=True, simulated_reviewers=True))
    split = Run(root=run.root / "split", reporter=run.reporter)
    drop_split_of_another_release(split.root, release)
    with serve_world(world.folder, later=True) as server:
        plan = plan_split(release, SplitConfig(), split.root)
        fetch_in_flow(RebuildWork(run=split, plan=plan, download=replace(recipe.download, proxy=server.proxy)))
    run.counts += split.counts
    scoring = replace(
        read_evaluate_recipe(str(demo_recipe_file("evaluate-miniature"))), split=split.root, base_seed=seed
    )
    work = plan_work(scoring, Run(root=run.root / "evaluation", reporter=run.reporter))
    with handing(work):
        evaluate(scoring.name, work.run.root, scoring.split, report=False)
    return write_results(run, settings.agreement, world, work)


def drop_split_of_another_release(split: Path, release: Release) -> None:
    """A demo whose settings changed has a new release; its old split is made anew, unlike a user's."""
    path = split / "split.json"
    if path.exists() and read_json(path).get("release_digest") != release.info.digest:
        shutil.rmtree(split)


def demo_recipe(world: World) -> CurateRecipe:
    """The recipe `miniature`, pointed at this world."""
    recipe = read_curate_recipe(str(demo_recipe_file("miniature")))
    return replace(recipe, source=str(world.rows), reference=world.reference, controls=world.controls)


@contextmanager
def starting_studio(run: Run) -> Iterator[Future[StudioServer] | None]:
    """Label Studio, starting beside the first stages; nothing is started where the review is done."""
    if run.store.receipt("reviewed") is not None:
        yield None
        return
    install_here(run.reporter)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(start_studio, run.root / "studio")
        try:
            yield starting
        finally:
            if starting.exception() is None:
                starting.result().stop()


def review_by_simulation(
    run: Run, settings: ReviewSettings, world: World, starting: Future[StudioServer] | None
) -> None:
    """Push, let the simulated reviewers answer, pull and settle; a second round for what is undecided."""
    digest = digest_of(
        input_digest(run, TASKS, "round1"), REVIEWERS, ROUNDS, settings.agreement, settings.overlap,
        settings.overlap_again,
    )  # fmt: skip
    if run.store.is_done("reviewed", digest):
        run.count(VERDICTS, "review")
        return
    if starting is None:
        run.store.forget("reviewed")
        with starting_studio(run) as again:
            review_by_simulation(run, settings, world, again)
        return
    run.reporter.headline("Label Studio is starting …")
    with run.reporter.bar("starting", None):
        server = starting.result()
    studio = Studio(client=connect_studio(server.url, server.token), documents=server.documents, server=server)
    truth = true_answers(run, settings.controls, world)
    for number in range(1, ROUNDS + 1):
        push(run, settings, studio)
        let_simulated_reviewers_answer(run, settings, server, truth)
        with handing(ReviewWork(run=run, settings=settings, studio=studio)):
            review_pull(run.root)
        verdicts = run.store.read(VERDICTS)
        if number == ROUNDS or "again" not in verdicts["status"].to_list():
            break
        make_next_round(run, settings)
    run.store.write_receipt(
        Receipt(table="reviewed", shard="all", rows_count=verdicts.height, sha256=digest, digest=digest, seconds=0)
    )


def let_simulated_reviewers_answer(
    run: Run, settings: ReviewSettings, server: StudioServer, truth: dict[str, str | None]
) -> None:
    """Simulated reviewers answer what is open, through Label Studio's API."""
    started = time.perf_counter()
    tasks = run.store.read_all(TASKS)
    newest = int(tasks["round"].max())  # type: ignore[arg-type]
    overlap = settings.overlap if newest == 1 else settings.overlap_again
    with run.reporter.bar("answers", tasks.filter(round=newest).height * overlap) as advance:
        count = answer_tasks(
            server.url, server.token, settings.name, truth, config=REVIEWERS, overlap=overlap, progress=advance
        )
    reviewers, spent = say_count(len(REVIEWERS.accuracies), "simulated reviewer"), time.perf_counter() - started
    run.reporter.say(f"  {reviewers} gave {say_count(count, 'answer')} ({say_seconds(spent)})")


def true_answers(run: Run, known: Path | None, world: World) -> dict[str, str | None]:
    """What a perfect reviewer would answer: candidate_id -> wnid, or why there is none."""
    truth = pl.read_parquet(world.truth).filter(pl.col("candidate_id").is_not_null())
    answers: dict[str, str | None] = {}
    for row in truth.iter_rows(named=True):
        answers[row["candidate_id"]] = row["wnid"] or ANSWERS.get(row["kind"])
    controls = read_controls(known, run.images)
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


def write_results(run: Run, rules: AgreementConfig, world: World, evaluation: EvaluateWork) -> dict[str, Any]:
    """Write `summary.json`, `scores.parquet` and `report.html` into the run's folder."""
    against_truth = score_release(run.root / "release", world.truth)
    facts = review_facts(run, rules)
    stages = [{key: value for key, value in asdict(count).items() if key != "done"} for count in run.counts]
    summary = {
        "about": "the miniature, a made world with simulated reviewers; no number here is about reLAIONet",
        "stages": stages,
        **against_truth,
        "agreement": facts["agreement"],
        "reviewers": facts["reviewers"].to_dicts(),
        "split": {
            key: value for key, value in read_json(evaluation.recipe.split / "split.json").items() if key != "classes"
        },
        "scored_sets": len(evaluation.sets),
        "packages": package_versions(),
    }
    write_evaluation_report(
        [evaluation.run.root], run.root / "report.html",
        curation=curation_facts(run, **against_truth), agreement=facts["agreement"], reviewers=facts["reviewers"],
        is_miniature=True, is_simulated=True, provenance={"curation": read_json(run.root / "run.json")},
    )  # fmt: skip
    write_parquet(run.root / "scores.parquet", pl.read_parquet(evaluation.run.root / "scores.parquet"))
    write_json(run.root / "summary.json", summary)
    return summary


def serve_miniature(world: Path, *, later: bool) -> None:
    """Serve a synthetic world's pictures as an HTTP proxy until Ctrl-C."""
    reporter = Reporter()
    open_world(world)
    with serve_world(world, later=later) as server:
        reporter.say(f"The miniature's web is served by the proxy {server.proxy}", "Ctrl-C stops it.")
        while True:
            time.sleep(1)
