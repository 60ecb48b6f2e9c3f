"""Sampling of one set's shards on the workers of a Ray cluster: the same bytes as in one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.evaluators.generators.ask import check_requests, describe_generator, prepare_generator
from relaionet.evaluators.generators.protocol import Generator, Info, Request, Settings
from relaionet.evaluators.generators.registry import load_generator
from relaionet.evaluators.sampling.sample import (
    SamplingConfig,
    Shard,
    make_shard,
    plan_shards,
    write_record,
)
from relaionet.evaluators.sampling.shards import drop_others
from relaionet.flows.evaluation.loaded_generator import device_of
from relaionet.flows.evaluation.plan import ScoredSet
from relaionet.flows.evaluation.recipe import EvaluateRecipe
from relaionet.flows.runs.loaded import Loaded
from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.stages import run_shards
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, file_sha256, read_json, write_json
from relaionet.manifests.store import write_parquet
from relaionet.manifests.tables import SAMPLES
from relaionet.pipeline.machine import largest, peak_memory_bytes

REQUESTS = "requests.parquet"
WORKERS = "workers"


@dataclass(frozen=True, kw_only=True)
class SampleJob:
    """What every task of a set is told; the requests lie in the set's folder.

    Attributes:
        spec: name of the generator, as for `registry.load_generator`.
        options: of its factory.
        device: torch device, or `auto`: the worker's own.
        info: what the generator is where the run was started.
        settings: steps and guidance.
        config: how sampling is cut up.
        requests_sha256: of their file.
    """

    spec: str
    options: Mapping[str, Any]
    device: str
    info: Info
    settings: Settings
    config: SamplingConfig
    requests_sha256: str


def sample_on_workers(
    run: Run, recipe: EvaluateRecipe, one: ScoredSet, requests: Sequence[Request], config: SamplingConfig
) -> pl.DataFrame:
    """`sampling.sample_generator`, one Prefect task for each shard, wherever the flow's tasks run.

    Args:
        run: the evaluation, whose tasks run elsewhere.
        recipe: what to do.
        one: the set.
        requests: what is asked for; each sample_id once.
        config: how it is cut up.

    Returns:
        Table SAMPLES.

    Raises:
        BadInput: the recipe wants processes of its own, or a worker's generator is another.
        GeneratorDied: it cannot go on.
        Unavailable: a worker ended before its shard was done.
    """
    there = Run(root=one.folder.resolve(), reporter=run.reporter, local=False, runner=run.runner)
    shards = plan_shards(one.info, requests, one.settings, config.shard_size)
    drop_others(there.store, [shard.name for shard in shards])
    path = there.root / REQUESTS
    write_parquet(path, pl.DataFrame([asdict(request) for request in requests], infer_schema_length=None))
    job = SampleJob(
        spec=one.entry.generator, options=one.entry.options, device=recipe.device, info=one.info,
        settings=one.settings, config=config, requests_sha256=file_sha256(path),
    )  # fmt: skip
    names = [shard.name for shard in shards]
    run_shards(there, SAMPLES, sample_shard, names, len(requests), job, Loaded(), gpu=True, is_counted=False)
    if not there.made and (there.root / "sampling.json").exists():
        return there.store.read_all(SAMPLES)
    told = [read_json(file) for file in sorted((there.root / WORKERS).glob("*.json"))]
    realised = told[0]["realised"] if told else {}
    return write_record(
        there.store, one.info, one.settings, realised, peaks=largest([each["peak_memory_bytes"] for each in told])
    )


def check_place(recipe: EvaluateRecipe) -> None:
    """Refuse what a cluster does otherwise.

    Raises:
        BadInput: the recipe names devices of this machine, or a time limit.
    """
    for name in ("devices", "time_limit_s"):
        if getattr(recipe, name):
            raise BadInput(f"{name} is for processes of this machine; leave it out with --on, where workers sample.")


def sample_shard(run: Run, shard: str, job: SampleJob, loaded: Loaded, advance: Advance) -> bool:
    """One shard, on a worker; the generator is loaded once per process, that of another set is let go first."""
    key = digest_of(str(run.root), asdict(job))
    generator, shards = loaded.alone(key, lambda: _load_generator(run.root, job))
    made = make_shard(generator, job.settings, run.store, shards[shard], job.config, advance)
    if made:
        about = {"realised": describe_generator(generator, job.settings), "peak_memory_bytes": peak_memory_bytes()}
        write_json(run.root / WORKERS / f"{shard}.json", about)
    return made


def _load_generator(root: Path, job: SampleJob) -> tuple[Generator, dict[str, Shard]]:
    """The generator of a set and its shards."""
    path = root / REQUESTS
    if file_sha256(path) != job.requests_sha256:
        raise BadInput(f"{path} is not what this run was started with; does another run write there?")
    requests = [Request(**row) for row in pl.read_parquet(path).iter_rows(named=True)]
    generator = load_generator(job.spec, device=device_of(job.device), **job.options)
    if generator.info != job.info:
        raise BadInput(
            f"generator '{job.info.name}' is another on this worker: {generator.info.weights} instead of "
            f"{job.info.weights}; give all machines the same files and versions."
        )
    check_requests(generator, requests)
    prepare_generator(generator, requests)
    shards = plan_shards(generator.info, requests, job.settings, job.config.shard_size)
    return generator, {one.name: one for one in shards}
