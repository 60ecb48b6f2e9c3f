"""Runs a generator over the rows of a split: one image per request, in lossless shards that can be gone on with.

Layout of the folder: `images/<shard>.npy` (`[n, H, W, 3]` uint8), `samples/<shard>.parquet` (table SAMPLES), a receipt
beside each, and `sampling.json` with what was run and measured.
"""

from __future__ import annotations

import dataclasses
import hashlib
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relaionet.evaluators.generators import Generator, Info, Request, Settings, check_settings
from relaionet.evaluators.sample_shards import drop_others, is_done, read_samples, write_images
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import find_label
from relaionet.manifests.store import Store, digest_of, write_json
from relaionet.manifests.tables import SAMPLES, count_statuses

__all__ = ["check_classes", "make_requests", "make_seed", "read_samples", "sample_generator"]

VERSION = "1"
REASON_LIMIT = 200
PACKAGES = ("numpy", "torch", "pillow")


def make_seed(base_seed: int, split_name: str, sample_id: str) -> int:
    """Seed of one sample, 0 to 2^63 - 1: the first 8 bytes of sha256(base_seed|split_name|sample_id), halved."""
    digest = hashlib.sha256(f"{base_seed}|{split_name}|{sample_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def make_requests(
    split: pl.DataFrame,
    *,
    base_seed: int,
    split_name: str,
    prompt: str = "a photo of a {class}",
    per_row: int = 1,
    limit: int | None = None,
) -> list[Request]:
    """One request for each row of a split, or several.

    Args:
        split: columns candidate_id, wnid, class_index.
        base_seed: of the whole run; a sample's own seed is a hash of this, the split's name and its id.
        split_name: name of the split.
        prompt: text for generators that take one; `{class}` becomes the class name.
        per_row: images per row; the k-th after the first has `-k` appended to its id.
        limit: at most so many rows, those with the smallest seeds, so that any order of rows gives the same ones.

    Returns:
        Requests in the order of the rows.

    Raises:
        BadInput: a column is missing, a label is unknown, or a number makes no sense.
    """
    missing = [name for name in ("candidate_id", "wnid", "class_index") if name not in split.columns]
    if missing:
        raise BadInput(f"split '{split_name}': missing column {', '.join(missing)}; found {', '.join(split.columns)}.")
    if per_row < 1 or (limit is not None and limit < 1):
        raise BadInput(f"split '{split_name}': per_row = {per_row}, limit = {limit}; expected at least 1 of each.")
    rows = list(split.select("candidate_id", "wnid", "class_index").iter_rows())
    if limit is not None and limit < len(rows):
        keep = set(sorted((row[0] for row in rows), key=lambda name: make_seed(base_seed, split_name, name))[:limit])
        rows = [row for row in rows if row[0] in keep]
    requests = []
    for candidate_id, wnid, class_index in rows:
        label = find_label(wnid)
        if label.class_index != class_index:
            raise BadInput(f"split '{split_name}': {candidate_id} has class_index {class_index}, {wnid} is "
                           f"{label.class_index}.")  # fmt: skip
        for k in range(per_row):
            sample_id = candidate_id if k == 0 else f"{candidate_id}-{k}"
            request = Request(
                sample_id=sample_id, class_index=class_index, wnid=wnid, class_name=label.name,
                prompt=prompt.replace("{class}", label.name), seed=make_seed(base_seed, split_name, sample_id),
            )  # fmt: skip
            requests.append(request)
    return requests


@dataclass(frozen=True)
class _Sample:
    """What became of one request: an image, or the reason why there is none."""

    image: NDArray[np.uint8] | None
    nfe: int | None
    reason: str | None


def _failed(reason: str) -> _Sample:
    return _Sample(None, None, " ".join(reason.split())[:REASON_LIMIT])


def _check_image(image: NDArray[Any], nfe: int, info: Info) -> _Sample:
    """Accept one image, or say what is wrong with it."""
    shape = (info.native_size_px, info.native_size_px, 3)
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        return _failed("the image holds NaN or infinite pixels")
    if image.dtype != np.uint8:
        return _failed(f"the image is {image.dtype}, expected uint8")
    if image.shape != shape:
        return _failed(f"the image has shape {list(image.shape)}, expected {list(shape)}")
    if image.min() == image.max():
        return _failed("the image is black" if image.max() == 0 else "the image has one flat colour")
    return _Sample(image, int(nfe), None)


def _ask(generator: Generator, batch: Sequence[Request], settings: Settings) -> list[_Sample]:
    """Run one batch; where it fails as a whole, run its requests one by one."""
    try:
        made = generator.generate(batch, settings)
        images, nfe = made.images, made.nfe
        if len(images) != len(batch) or len(nfe) != len(batch):
            message = f"{len(images)} images and {len(nfe)} counts of calls came for {len(batch)} requests"
            raise ValueError(message)
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001  a generator is foreign code and may raise anything
        if len(batch) == 1:
            return [_failed(f"{type(error).__name__}: {error}")]
        return [sample for request in batch for sample in _ask(generator, [request], settings)]
    return [_check_image(np.asarray(image), count, generator.info) for image, count in zip(images, nfe, strict=True)]


def check_classes(info: Info, classes: Mapping[int, str]) -> None:
    """See that a generator knows every class it will be asked for.

    Args:
        info: of the generator.
        classes: class_index -> wnid.

    Raises:
        BadInput: it does not.
    """
    if info.class_indices is None:
        return
    known = set(info.class_indices)
    foreign = sorted(wnid for index, wnid in classes.items() if index not in known)
    if foreign:
        raise BadInput(
            f"generator '{info.name}' knows {len(known)} classes and not {foreign[0]} ({len(foreign)} of the split's "
            f"{len(classes)} classes are unknown to it); score it on a split of its own classes."
        )


def _check_requests(generator: Generator, requests: Sequence[Request], settings: Settings) -> None:
    info = generator.info
    check_settings(info, settings)
    check_classes(info, {request.class_index: request.wnid for request in requests})
    if len({request.sample_id for request in requests}) != len(requests):
        raise BadInput(f"generator '{info.name}': a sample_id stands twice among the requests.")


def _write_shard(
    store: Store, shard: str, digest: str, start: int, requests: Sequence[Request], samples: Sequence[_Sample],
    info: Info, seconds: float,
) -> None:  # fmt: skip
    """Images first, then the table: a shard is whole or absent, whenever it is killed."""
    images = np.zeros((len(requests), info.native_size_px, info.native_size_px, 3), np.uint8)
    for place, sample in enumerate(samples):
        if sample.image is not None:
            images[place] = sample.image
    write_images(store, shard, images, digest, seconds)
    rows = {
        "sample_id": [request.sample_id for request in requests],
        "class_index": [request.class_index for request in requests],
        "wnid": [request.wnid for request in requests],
        "seed": [request.seed for request in requests],
        "nfe": [sample.nfe for sample in samples],
        "row": [start + place if sample.reason is None else None for place, sample in enumerate(samples)],
        "status": ["ok" if sample.reason is None else "failed" for sample in samples],
        "reason": [sample.reason for sample in samples],
    }
    store.write(pl.DataFrame(rows, schema=SAMPLES.schema), SAMPLES, digest, shard=shard, seconds=seconds)


def _record(generator: Generator, settings: Settings, store: Store, samples: pl.DataFrame) -> dict[str, Any]:
    """What was run and measured, for `sampling.json`."""
    info = dataclasses.asdict(generator.info)
    info["guidance_range"] = [bound if np.isfinite(bound) else None for bound in info["guidance_range"]]
    seconds = sum(receipt.seconds for receipt in store.receipts(SAMPLES))
    made = samples.filter(pl.col("status") == "ok")
    describe = getattr(generator, "describe", None)
    return {
        "generator": info,
        "settings": dataclasses.asdict(settings),
        "realised": describe(settings) if describe is not None else {},
        "counts": count_statuses(samples),
        "nfe": {"mean": made["nfe"].mean(), "min": made["nfe"].min(), "max": made["nfe"].max()},
        "seconds": round(seconds, 3),
        "images_per_s": round(samples.height / seconds, 3) if seconds > 0 else None,
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
    }


def sample_generator(
    generator: Generator,
    requests: Sequence[Request],
    settings: Settings,
    out: Path,
    *,
    shard_size: int = 256,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:
    """Make one image for each request and store them; finished shards of the same run are not made again.

    Args:
        generator: what makes the images.
        requests: what is asked for; each sample_id once.
        settings: steps and guidance.
        out: folder of this run; anything of another run in it is replaced.
        shard_size: images per shard.
        batch_size: requests per call of the generator; does not change the bytes of a deterministic generator.
        progress: called with the number of requests just dealt with.

    Returns:
        Table SAMPLES, one row per request in their order; failed ones have a reason.

    Raises:
        BadInput: the generator cannot honour the settings or has not all classes, or a number makes no sense.
    """
    if shard_size < 1 or batch_size < 1:
        raise BadInput(f"shard_size = {shard_size}, batch_size = {batch_size}; expected at least 1 of each.")
    _check_requests(generator, requests, settings)
    store = Store(out)
    bounds = list(pairwise([*range(0, len(requests), shard_size), len(requests)])) if requests else []
    shards = [f"{index:05d}" for index in range(len(bounds))]
    drop_others(store, shards)
    prepare = getattr(generator, "prepare", None)
    if prepare is not None:
        prepare(requests)
    fresh = not (out / "sampling.json").exists()
    for shard, (start, stop) in zip(shards, bounds, strict=True):
        part = requests[start:stop]
        digest = digest_of(VERSION, generator.info, settings, start, [dataclasses.asdict(one) for one in part])
        if is_done(store, shard, digest):
            _report(progress, len(part))
            continue
        fresh, began, samples = True, time.monotonic(), []
        for first in range(0, len(part), batch_size):
            batch = part[first : first + batch_size]
            samples += _ask(generator, batch, settings)
            _report(progress, len(batch))
        _write_shard(store, shard, digest, start, part, samples, generator.info, time.monotonic() - began)
    rows = store.read_all(SAMPLES)
    if fresh:
        write_json(out / "sampling.json", _record(generator, settings, store, rows))
    return rows


def _report(progress: Callable[[int], None] | None, count: int) -> None:
    if progress is not None:
        progress(count)
