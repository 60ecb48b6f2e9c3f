"""Pictures and labels as unit rows of one space, stored in clip-retrieval's layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import EMBEDDINGS, shape_table
from relaionet.pipeline.embeddings.batches import Decoded, embed_batches, usable_cores
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.images.decode import BrokenImage, open_image
from relaionet.pipeline.images.files import stored_path
from relaionet.pipeline.images.fingerprints import VERSION as FINGERPRINT_VERSION
from relaionet.pipeline.images.fingerprints import Fingerprints, take_fingerprints
from relaionet.pipeline.images.picture import show_picture

if TYPE_CHECKING:
    import numpy as np

VERSION = "3"
MAX_ASPECT = 50  # resizing the short side of a thinner picture would need memory without bound


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """How pictures are embedded.

    Attributes:
        batch_size: pictures per forward pass; the last batch is filled up, so a row never depends on the shard's size.
            None takes 16 on a CPU and 256 on a GPU.
        threads: threads that decode, and on a CPU also encode; None takes the cores of the machine, shared by the
            shards at work at once.
        max_pixels: largest picture decoded, width × height.
    """

    batch_size: int | None = None
    threads: int | None = None
    max_pixels: int = 64_000_000


class Embedded(NamedTuple):
    """What became of pictures that were embedded.

    Attributes:
        table: EMBEDDINGS, a row for each picture.
        vectors: [N_ok, D] float16 unit rows of those that are `ok`; `row` of the table is the index.
    """

    table: pl.DataFrame
    vectors: np.ndarray


def embed_images(
    rows: pl.DataFrame, encoder: Encoder, images: Path, config: EmbedConfig,
    progress: Callable[[int], None] | None = None,
) -> Embedded:  # fmt: skip
    """Embed a shard's pictures.

    Args:
        rows: candidate_id, path (relative to `images`).
        encoder: from `load_encoder`.
        images: folder of the stored bytes.
        config: size of batches, threads, and the largest picture decoded.
        progress: called with the number of rows just done.

    Returns:
        The same rows in the same order, and their vectors. Two runs with other batch sizes agree to one unit in the
        last place of float16.

    Raises:
        BadInput: a folder or path is wrong, or the encoder returns no unit rows.
    """
    import numpy as np

    if rows.height and not images.is_dir():
        raise BadInput(f"the folder of the images, {images}, does not exist.")
    paths = [stored_path(images, path) for path in rows["path"]]
    vectors, decoded, reasons = [], [], []
    for batch in embed_batches(
        paths, lambda path: _read_picture(path, encoder, config.max_pixels), encoder,
        batch_size=config.batch_size, threads=config.threads,
    ):  # fmt: skip
        vectors.append(batch.vectors)
        decoded += batch.decoded
        reasons += batch.reasons
        if progress:
            progress(len(batch.items))
    stacked = np.concatenate(vectors) if vectors else np.zeros((0, encoder.dim))
    return Embedded(_table(rows, decoded, reasons), stacked.astype(np.float16))


def hash_images(rows: pl.DataFrame, images: Path, config: EmbedConfig) -> pl.DataFrame:
    """What `embed_images` finds out about pictures without an encoder: their hashes, and which of them are broken.

    Args:
        rows: candidate_id, path (relative to `images`).
        images: folder of the stored bytes.
        config: threads and the largest picture.

    Returns:
        EMBEDDINGS with `row` null, the same rows in the same order.
    """
    paths = [stored_path(images, path) for path in rows["path"]]
    with ThreadPoolExecutor(config.threads or usable_cores()) as pool:
        found = list(pool.map(lambda path: _read_picture(path, None, config.max_pixels), paths))
    return _table(rows, found, [item.reason for item in found]).with_columns(row=pl.lit(None, dtype=pl.Int64))


def _table(rows: pl.DataFrame, decoded: Sequence[Decoded], reasons: Sequence[str | None]) -> pl.DataFrame:
    ok = pl.Series("ok", [reason is None for reason in reasons], dtype=pl.Boolean)
    table = rows.select("candidate_id").with_columns(
        row=pl.when(ok).then(ok.cum_sum().cast(pl.Int64) - 1),
        phash=_taken(decoded, lambda prints: prints.phash),
        thumbprint=_taken(decoded, lambda prints: prints.thumbprint),
        fingerprint_version=pl.when(ok).then(pl.lit(FINGERPRINT_VERSION, dtype=pl.Int32)),
        note=_taken(decoded, lambda prints: "; ".join(prints.notes) or None),
        status=pl.when(ok).then(pl.lit("ok")).otherwise(pl.lit("broken")),
        reason=pl.Series("reason", list(reasons), dtype=pl.String),
    )
    return shape_table(table, EMBEDDINGS)


def _taken(decoded: Sequence[Decoded], pick: Callable[[Fingerprints], str | None]) -> pl.Series:
    return pl.Series([pick(one.prints) if one.prints else None for one in decoded], dtype=pl.String)


def _read_picture(path: Path, encoder: Encoder | None, max_pixels: int) -> Decoded:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Decoded(None, "the stored file is missing")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; check its permissions.") from error
    return decode_picture(data, encoder, max_pixels)


def decode_picture(
    data: bytes, encoder: Encoder | None, max_pixels: int, *, hashes: bool = True, reduced_side_px: int | None = None
) -> Decoded:
    """Make a picture ready for an encoder.

    Args:
        data: bytes from anywhere.
        encoder: whose preprocessing is applied; None only takes the hashes.
        max_pixels: largest picture decoded, width × height.
        hashes: also take its fingerprints.
        reduced_side_px: decode a JPEG at a half, a quarter or an eighth of its size where its short side stays at
            least this long; None always decodes it whole.
    """
    try:
        stored = open_image(data, max_pixels, reduced_side_px)
        prints = take_fingerprints(data, max_pixels) if hashes else None
    except BrokenImage as error:
        return Decoded(None, str(error))
    if max(stored.image.size) > MAX_ASPECT * min(stored.image.size):
        return Decoded(None, f"one side is more than {MAX_ASPECT} times the other")
    return Decoded(encoder.preprocess(show_picture(stored)) if encoder is not None else None, None, prints)


def input_side_px(encoder: Encoder) -> int:
    """The shorter side of the pictures an encoder takes, px."""
    from PIL import Image

    return int(min(encoder.preprocess(Image.new("RGB", (64, 64))).shape[-2:]))
