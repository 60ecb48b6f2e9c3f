"""Images of a sampled set on disk: `images/<shard>.npy` beside the table SAMPLES, read by row without loading all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import file_sha256
from relaionet.manifests.replacing import replacing
from relaionet.manifests.store import Receipt, Store
from relaionet.manifests.tables import SAMPLES
from relaionet.pipeline.arrays import map_npy

IMAGES = "images"


class ShardedImages:
    """Images of a sampled set `[N, H, W, 3]` uint8, mapped from disk; `images[rows]` reads only these rows.

    Args:
        paths: `.npy` shards in order, of equal height and width.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._maps = [map_npy(path) for path in paths]
        self._starts = np.cumsum([0, *(len(part) for part in self._maps)])
        self.shape = (int(self._starts[-1]), *(self._maps[0].shape[1:] if self._maps else (0, 0, 3)))
        self.dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | Sequence[int] | NDArray[np.integer] | pl.Series) -> NDArray[np.uint8]:
        """`[H, W, 3]` for one row, else `[n, H, W, 3]`."""
        if isinstance(rows, slice):
            rows = range(*rows.indices(len(self)))
        wanted = np.asarray(rows, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"row {wanted.min()} to {wanted.max()} of {len(self)} images")
        found = np.empty((wanted.size, *self.shape[1:]), np.uint8)
        parts = np.searchsorted(self._starts, wanted.ravel(), side="right") - 1
        for part in np.unique(parts):
            at = parts == part
            found[at] = self._maps[part][wanted.ravel()[at] - self._starts[part]]
        return found[0] if wanted.ndim == 0 else found


class _Hashed:
    """A file whose hash is known once it is written, without reading it again."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self.file.write(data)


def write_images(store: Store, shard: str, images: NDArray[np.uint8], digest: str, seconds: float) -> None:
    """Write one shard `[n, H, W, 3]` uint8, then its receipt."""
    path = store.root / IMAGES / f"{shard}.npy"
    with replacing(path) as part, part.open("wb") as file:
        hashed = _Hashed(file)
        np.lib.format.write_array(hashed, images, allow_pickle=False)  # type: ignore[arg-type]
    receipt = Receipt(
        table=IMAGES, shard=shard, rows_count=len(images), sha256=hashed.sha256.hexdigest(), digest=digest,
        seconds=round(seconds, 3),
    )  # fmt: skip
    store.write_receipt(receipt)


def is_done(store: Store, shard: str, digest: str) -> bool:
    """True when images and table of a shard were finished by a run of this digest."""
    images = store.root / IMAGES / f"{shard}.npy"
    return images.exists() and store.is_done(IMAGES, digest, shard) and store.is_done(SAMPLES.name, digest, shard)


def read_shard_images(store: Store, shard: str) -> NDArray[np.uint8]:
    """Images of one shard `[n, H, W, 3]`, mapped from disk.

    Raises:
        Corrupt: they are not what their receipt says.
    """
    path, receipt = store.root / IMAGES / f"{shard}.npy", store.receipt(IMAGES, shard)
    if receipt is None or not path.exists() or file_sha256(path) != receipt.sha256:
        raise Corrupt(f"{path} is not what its receipt says; delete {store.root} and run the generator again.")
    images: NDArray[np.uint8] = map_npy(path)
    return images


def drop_others(store: Store, shards: Sequence[str]) -> None:
    """Remove shards that the requests no longer fill."""
    store.keep_only(SAMPLES, list(shards))
    for path in (store.root / IMAGES).glob("*.npy"):
        if path.stem not in shards:
            store.forget(IMAGES, path.stem)
            path.unlink(missing_ok=True)


class StoredSamples(NamedTuple):
    """Images that were sampled.

    Attributes:
        table: SAMPLES.
        images: those of all shards, all zero where one failed; `images[table["row"].drop_nulls()]` are those of the
            rows with status ok.
    """

    table: pl.DataFrame
    images: ShardedImages


def read_samples(out: Path) -> StoredSamples:
    """Read what `sample_generator` wrote.

    Args:
        out: its folder.

    Returns:
        The table and the images.

    Raises:
        BadInput: nothing was finished there.
        Corrupt: a shard is not what its receipt says.
    """
    store = Store(out)
    shards = store.shards(SAMPLES)
    if not shards:
        raise BadInput(f"{out} holds no samples; run the generator into it first.")
    paths = [store.root / IMAGES / f"{shard}.npy" for shard in shards]
    for shard, path in zip(shards, paths, strict=True):
        receipt = store.receipt(IMAGES, shard)
        if receipt is None or not path.exists() or file_sha256(path) != receipt.sha256:
            raise Corrupt(f"{path} is not what its receipt says; delete {out} and run the generator again.")
    return StoredSamples(store.read_all(SAMPLES), ShardedImages(paths))
