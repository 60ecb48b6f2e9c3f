"""The flow `evaluate`: generators over steps × guidance on one split, features once, scores with intervals."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from relaionet.evaluators import sampling
from relaionet.evaluators.extractors import Models, load_models
from relaionet.evaluators.features import FeatureSet, count_passes, extract_set
from relaionet.evaluators.generators import Generator, Request, Settings, check_settings, load_generator
from relaionet.evaluators.images import ArrayImages, FileImages
from relaionet.evaluators.metrics import score_generator, score_mmhm, score_real
from relaionet.evaluators.metrics.score import VERSION as SCORE_VERSION
from relaionet.evaluators.protocols import find_protocol
from relaionet.flows.console import Reporter
from relaionet.flows.folder_lock import hold_folder
from relaionet.flows.provenance import write_run_record
from relaionet.flows.recipe import find_recipe, read_recipe
from relaionet.flows.stage import Run, as_flow, share_cores
from relaionet.manifests.errors import BadInput
from relaionet.manifests.store import digest_of, read_json
from relaionet.manifests.tables import ALIVE, SCORES
from relaionet.pipeline.split import read_split


@dataclass(frozen=True, kw_only=True)
class GeneratorEntry:
    """One generator of a recipe and the settings it is run at.

    Attributes:
        name: as it stands in tables; the generator's own where empty.
        generator: built-in name, entry point, `package.module:factory`, or a TOML file relative to the recipe.
        steps: sampling steps; every one is combined with every guidance.
        guidance: guidance scales; 1 is none.
        options: passed to the generator's factory.
    """

    name: str = ""
    generator: str
    steps: tuple[int, ...] = (1,)
    guidance: tuple[float, ...] = (1.0,)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EvaluateRecipe:
    """All that steers the flow `evaluate`.

    Attributes:
        name: title of the report.
        split: folder of a rebuilt split; relative to the recipe's folder.
        split_name: as it stands in tables; the release's name where empty.
        protocol: named set of choices the scores are made under.
        generators: what is scored.
        prompt: text for generators that take one; {class} is the class name.
        base_seed: every sample's seed is a hash of this, the split's name and the sample's id.
        limit: requests at most, the first of every class in turn; 0 takes all.
        batch_size: requests per call of a generator; does not change the images.
        device: torch device, or `auto`.
        weights: local files or folders in place of downloads: `inception`, `pickscore`.
    """

    name: str = "Evaluation"
    split: Path
    split_name: str = ""
    protocol: str = "paper"
    generators: tuple[GeneratorEntry, ...]
    prompt: str = "a photo of a {class}"
    base_seed: int = 0
    limit: int = 0
    batch_size: int = 64
    device: str = "auto"
    weights: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class ScoredSet:
    """One generator at one setting: where its samples are, and what it was asked for."""

    name: str
    settings: Settings
    folder: Path
    generator: Generator

    @property
    def slug(self) -> str:
        """File-safe name of the set, distinct within an evaluation."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:60]
        return f"{plain}-steps{self.settings.steps}-guidance{self.settings.guidance:g}"


def read_evaluate_recipe(name: str) -> EvaluateRecipe:
    """Read a recipe; its relative paths are relative to its own folder.

    Raises:
        BadInput: see `recipe.read_recipe`.
    """
    recipe = read_recipe(name, EvaluateRecipe)
    folder = find_recipe(name).parent.resolve()
    entries = tuple(
        replace(entry, generator=str(folder / entry.generator)) if entry.generator.endswith(".toml") else entry
        for entry in recipe.generators
    )
    return replace(recipe, split=folder / recipe.split, generators=entries)


def run_evaluate(recipe: EvaluateRecipe, out: Path, *, reporter: Reporter | None = None, report: bool = True) -> Run:
    """Run the flow.

    Args:
        recipe: what to do.
        out: folder of the evaluation.
        reporter: where progress is shown.
        report: write `report.html` too.
    """
    run = Run(root=out, reporter=reporter or Reporter())
    sets = plan_sets(recipe, out)
    classes = dict(read_rows(recipe)[0].select("class_index", "wnid").unique().iter_rows())
    for one in sets:  # said now, not after hours of another generator
        sampling.check_classes(one.generator.info, classes)
    with hold_folder(out):
        evaluate(run, recipe, sets)
        if not report:
            return run
        from relaionet.flows.reporting import write_evaluation_report

        path = write_evaluation_report(run, recipe, sets)
        run.reporter.say(f"\nScores: {out / 'scores.parquet'}\nReport: {path}")
    return run


def plan_sets(recipe: EvaluateRecipe, out: Path) -> list[ScoredSet]:
    """Load every generator and check every setting before anything is made.

    Raises:
        BadInput: a generator is unknown or cannot honour a setting, or two sets would have one name.
    """
    if not recipe.generators:
        raise BadInput("the recipe names no generators; add at least one [[generators]] table.")
    if recipe.limit < 0:
        raise BadInput(f"limit is {recipe.limit}; it must be 0 (all) or more.")
    find_protocol(recipe.protocol)
    sets: list[ScoredSet] = []
    for entry in recipe.generators:
        generator = load_generator(entry.generator, device=device_of(recipe), **entry.options)
        for steps in entry.steps:
            for guidance in entry.guidance:
                settings = Settings(steps=steps, guidance=guidance)
                check_settings(generator.info, settings)
                one = ScoredSet(
                    name=entry.name or generator.info.name, settings=settings, folder=out, generator=generator
                )
                one.folder = out / "samples" / one.slug
                sets.append(one)
    slugs = [one.slug for one in sets]
    twice = sorted({slug for slug in slugs if slugs.count(slug) > 1})
    if twice:
        raise BadInput(f"the recipe asks for '{twice[0]}' twice; give one of the two generators another name.")
    return sets


def device_of(recipe: EvaluateRecipe) -> str:
    """The recipe's device; `auto` is the GPU where there is one."""
    if recipe.device != "auto":
        return recipe.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def evaluate(run: Run, recipe: EvaluateRecipe, sets: list[ScoredSet]) -> pl.DataFrame:
    """The flow: generators over steps × guidance on one split; returns all scores."""
    return as_flow(
        "evaluate", lambda: score_sets(run, recipe, sets), title=recipe.name, split=str(recipe.split),
        protocol=recipe.protocol, out=str(run.root),
    )  # fmt: skip


def score_sets(run: Run, recipe: EvaluateRecipe, sets: list[ScoredSet]) -> pl.DataFrame:
    """Features of the real images, then one set after the other."""
    rows, split_name = read_rows(recipe)
    run.reporter.headline(f"Evaluate {len(sets)} sets of {rows.height:,} images on {split_name} ({recipe.protocol})")
    share_cores(1)
    write_run_record(run.root, recipe, split_digest=split_digest(recipe.split))
    models = load_models(find_protocol(recipe.protocol), device=device_of(recipe), **recipe.weights)
    reference = extract_reference(run, rows, models)
    requests = sampling.make_requests(rows, base_seed=recipe.base_seed, split_name=split_name, prompt=recipe.prompt)
    real = digest_of(reference.digest, models.protocol, split_name)
    parts = [score_shard(run, "real", real, lambda: score_real(reference, split_name))]
    for one in sets:
        work = partial(score_set, run, recipe, one, requests, models, reference, split_name)
        parts.append(run_set.with_options(name=one.slug)(work))
    return write_scores(run, pl.concat(parts))


def read_rows(recipe: EvaluateRecipe) -> tuple[pl.DataFrame, str]:
    """The split's kept rows and its name, cut to the recipe's limit class by class in turn."""
    rows, info = read_split(recipe.split)
    if rows.is_empty():
        raise BadInput(f"split {recipe.split} keeps no image; rebuild it, or choose another.")
    if recipe.limit:
        turn = pl.int_range(pl.len()).over("wnid")
        rows = rows.with_columns(turn=turn).sort("turn", "class_index", maintain_order=True)
        rows = rows.head(recipe.limit).drop("turn")
    return rows, recipe.split_name or str(info["release"])


def split_digest(folder: Path) -> str:
    """The split's digest, which depends on the rows kept alone."""
    return str(read_json(folder / "split.json")["digest"])


def extract_reference(run: Run, rows: pl.DataFrame, models: Models) -> FeatureSet:
    """Features of the split's own images."""
    protocol = models.protocol
    images = FileImages(
        [Path(path) for path in rows["path"]], protocol.size_px, protocol.real, hashes=rows["image_sha256"].to_list()
    )
    with run.reporter.bar("real images", rows.height * count_passes(models)) as advance:
        return extract_set(images, rows, models, run.root / "reference", advance)


@task(cache_policy=NO_CACHE)
def run_set(work: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """One set, as one Prefect task."""
    return work()


def score_set(
    run: Run, recipe: EvaluateRecipe, one: ScoredSet, requests: list[Request], models: Models, reference: FeatureSet,
    split_name: str,
) -> pl.DataFrame:  # fmt: skip
    """Sample one set, extract its features and score it."""
    started = time.perf_counter()
    with run.reporter.bar(one.slug, len(requests)) as advance:
        samples = sampling.sample_generator(
            one.generator, requests, one.settings, one.folder, batch_size=recipe.batch_size, progress=advance
        )
    made = samples.filter(pl.col("status") == ALIVE)
    if made.is_empty():
        raise BadInput(f"{one.slug}: no image was made; the first failed because: {samples['reason'][0]}.")
    features = extract_samples(run, one, made, models)
    nfe = float(made["nfe"].mean())  # type: ignore[arg-type]
    scores = score_shard(
        run, one.slug, digest_of(features.digest, reference.digest, nfe, models.protocol, one.name, split_name),
        lambda: score_generator(
            features, reference, generator=one.name, split=split_name, steps=one.settings.steps,
            guidance=one.settings.guidance, nfe=nfe,
        ),
    )  # fmt: skip
    say_scores(run, one, scores, samples.height - made.height, time.perf_counter() - started)
    return scores


def extract_samples(run: Run, one: ScoredSet, made: pl.DataFrame, models: Models) -> FeatureSet:
    """Features of one set's images."""
    _, stored = sampling.read_samples(one.folder)
    images = ArrayImages(stored[made["row"].to_numpy()], models.protocol.size_px, models.protocol.generated)
    with run.reporter.bar("features", made.height * count_passes(models)) as advance:
        return extract_set(images, made, models, one.folder, advance)


def score_shard(run: Run, shard: str, digest: str, make: Any) -> pl.DataFrame:
    """Score one set unless it was scored from the same features before."""
    run.make(SCORES, digest_of(digest, SCORE_VERSION), make, shard=shard)
    return run.store.read(SCORES, shard)


def say_scores(run: Run, one: ScoredSet, scores: pl.DataFrame, failed_count: int, seconds: float) -> None:
    """One line with the main numbers of a set."""
    values = dict(scores.select("metric", "value").iter_rows())
    names = [name for name in ("FID", "FD", "IS", "CLIP Score", "PickScore", "accuracy") if name in values]
    text = "  ".join(f"{name} {values[name]:.4g}" for name in names)
    failed = f"  {failed_count} failed" if failed_count else ""
    run.reporter.say(f"  {one.slug:<46} {text}{failed}  ({seconds:.1f} s)")


def write_scores(run: Run, scores: pl.DataFrame) -> pl.DataFrame:
    """Add what compares all rows, and write `scores.parquet`."""
    scores = pl.concat([scores, score_mmhm(scores)])
    part = run.root / "scores.parquet.part"
    scores.write_parquet(part)
    part.replace(run.root / "scores.parquet")
    return scores


def set_records(sets: list[ScoredSet]) -> Iterator[tuple[ScoredSet, dict[str, Any]]]:
    """What was run and measured for every set."""
    for one in sets:
        yield one, {"settings": asdict(one.settings), **read_json(one.folder / "sampling.json")}
