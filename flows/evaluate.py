"""The flow `evaluate`: generators over steps × guidance on one split, features once, scores with intervals."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from relaionet.evaluators.features.feature_sets import FeatureSet, count_passes, extract_set
from relaionet.evaluators.features.images import FileImages
from relaionet.evaluators.features.models import Models, load_models
from relaionet.evaluators.features.oddities import describe_oddities
from relaionet.evaluators.features.raters import Rater
from relaionet.evaluators.features.stored import write_feature_set
from relaionet.evaluators.generators.protocol import GeneratorDied, Request
from relaionet.evaluators.generators.requests import check_classes, make_requests
from relaionet.evaluators.sampling.processes import sample_in_processes
from relaionet.evaluators.sampling.sample import SamplingConfig, sample_generator
from relaionet.flows.evaluation.inputs import read_inputs
from relaionet.flows.evaluation.loaded_generator import LoadedGenerator, device_of
from relaionet.flows.evaluation.plan import ScoredSet, plan_sets, read_rows, shown_name, split_digest
from relaionet.flows.evaluation.publishing import publish_scores
from relaionet.flows.evaluation.recipe import EvaluateRecipe, read_evaluate_recipe, read_protocol
from relaionet.flows.evaluation.report import write_evaluation_report
from relaionet.flows.evaluation.sampling import check_place, sample_on_workers
from relaionet.flows.evaluation.scoring import Scoring, score_real_images, score_samples, write_scores
from relaionet.flows.evaluation.stored_sets import write_sets
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.handed import handed, handing
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.run_record import write_run_record
from relaionet.flows.runs.runners import THREADS, StaysHere, check_runner
from relaionet.flows.runs.served import served_flow
from relaionet.flows.runs.stages import share_cores, working_on
from relaionet.flows.tracing.keep import keep_rows
from relaionet.manifests.errors import Unavailable
from relaionet.manifests.tables import ALIVE
from relaionet.manifests.words import say_count


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came of the flow.

    Attributes:
        scores: SCORES of all sets that could be made.
        dead: slug of a set that could not be made -> why.
    """

    scores: pl.DataFrame
    dead: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class EvaluateWork:
    """What the flow works with.

    Attributes:
        run: the evaluation's folder, held by whoever made this.
        recipe: what to do, checked.
        sets: what is sampled and scored.
        loaded: holds the generator that is loaded at the moment.
    """

    run: Run
    recipe: EvaluateRecipe
    sets: list[ScoredSet]
    loaded: LoadedGenerator


@served_flow("evaluate")
def evaluate(recipe: str, out: Path, split: Path | None = None, report: bool = True, on: str = THREADS) -> Path:
    """Sample the recipe's generators, score the samples against the split with intervals, and write a report.

    What is done is not done again: call it once more with the same folder and it goes on where it was stopped.

    Args:
        recipe: TOML file that says what to do, its text, or the name of one that comes with the project, such as
            `paper`. Relative paths of a text are relative to the working folder.
        out: folder of the evaluation.
        split: folder of the rebuilt split, in place of the recipe's.
        report: write `report.html` and its tables too.
        on: where sampling is done: `threads` is this process, `ray` a cluster of this machine alone, `ray://host:port`
            a running one; features and scores are made here.

    Returns:
        Folder of the evaluation.

    Raises:
        BadInput: the recipe is wrong, or what it names is not there.
        Unavailable: a set could not be made; the others are scored. Run again to try it again.
    """
    with _opened(recipe, out, split, on) as work:
        with working_on(work.run, on, os.cpu_count() or 1):
            dead = score_sets(work).dead
        if report:
            path = write_evaluation_report([out])
            work.run.reporter.say(f"\nScores: {out / 'scores.parquet'}", f"Report: {path}")
    if dead:
        slug, why = next(iter(dead.items()))
        raise Unavailable(
            f"{len(dead)} of {say_count(len(work.sets), 'set')} could not be made; the others are "
            f"scored. {slug}: {why}. Run again "
            "to try them again."
        )
    return out


@contextmanager
def _opened(recipe: str, out: Path, split: Path | None, on: str) -> Iterator[EvaluateWork]:
    """What was handed to the flow, else what its parameters name."""
    work = handed(EvaluateWork)
    if work is not None:
        yield work
        return
    read = read_evaluate_recipe(recipe)
    work = plan_work(replace(read, split=split) if split is not None else read, Run(root=out), on)
    with hold_folder(out):
        yield work


def plan_work(recipe: EvaluateRecipe, run: Run, on: str = THREADS) -> EvaluateWork:
    """Look at everything that an evaluation needs, before anything is sampled.

    Args:
        recipe: what to do.
        run: the evaluation.
        on: where sampling is done.

    Raises:
        BadInput: the recipe, its split, a generator or `on` is wrong.
    """
    check_runner(on)
    if on != THREADS:
        check_place(recipe)
    loaded = LoadedGenerator(device_of(recipe.device))
    sets = plan_sets(recipe, run.root, loaded)
    classes = dict(read_rows(recipe)[0].select("class_index", "wnid").unique().iter_rows())
    for one in sets:  # said now, not after hours of another generator
        check_classes(one.info, classes)
    return EvaluateWork(run=run, recipe=recipe, sets=sets, loaded=loaded)


def run_evaluate(
    recipe: EvaluateRecipe, out: Path, *, reporter: Reporter | None = None, report: bool = True, on: str = THREADS
) -> Run:
    """Run the flow with a recipe that is read already; what is wrong with it is said before anything is started.

    Args:
        recipe: what to do.
        out: folder of the evaluation.
        reporter: where progress is shown.
        report: write `report.html` too.
        on: where sampling is done: `threads`, `ray` or `ray://host:port`; features and scores are made here.
    """
    run = Run(root=out, reporter=reporter or Reporter())
    work = plan_work(recipe, run, on)
    with hold_folder(out), handing(work):
        evaluate(recipe.name, out, recipe.split, report, on)
    return run


def score_sets(work: EvaluateWork) -> Evaluation:
    """Features of the real images, then one set after the other; a set that cannot be made stops no other."""
    run, recipe, sets = work.run, work.recipe, work.sets
    rows, split_name = read_rows(recipe)
    protocol = read_protocol(recipe.protocol)
    run.reporter.headline(
        f"Evaluate {say_count(len(sets), 'set')} of {say_count(rows.height, 'image')} on {split_name} ({protocol.name})"
    )
    share_cores(1)
    write_run_record(run.root, recipe, split_digest=split_digest(recipe.split))
    requests = make_requests(rows, base_seed=recipe.base_seed, split_name=split_name, prompt=recipe.prompt)
    with ExitStack() as running:
        models = load_models(
            protocol,
            device=device_of(recipe.device),
            extras=recipe.extras,
            raters={one.metric: running.enter_context(Rater(one.metric, one.command)) for one in recipe.raters},
            weights=recipe.weights,
        )
        reference = extract_reference(run, rows, models)
        scoring = Scoring(run, models, reference, shown_name(recipe, split_name), read_inputs(recipe))
        parts, dead = [score_real_images(scoring)], {}
        for one in sets:
            make = partial(score_set, scoring, recipe, one, requests, work.loaded)
            try:
                parts.append(run_set.with_options(name=one.slug)(StaysHere(make)))
            except GeneratorDied as error:  # the others go on; the next run tries it again
                dead[one.slug] = str(error)
                run.reporter.say(f"  {one.slug:<46} FAILED: {error}")
        made = [one for one in sets if one.slug not in dead]
        scores = write_scores(scoring, made, pl.concat(parts))
        write_sets(run.root, recipe, scoring.split_name, split_digest(recipe.split), made)
        keep_rows(recipe.split, run.root)
        publish_scores(run.root)
        return Evaluation(scores=scores, dead=dead)


def extract_reference(run: Run, rows: pl.DataFrame, models: Models) -> FeatureSet:
    """Features of the split's own images."""
    protocol = models.protocol
    paths, folder = [Path(path) for path in rows["path"]], run.root / "reference"
    images = FileImages(
        paths, protocol.size_px, protocol.real, hashes=rows["image_sha256"].to_list(), decode=protocol.decode
    )
    with run.reporter.bar("real images", rows.height * count_passes(models)) as advance:
        found = extract_set(images, rows, models, folder, advance)
    write_feature_set(folder, found)
    return replace(found, notes=(*found.notes, *describe_oddities(paths, protocol, images.digest, folder)))


@task(cache_policy=NO_CACHE)
def run_set(work: StaysHere) -> pl.DataFrame:
    """One set, as one Prefect task, in this process."""
    made: pl.DataFrame = work.value()
    return made


def sample_set(
    run: Run, recipe: EvaluateRecipe, one: ScoredSet, requests: list[Request], loaded: LoadedGenerator
) -> pl.DataFrame:
    """The images of one set, in this process, in one for each device, or on the workers of a cluster."""
    config = SamplingConfig(batch_size=recipe.batch_size, retry_failed=recipe.retry_failed)
    if not run.local:
        loaded.clear()  # its place is wanted by the workers
        return sample_on_workers(run, recipe, one, requests, config)
    with run.reporter.bar(one.slug, len(requests)) as advance:
        if recipe.devices or recipe.time_limit_s:
            devices = recipe.devices or (device_of(recipe.device),)
            return sample_in_processes(
                one.entry.generator, requests, one.settings, one.folder, devices, config,
                options=one.entry.options, time_limit_s=recipe.time_limit_s, progress=advance,
            )  # fmt: skip
        generator = loaded.load(one.entry)
        return sample_generator(generator, requests, one.settings, one.folder, config, progress=advance)


def score_set(
    scoring: Scoring, recipe: EvaluateRecipe, one: ScoredSet, requests: list[Request], loaded: LoadedGenerator
) -> pl.DataFrame:
    """Sample one set, extract its features and score it."""
    started = time.perf_counter()
    samples = sample_set(scoring.run, recipe, one, requests, loaded)
    if samples.filter(pl.col("status") == ALIVE).is_empty():
        raise GeneratorDied(f"no image was made; the first failed because: {samples['reason'][0]}")
    return score_samples(scoring, one, samples, time.perf_counter() - started)
