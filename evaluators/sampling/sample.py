"""Runs a generator over the rows of a split: one image per request, in lossless shards that can be gone on with.

Layout of the folder: `images/<shard>.npy` (`[n, H, W, 3]` uint8), `samples/<shard>.parquet` (table SAMPLES), a receipt
beside each, and `sampling.json` with what was run and measured. Memory is that of one shard, however many there are.
Seeds come with the requests (`generators.requests.make_seed`).
"""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from relaionet.evaluators.generators.ask import (
    Sample,
    ask_generator,
    check_requests,
    describe_generator,
    failed,
    prepare_generator,
)
from relaionet.evaluators.generators.protocol import Generator, Info, Request, Settings, check_settings
from relaionet.evaluators.sampling.shards import drop_others, is_done, read_shard_images, write_images
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, read_json, write_json
from relaionet.manifests.store import Store
from relaionet.manifests.tables import ALIVE, SAMPLES, count_statuses
from relaionet.pipeline.machine import peak_memory_bytes

VERSION = "2"
PACKAGES = ("numpy", "torch", "pillow")
SHARD_BYTES = 64 << 20
SHARD_IMAGES = 256

Progress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How sampling is cut up; none of it changes an image of a deterministic generator.

    Attributes:
        shard_size: images per shard; 0 takes 256, or as many as have 64 MiB.
        batch_size: requests per call of the generator.
        retry_failed: ask again for the images that failed in an earlier run.
    """

    shard_size: int = 0
    batch_size: int = 64
    retry_failed: bool = False

    def __post_init__(self) -> None:
        if self.shard_size < 0 or self.batch_size < 1:
            raise BadInput(
                f"shard_size = {self.shard_size}, batch_size = {self.batch_size}; expected at least 0 and 1."
            )


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A part of the requests that is written as a whole.

    Attributes:
        name: five digits.
        start: place of its first request among all.
        requests: its requests.
        digest: of all that decides its images.
    """

    name: str
    start: int
    requests: Sequence[Request]
    digest: str


def plan_shards(info: Info, requests: Sequence[Request], settings: Settings, shard_size: int = 0) -> list[Shard]:
    """Cut requests into shards; the plan depends on the generator, the requests and the settings alone.

    Raises:
        BadInput: the generator cannot honour the settings, or an id stands twice.
    """
    check_settings(info, settings)
    if len({request.sample_id for request in requests}) != len(requests):
        raise BadInput(f"generator '{info.name}': a sample_id stands twice among the requests.")
    size = shard_size or max(1, min(SHARD_IMAGES, SHARD_BYTES // (3 * info.native_size_px**2)))
    bounds = list(pairwise([*range(0, len(requests), size), len(requests)])) if requests else []
    shards = []
    for index, (start, stop) in enumerate(bounds):
        part = requests[start:stop]
        digest = digest_of(VERSION, info, settings, start, [dataclasses.asdict(one) for one in part])
        shards.append(Shard(name=f"{index:05d}", start=start, requests=part, digest=digest))
    return shards


def make_shard(
    generator: Generator, settings: Settings, store: Store, shard: Shard, config: SamplingConfig,
    progress: Progress | None = None, *, watched: Mapping[str, str] | None = None,
    asking: Callable[[Sequence[str]], None] | None = None,
) -> bool:  # fmt: skip
    """Make the images of one shard that are not made yet.

    Args:
        generator: what makes them.
        settings: steps and guidance.
        store: of the run.
        shard: from `plan_shards`.
        config: sizes of shards and batches, and whether failed images are asked for again.
        progress: called with the number of requests just dealt with.
        watched: sample_id -> why it is not asked for any more, or nothing where it is to be asked for alone.
        asking: called with the ids of a batch before it is asked for.

    Returns:
        True where something was made.

    Raises:
        BadInput, GeneratorDied: from the generator; nothing of the shard is written then.
    """
    kept = read_kept(store, shard)
    left = [one for one in shard.requests if one.sample_id not in kept]
    is_new = not is_done(store, shard.name, shard.digest)
    if not is_new and (not left or not config.retry_failed):
        _report(progress, len(shard.requests))
        return False
    _report(progress, len(kept))
    began, samples = time.monotonic(), dict(kept)
    watched = watched or {}
    for batch in _batches(left, config.batch_size, watched):
        if asking is not None:
            asking([one.sample_id for one in batch])
        why = watched.get(batch[0].sample_id)
        made = [failed(why)] if why else ask_generator(generator, batch, settings)
        samples |= {one.sample_id: sample for one, sample in zip(batch, made, strict=True)}
        _report(progress, len(batch))
    _write_shard(store, shard, [samples[one.sample_id] for one in shard.requests], generator.info, began)
    return True


def _batches(requests: Sequence[Request], size: int, watched: Mapping[str, str]) -> Iterator[list[Request]]:
    """Requests in batches; the watched ones stand alone."""
    batch: list[Request] = []
    for one in requests:
        if one.sample_id in watched:
            yield [one]
            continue
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def read_kept(store: Store, shard: Shard) -> dict[str, Sample]:
    """The good samples of a shard that was finished before."""
    if not is_done(store, shard.name, shard.digest):
        return {}
    rows = store.read(SAMPLES, shard.name)
    if (rows["status"] == ALIVE).all():
        # the usual case: nothing has to be read to know that nothing is left
        return dict.fromkeys(rows["sample_id"], Sample(None, None, None))
    images = read_shard_images(store, shard.name)
    return {
        row["sample_id"]: Sample(images[place], row["nfe"], None)
        for place, row in enumerate(rows.iter_rows(named=True))
        if row["status"] == ALIVE
    }


def _write_shard(store: Store, shard: Shard, samples: Sequence[Sample], info: Info, began: float) -> None:
    """Images first, then the table: a shard is whole or absent, whenever it is killed."""
    images = np.zeros((len(samples), info.native_size_px, info.native_size_px, 3), np.uint8)
    for place, sample in enumerate(samples):
        if sample.image is not None:
            images[place] = sample.image
    seconds = time.monotonic() - began
    write_images(store, shard.name, images, shard.digest, seconds)
    is_good = [sample.reason is None for sample in samples]
    rows = {
        "sample_id": [request.sample_id for request in shard.requests],
        "class_index": [request.class_index for request in shard.requests],
        "wnid": [request.wnid for request in shard.requests],
        "seed": [request.seed for request in shard.requests],
        "nfe": [sample.nfe for sample in samples],
        "row": [shard.start + place if good else None for place, good in enumerate(is_good)],
        "status": ["ok" if good else "failed" for good in is_good],
        "reason": [sample.reason for sample in samples],
    }
    store.write(pl.DataFrame(rows, schema=SAMPLES.schema), SAMPLES, shard.digest, shard=shard.name, seconds=seconds)


def write_record(
    store: Store, info: Info, settings: Settings, realised: Mapping[str, Any], peaks: Mapping[str, int] | None = None
) -> pl.DataFrame:
    """Write `sampling.json`: what was run and measured; returns SAMPLES.

    Seconds are those at work on the shards, whichever run or process made them, so that images per second are those of
    one process, and a run that was gone on with says the same as one that was not stopped.

    Args:
        store: of the run.
        info: of the generator.
        settings: steps and guidance.
        realised: what the generator says it did.
        peaks: most memory that the processes at work held; this one's where None.
    """
    rows = store.read_all(SAMPLES)
    about = dataclasses.asdict(info)
    about["guidance_range"] = [bound if np.isfinite(bound) else None for bound in about["guidance_range"]]
    spent = sum(receipt.seconds for receipt in store.receipts(SAMPLES))
    made = rows.filter(pl.col("status") == ALIVE)
    record = {
        "generator": about,
        "settings": dataclasses.asdict(settings),
        "realised": dict(realised),
        "counts": count_statuses(rows),
        "nfe": {"mean": made["nfe"].mean(), "min": made["nfe"].min(), "max": made["nfe"].max()},
        "seconds": round(spent, 3),
        "images_per_s": round(rows.height / spent, 3) if spent > 0 else None,
        "peak_memory_bytes": dict(peaks) if peaks is not None else peak_memory_bytes(),
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
    }
    write_json(store.root / "sampling.json", record)
    return rows


def read_record(out: Path) -> dict[str, Any]:
    """What was run and measured, from `sampling.json`."""
    record: dict[str, Any] = read_json(out / "sampling.json")
    return record


def sample_generator(
    generator: Generator, requests: Sequence[Request], settings: Settings, out: Path,
    config: SamplingConfig | None = None, *, progress: Progress | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Make one image for each request and store them; finished shards of the same run are not made again.

    Args:
        generator: what makes the images.
        requests: what is asked for; each sample_id once.
        settings: steps and guidance.
        out: folder of this run; anything of another run in it is replaced.
        config: how it is cut up.
        progress: called with the number of requests just dealt with.

    Returns:
        Table SAMPLES, one row per request in their order; failed ones have a reason.

    Raises:
        BadInput: the generator cannot honour the settings or these requests.
        GeneratorDied: the generator cannot go on; the shards finished before stay.
    """
    config = config or SamplingConfig()
    shards = plan_shards(generator.info, requests, settings, config.shard_size)
    check_requests(generator, requests)
    store = Store(out)
    drop_others(store, [shard.name for shard in shards])
    prepare_generator(generator, requests)
    made = [make_shard(generator, settings, store, shard, config, progress) for shard in shards]
    if any(made) or not (out / "sampling.json").exists():
        return write_record(store, generator.info, settings, describe_generator(generator, settings))
    return store.read_all(SAMPLES)


def _report(progress: Progress | None, count: int) -> None:
    if progress is not None and count:
        progress(count)
