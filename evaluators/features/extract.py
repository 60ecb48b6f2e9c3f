"""Features of a set of images: extracted once, stored with ids and a receipt, read by every metric."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relaionet.evaluators.features.extractors import Extractor
from relaionet.evaluators.features.images import ImageSource
from relaionet.evaluators.protocols import Protocol
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import digest_of, file_sha256, read_json, write_json
from relaionet.manifests.replacing import replacing
from relaionet.manifests.store import Receipt, Store
from relaionet.pipeline.arrays import map_npy

VERSION = "1"
GROWING = ".npy.growing"  # arrays that are being filled; a run that goes on fills them further
SAVE_EVERY = 16
"""Batches between two points a killed run can go on from."""


@dataclass(frozen=True, eq=False)
class Features:
    """What one extractor says about a set of images.

    Attributes:
        ids: one per image, as they were asked for.
        arrays: name -> [N, D] float32, read-only memory maps; `features` always.
        digest: of images, ids, extractor and resize.
    """

    ids: Sequence[str]
    arrays: dict[str, np.ndarray]
    digest: str


def extract_features(
    images: ImageSource,
    ids: Sequence[str],
    extractor: Extractor,
    protocol: Protocol,
    out: Path,
    progress: Callable[[int], None] | None = None,
) -> Features:
    """Extract the features of a set of images, or read them where that was done before.

    Every forward pass holds exactly `protocol.batch_count` images (the last is filled up), so the features do not
    depend on where a killed run was resumed. Memory stays at one batch.

    Args:
        images: at the protocol's size.
        ids: one per image, distinct.
        extractor: what to run.
        protocol: gives the batch.
        out: folder of the set; each extractor has its own subfolder.
        progress: called with the number of images done since the last call.

    Raises:
        BadInput: ids and images differ in number, or there is no image.
        Corrupt: stored features are not what their receipt says.
    """
    if not ids or len(ids) != len(images):
        raise BadInput(f"features of {len(images)} images with {len(ids)} ids; there must be one id for each image.")
    name = folder_name(extractor)
    digest = digest_of(
        "features", VERSION, images.digest, ids, extractor.fingerprint, protocol.size_px, protocol.batch_count
    )
    store, folder = Store(out), out / name
    if not store.is_done(name, digest):
        started = time.monotonic()
        store.forget(name)
        _extract_all(images, extractor, protocol.batch_count, folder, digest, progress)
        _write_ids(folder / "ids.json", ids)
        seconds = time.monotonic() - started
        receipt = Receipt(
            table=name, shard="all", rows_count=len(ids), sha256=_files_sha256(folder), digest=digest, seconds=seconds
        )
        store.write_receipt(receipt)
    elif progress is not None:
        progress(len(ids))
    return _read(store, name, ids)


def _extract_all(
    images: ImageSource,
    extractor: Extractor,
    batch_count: int,
    folder: Path,
    digest: str,
    progress: Callable[[int], None] | None,
) -> None:
    """Fill the arrays from where they stand, then give them their names."""
    folder.mkdir(parents=True, exist_ok=True)
    point = folder / "progress.json"
    state = read_json(point) if point.exists() else {}
    done = state["done_count"] if state.get("digest") == digest else 0
    names = state["arrays"] if done else ()
    if not all((folder / f"{name}{GROWING}").is_file() for name in names):
        done, names = 0, ()
    arrays: dict[str, Any] = {name: np.load(folder / f"{name}{GROWING}", mmap_mode="r+") for name in names}
    _drop_growing(folder, names)
    if progress is not None and done:
        progress(done)
    for start in range(done, len(images), batch_count):
        stop = min(start + batch_count, len(images))
        found = _extract_batch(images.read(start, stop), extractor, batch_count)
        if not arrays:
            arrays = _open_growing(folder, found, len(images))
        for name, rows in found.items():
            arrays[name][start:stop] = rows[: stop - start]
        if stop == len(images) or (start // batch_count) % SAVE_EVERY == SAVE_EVERY - 1:
            for array in arrays.values():
                array.flush()
            write_json(point, {"digest": digest, "done_count": stop, "arrays": sorted(arrays)})
        if progress is not None:
            progress(stop - start)
    for name in sorted(arrays):
        (folder / f"{name}{GROWING}").replace(folder / f"{name}.npy")
    point.unlink(missing_ok=True)


def _extract_batch(images: np.ndarray, extractor: Extractor, batch_count: int) -> dict[str, Any]:
    """One forward pass over exactly `batch_count` images; the last image is repeated where there are fewer."""
    short = batch_count - len(images)
    if short:
        images = np.concatenate([images, np.repeat(images[-1:], short, axis=0)])
    found = extractor.extract(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))  # [N, 3, H, W] RGB
    return {name: np.asarray(rows, dtype=np.float32) for name, rows in found.items()}


def _open_growing(folder: Path, found: Mapping[str, np.ndarray], count: int) -> dict[str, Any]:
    """Empty arrays on disk, all of whose room is taken now: a full disk met later would end the process."""
    arrays: dict[str, Any] = {}
    try:
        for name, rows in found.items():
            path = folder / f"{name}{GROWING}"
            arrays[name] = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, rows.shape[1]))
            with path.open("r+b") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except BaseException:
        _drop_growing(folder, ())
        raise
    return arrays


def _drop_growing(folder: Path, but: Collection[str]) -> None:
    """Remove arrays nobody goes on with; earlier versions called them `.npy.part`."""
    for path in (*folder.glob(f"*{GROWING}"), *folder.glob("*.npy.part")):
        if path.name.removesuffix(GROWING) not in but:
            path.unlink()


def folder_name(extractor: Extractor) -> str:
    """Folder of an extractor's arrays: readable and distinct for each, whatever a stranger's name holds."""
    slug = re.sub(r"[^a-zA-Z0-9]+", "-", extractor.name).strip("-")[:40]
    return f"features-{slug}-{digest_of(extractor.fingerprint)[:8]}"


def _files_sha256(folder: Path) -> str:
    return digest_of([[path.name, file_sha256(path)] for path in sorted(folder.glob("*.npy"))])


def _write_ids(path: Path, ids: Sequence[str]) -> None:
    """The ids beside the arrays, one a line, for whoever reads the folder; the digest holds them too."""
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        for index, name in enumerate(ids):
            file.write(("[\n" if not index else ",\n") + json.dumps(name, ensure_ascii=False))
        file.write("\n]\n")


def _read(store: Store, name: str, ids: Sequence[str]) -> Features:
    folder, receipt = store.root / name, store.receipt(name)
    if receipt is None or _files_sha256(folder) != receipt.sha256:
        raise Corrupt(f"{folder} is not what its receipt says; delete it and run again.")
    arrays = {path.stem: map_npy(path) for path in sorted(folder.glob("*.npy"))}
    return Features(ids=ids, arrays=arrays, digest=receipt.digest)
