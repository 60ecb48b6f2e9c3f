"""Scoring within the flow `evaluate`: samples, features, metrics, classes, comparisons, each done once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relaionet.evaluators.features.feature_sets import FeatureSet, count_passes, extract_set, join_shown
from relaionet.evaluators.features.images import ArrayImages
from relaionet.evaluators.features.models import Models
from relaionet.evaluators.features.statistics import make_statistics, write_statistics
from relaionet.evaluators.features.stored import write_feature_set
from relaionet.evaluators.lazy_rows import view_rows
from relaionet.evaluators.metrics.lookup import list_shown
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.evaluators.scoring.by_class import score_classes
from relaionet.evaluators.scoring.compare import compare_sets, keep_influences, read_influences, write_influences
from relaionet.evaluators.scoring.measure import measure_set
from relaionet.evaluators.scoring.mmhm import find_bounds, score_rows, write_bounds
from relaionet.evaluators.scoring.score import REAL, Setting, list_scores, score_real, version_with
from relaionet.evaluators.scoring.warnings import find_warnings
from relaionet.flows.evaluation.inputs import Inputs
from relaionet.flows.evaluation.plan import ScoredSet
from relaionet.flows.runs.run import Run
from relaionet.manifests.files import digest_of, read_json, write_json
from relaionet.manifests.store import write_parquet
from relaionet.manifests.tables import ALIVE, CLASS_SCORES, SCORES


@dataclass(frozen=True, eq=False)
class Scoring:
    """What every set of one evaluation is scored with.

    Attributes:
        run: the evaluation.
        models: of the protocol.
        reference: features of the split's own images.
        split_name: as it stands in tables.
        inputs: groups, bounds and further references.
    """

    run: Run
    models: Models
    reference: FeatureSet
    split_name: str
    inputs: Inputs


def score_real_images(scoring: Scoring) -> pl.DataFrame:
    """Scores of the split's own images; their statistics are kept by content."""
    run, reference = scoring.run, scoring.reference
    digest = digest_of(reference.digest, reference.protocol, scoring.split_name, version_with(reference.extra_names))
    for array in ("", *reference.extras):
        write_statistics(run.root / "statistics", make_statistics(reference, scoring.split_name, array))
    run.make(SCORES, digest, lambda: score_real(reference, scoring.split_name), shard="real")
    return run.store.read(SCORES, "real")


def score_samples(scoring: Scoring, one: ScoredSet, samples: pl.DataFrame, seconds: float) -> pl.DataFrame:
    """Extract the features of one set's samples and score it.

    Args:
        scoring: what every set is scored with.
        one: the set.
        samples: SAMPLES rows, at least one of them alive.
        seconds: what sampling took.
    """
    run, started = scoring.run, time.perf_counter()
    made = samples.filter(pl.col("status") == ALIVE)
    features = extract_samples(run, one, join_shown(made, scoring.reference), scoring.models)
    setting = Setting(
        generator=one.name, split=scoring.split_name, steps=one.asked.steps, guidance=one.asked.guidance,
        nfe=float(made["nfe"].mean() or 0.0),  # type: ignore[arg-type]  # 0 where nobody counted
    )  # fmt: skip
    scores = _score_once(scoring, one, features, setting)
    say_scores(run, one, scores, samples.height - made.height, seconds + time.perf_counter() - started)
    for warning in read_json(_warnings_path(run, one)):
        run.reporter.say(f"    note: {warning}")
    return scores


def _score_once(scoring: Scoring, one: ScoredSet, features: FeatureSet, setting: Setting) -> pl.DataFrame:
    """Scores of one set, with those by class, its influences and its warnings beside them."""
    run, inputs = scoring.run, scoring.inputs
    others = {name: statistics.digest for name, statistics in inputs.references.items()}
    digest = digest_of(
        features.digest,
        scoring.reference.digest,
        setting,
        features.protocol,
        inputs.groups or {},
        others,
        version_with(features.extra_names),
    )

    def make() -> pl.DataFrame:
        gaussians = {name: statistics.gaussian() for name, statistics in inputs.references.items()}
        measured = measure_set(features, scoring.reference, others=gaussians)
        by_class = score_classes(measured, setting)
        if inputs.groups is not None:
            by_class = pl.concat([by_class, score_classes(measured, setting, inputs.groups)])
        run.store.write(by_class, CLASS_SCORES, digest, shard=one.slug)
        write_influences(_influences_path(one), keep_influences(measured, one.label))
        write_json(_warnings_path(run, one), find_warnings(measured.samples, measured.reference))
        return list_scores(measured, setting)

    beside = (run.store.path(CLASS_SCORES, one.slug), _influences_path(one), _warnings_path(run, one))
    if not all(path.is_file() for path in beside):
        run.store.forget(SCORES.name, one.slug)
    run.make(SCORES, digest, make, shard=one.slug)
    return run.store.read(SCORES, one.slug)


def extract_samples(run: Run, one: ScoredSet, made: pl.DataFrame, models: Models) -> FeatureSet:
    """Features of one set's images."""
    _, stored = read_samples(one.folder)
    images = ArrayImages(view_rows(stored, made["row"].to_numpy()), models.protocol.size_px, models.protocol.generated)
    with run.reporter.bar("features", made.height * count_passes(models)) as advance:
        found = extract_set(images, made, models, one.folder, advance)
    write_feature_set(one.folder, found)
    return found


def say_scores(run: Run, one: ScoredSet, scores: pl.DataFrame, failed_count: int, seconds: float) -> None:
    """One line with the main numbers of a set."""
    values = dict(scores.select("metric", "value").iter_rows())
    text = "  ".join(f"{name} {values[name]:.4g}" for name in list_shown("said") if name in values)
    failed = f"  {failed_count} failed" if failed_count else ""
    run.reporter.say(f"  {one.slug:<46} {text}{failed}  ({seconds:.1f} s)")


def write_scores(scoring: Scoring, sets: list[ScoredSet], scores: pl.DataFrame) -> pl.DataFrame:
    """Add what compares all rows; write `scores`, `class_scores` and `differences` as parquet, and the bounds."""
    run, bounds = scoring.run, scoring.inputs.bounds
    judged = scores.filter(pl.col("generator") != REAL)
    scores = pl.concat([scores, *score_rows(scores, scoring.models.protocol, bounds)])
    if judged.height:
        write_bounds(run.root / "bounds.json", bounds or find_bounds(judged))
    by_class = [run.store.read(CLASS_SCORES, one.slug) for one in sets]
    differences = compare_sets([read_influences(_influences_path(one)) for one in sets], scoring.split_name)
    whole = pl.concat(by_class) if by_class else CLASS_SCORES.empty()
    for name, frame in (("class_scores", whole), ("differences", differences), ("scores", scores)):
        write_parquet(run.root / f"{name}.parquet", frame)
    return scores


def _influences_path(one: ScoredSet) -> Path:
    return one.folder / "influences.npz"


def _warnings_path(run: Run, one: ScoredSet) -> Path:
    return run.root / "doubts" / f"{one.slug}.json"
