"""The flow `evaluate`: generators over steps × guidance on one split, features once, scores with intervals."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from relaionet.evaluators.features.feature_sets import FeatureSet, count_passes, extract_set
from relaionet.evaluators.features.images import FileImages
from relaionet.evaluators.features.models import Models, load_models
from relaionet.evaluators.features.oddities import describe_oddities
from relaionet.evaluators.features.outlook import look_for_models
from relaionet.evaluators.features.raters import Rater
from relaionet.evaluators.features.stored import write_feature_set
from relaionet.evaluators.generators.protocol import GeneratorDied, Request
from relaionet.evaluators.sampling.processes import sample_in_processes
from relaionet.evaluators.sampling.sample import SamplingConfig, sample_generator
from relaionet.flows.evaluation.checks import check_inputs, check_with_models
from relaionet.flows.evaluation.inputs import read_inputs
from relaionet.flows.evaluation.loaded_generator import LoadedGenerator, device_of
from relaionet.flows.evaluation.plan import ScoredSet, check_recipe, look_at_split, plan_sets, split_digest
from relaionet.flows.evaluation.publishing import publish_scores
from relaionet.flows.evaluation.recipe import EvaluateRecipe, read_evaluate_recipe, read_protocol
from relaionet.flows.evaluation.report import write_evaluation_report
from relaionet.flows.evaluation.sampling import check_place, sample_on_workers
from relaionet.flows.evaluation.scoring import Scoring, score_real_images, score_samples, write_scores
from relaionet.flows.evaluation.stored_sets import Failure, explain_failure, read_lacking, say_failures, write_sets
from relaionet.flows.runs.finished import note_finished
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.handed import handed, handing
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.run_record import write_run_record
from relaionet.flows.runs.runners import THREADS, StaysHere, check_runner
from relaionet.flows.runs.served import served_flow
from relaionet.flows.runs.stages import share_cores, working_on
from relaionet.flows.terminal.finished import rests_of_evaluate
from relaionet.flows.tracing.keep import keep_rows
from relaionet.manifests.errors import Unavailable
from relaionet.manifests.tables import ALIVE
from relaionet.manifests.words import say_count


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came of the flow.

    Attributes:
        scores: SCORES of all sets that could be scored.
        dead: sets that could not be.
        partial: slug of a set that was scored in part -> metric it has not -> why.
    """

    scores: pl.DataFrame
    dead: Sequence[Failure] = ()
    partial: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


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
        Unavailable: a set could not be made or scored, or only in part; the others are scored.
    """
    with _opened(recipe, out, split, on) as work:
        with working_on(work.run, on, os.cpu_count() or 1):
            made = score_sets(work)
        if report:
            path = write_evaluation_report([out])
            work.run.reporter.say(f"\nScores: {out / 'scores.parquet'}", f"Report: {path}")
    if made.dead or made.partial:
        raise Unavailable(say_failures(len(work.sets), made.dead, made.partial))
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
    check_recipe(recipe)
    split, protocol, inputs = look_at_split(recipe), read_protocol(recipe.protocol), read_inputs(recipe)
    check_inputs(inputs, protocol, set(split.rows["wnid"]), split.shown)
    look_for_models(protocol, recipe.extras, recipe.weights)
    loaded = LoadedGenerator(device_of(recipe.device))
    sets = plan_sets(recipe, run.root, loaded, split.requests)
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
        rests = rests_of_evaluate(recipe, on=on, report=report)
        evaluate(recipe.name, out, recipe.split, report, on)
        note_finished(run, rests, said=run.reporter.said)
    return run


def score_sets(work: EvaluateWork) -> Evaluation:
    """Features of the real images, then one set after the other; a set that cannot be made stops no other."""
    run, recipe, sets = work.run, work.recipe, work.sets
    split, protocol, inputs = look_at_split(recipe), read_protocol(recipe.protocol), read_inputs(recipe)
    run.reporter.headline(
        f"Evaluate {say_count(len(sets), 'set')} of {say_count(len(split.requests), 'image')} on {split.name} "
        f"({protocol.name})"
    )
    share_cores(1)
    write_run_record(run.root, recipe, split_digest=split_digest(recipe.split))
    with ExitStack() as running:
        models = load_models(
            protocol,
            device=device_of(recipe.device),
            extras=recipe.extras,
            raters={one.metric: running.enter_context(Rater(one.metric, one.command)) for one in recipe.raters},
            weights=recipe.weights,
        )
        check_with_models(inputs, models)
        scoring = Scoring(run, models, extract_reference(run, split.rows, models), split.shown, inputs)
        parts, dead = [score_real_images(scoring)], []
        for one in sets:
            make = partial(score_set, scoring, recipe, one, split.requests, work.loaded)
            try:
                parts.append(run_set.with_options(name=one.slug)(StaysHere(make)))
            except Exception as error:  # noqa: BLE001  generators and metrics are foreign code; the others go on
                dead.append(Failure(slug=one.slug, label=one.label, why=explain_failure(error, one.folder)))
                run.reporter.say(f"  {one.slug:<46} FAILED: {dead[-1].why}")
        lost = {failure.slug for failure in dead}
        made = [one for one in sets if one.slug not in lost]
        scores = write_scores(scoring, made, pl.concat(parts))
        write_sets(run.root, recipe, scoring.split_name, split_digest(recipe.split), made, dead)
        keep_rows(recipe.split, run.root)
        publish_scores(run.root)
        lacking = {one.slug: found for one in made if (found := read_lacking(one.folder))}
        return Evaluation(scores=scores, dead=dead, partial=lacking)


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
