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
from relaionet.evaluators.sampling.sample import read_record
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.evaluators.scoring.bounds import find_bounds, write_bounds
from relaionet.evaluators.scoring.by_class import score_classes
from relaionet.evaluators.scoring.influences import keep_influences, read_influences, write_influences
from relaionet.evaluators.scoring.measure import measure_set
from relaionet.evaluators.scoring.mmhm import score_board
from relaionet.evaluators.scoring.score import REAL, Setting, list_scores, score_real, version_with
from relaionet.evaluators.scoring.warnings import find_warnings, say_lacking, say_losses
from relaionet.flows.evaluation.inputs import Inputs
from relaionet.flows.evaluation.plan import ScoredSet
from relaionet.flows.evaluation.rescoring import rescoring
from relaionet.flows.evaluation.stored_sets import keep_lacking
from relaionet.flows.runs.run import Run
from relaionet.manifests.files import digest_of, read_json, write_json
from relaionet.manifests.store import write_parquet
from relaionet.manifests.tables import ALIVE, CLASS_SCORES, SCORES
from relaionet.manifests.words import say_seconds

NUMBER_WIDTH = 9  # of four digits with a sign, a point and an exponent, so that the sets' numbers stand in columns


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
    unused = read_record(one.folder)["realised"].get("unused", 0)
    losses = say_losses(samples, unused if isinstance(unused, int) else 0)
    scores = _score_once(scoring, one, features, setting, losses)
    say_scores(run, one, scores, samples.height - made.height, seconds + time.perf_counter() - started)
    for warning in read_json(_warnings_path(run, one)):
        run.reporter.say(f"    note: {warning}")
    return scores


def _score_once(
    scoring: Scoring, one: ScoredSet, features: FeatureSet, setting: Setting, losses: list[str]
) -> pl.DataFrame:
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
        *losses,
    )

    def make() -> pl.DataFrame:
        gaussians = {name: statistics.gaussian() for name, statistics in inputs.references.items()}
        measured = measure_set(features, scoring.reference, others=gaussians, in_part=True)
        by_class = score_classes(measured, setting)
        if inputs.groups is not None:
            by_class = pl.concat([by_class, score_classes(measured, setting, inputs.groups)])
        run.store.write(by_class, CLASS_SCORES, digest, shard=one.slug)
        write_influences(_influences_path(one), keep_influences(measured, one.label))
        said = [*losses, *say_lacking(measured.lacking), *find_warnings(measured.samples, measured.reference)]
        write_json(_warnings_path(run, one), said)
        keep_lacking(one.folder, measured.lacking)
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
    shown = [(name, format(values[name], ".4g")) for name in list_shown("said") if name in values]
    text = "  ".join(f"{name} {number:<{NUMBER_WIDTH}}" for name, number in shown)
    failed = f"  {failed_count} failed" if failed_count else ""
    run.reporter.say(f"  {one.slug:<46} {text}{failed}  ({say_seconds(seconds)})")


def write_scores(scoring: Scoring, sets: list[ScoredSet], scores: pl.DataFrame) -> pl.DataFrame:
    """Add what compares all rows; write `scores`, `class_scores` and `differences` as parquet, and the bounds."""
    run, bounds = scoring.run, scoring.inputs.bounds
    judged = scores.filter(pl.col("generator") != REAL)
    protocol, influences = scoring.models.protocol, [read_influences(_influences_path(one)) for one in sets]
    compared, differences = score_board(
        scores, influences, protocol, split=scoring.split_name, bounds=bounds,
        rescore=rescoring({one.label: (one.folder, run.root / "reference") for one in sets}, protocol),
    )  # fmt: skip
    scores = pl.concat([scores, compared])
    if judged.height:
        write_bounds(run.root / "bounds.json", bounds or find_bounds(judged))
    by_class = [run.store.read(CLASS_SCORES, one.slug) for one in sets]
    whole = pl.concat(by_class) if by_class else CLASS_SCORES.empty()
    for name, frame in (("class_scores", whole), ("differences", differences), ("scores", scores)):
        write_parquet(run.root / f"{name}.parquet", frame)
    return scores


def _influences_path(one: ScoredSet) -> Path:
    return one.folder / "influences.npz"


def _warnings_path(run: Run, one: ScoredSet) -> Path:
    return run.root / "doubts" / f"{one.slug}.json"
