"""Pictures and labels as unit rows of one space, stored in clip-retrieval's layout."""

from __future__ import annotations

import string
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import Label
from relaionet.manifests.tables import EMBEDDINGS, shape_table
from relaionet.pipeline.encoders import Encoder
from relaionet.pipeline.image_bytes import BrokenImage, open_image
from relaionet.pipeline.perceptual_hash import phash_hex
from relaionet.pipeline.thumbprint import thumbprint_hex

if TYPE_CHECKING:
    import numpy as np
    import torch

VERSION = "2"
TEMPLATES = ("a photo of a {name}", "a picture of a {name}", "{name}", "{name}: {gloss}")
UNIT_TOLERANCE = 1e-2
MAX_ASPECT = 50  # resizing the short side of a thinner picture would need memory without bound


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """How pictures are embedded.

    Attributes:
        batch_size: pictures per forward pass; the last batch is filled up, so a row never depends on the shard's size.
        threads: threads that decode.
        max_pixels: largest picture decoded, width × height.
    """

    batch_size: int = 64
    threads: int = 4
    max_pixels: int = 64_000_000


@dataclass(frozen=True)
class _Decoded:
    pixels: torch.Tensor | None  # [3, H, W] float32
    phash: str | None
    thumbprint: str | None
    reason: str | None


def embed_images(
    rows: pl.DataFrame, encoder: Encoder, images: Path, config: EmbedConfig,
    progress: Callable[[int], None] | None = None,
) -> tuple[pl.DataFrame, np.ndarray]:  # fmt: skip
    """Embed a shard's pictures; decoding runs ahead in threads by two batches at most.

    Args:
        rows: candidate_id, path (relative to `images`).
        encoder: from `load_encoder`.
        images: folder of the stored bytes.
        config: see there.
        progress: called with the number of rows just done.

    Returns:
        EMBEDDINGS, the same rows in the same order; and [N_ok, D] float16 unit rows, `row` being their index. Two runs
        with other batch sizes agree to one unit in the last place of float16.

    Raises:
        BadInput: a folder or path is wrong, or the encoder returns no unit rows.
    """
    import numpy as np

    if rows.height and not images.is_dir():
        raise BadInput(f"the folder of the images, {images}, does not exist.")
    paths = [stored_path(images, path) for path in rows["path"]]
    vectors, found, reasons = [], [], []
    thumbprints: list[str | None] = []
    for batch in _decode_ahead(paths, encoder, config):
        rows_ok, texts = _embed_batch(batch, encoder, config.batch_size)
        vectors.append(rows_ok)
        found += [decoded.phash for decoded in batch]
        thumbprints += [decoded.thumbprint for decoded in batch]
        reasons += texts
        if progress:
            progress(len(batch))
    ok = pl.Series("ok", [reason is None for reason in reasons], dtype=pl.Boolean)
    table = rows.select("candidate_id").with_columns(
        row=pl.when(ok).then(ok.cum_sum().cast(pl.Int64) - 1),
        phash=pl.Series("phash", found, dtype=pl.String),
        thumbprint=pl.Series("thumbprint", thumbprints, dtype=pl.String),
        status=pl.when(ok).then(pl.lit("ok")).otherwise(pl.lit("broken")),
        reason=pl.Series("reason", reasons, dtype=pl.String),
    )
    stacked = np.concatenate(vectors) if vectors else np.zeros((0, encoder.dim))
    return shape_table(table, EMBEDDINGS), stacked.astype(np.float16)


def stored_path(images: Path, path: str | None) -> Path:
    """Where a stored picture lies.

    Raises:
        BadInput: the path leads out of the folder of the images.
    """
    if path is None or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise BadInput(f"'{path}' is no path inside the folder of the images, {images}.")
    return images / path


def _decode(path: Path, encoder: Encoder, max_pixels: int) -> _Decoded:
    try:
        image = open_image(path.read_bytes(), max_pixels)
    except FileNotFoundError:
        return _Decoded(None, None, None, "the stored file is missing")
    except BrokenImage as error:
        return _Decoded(None, None, None, str(error))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; check its permissions.") from error
    if max(image.size) > MAX_ASPECT * min(image.size):
        return _Decoded(None, None, None, f"one side is more than {MAX_ASPECT} times the other")
    return _Decoded(encoder.preprocess(image.convert("RGB")), phash_hex(image), thumbprint_hex(image), None)


def _decode_ahead(paths: Sequence[Path], encoder: Encoder, config: EmbedConfig) -> Iterator[list[_Decoded]]:
    """Batches of decoded pictures in order, two of them being decoded while one is in use."""
    waiting: deque[list[Future[_Decoded]]] = deque()
    pool = ThreadPoolExecutor(max_workers=config.threads)
    try:
        for start in range(0, len(paths), config.batch_size):
            batch = paths[start : start + config.batch_size]
            waiting.append([pool.submit(_decode, path, encoder, config.max_pixels) for path in batch])
            if len(waiting) > 2:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]
    finally:
        pool.shutdown(cancel_futures=True)


def _embed_batch(batch: list[_Decoded], encoder: Encoder, batch_size: int) -> tuple[np.ndarray, list[str | None]]:
    """Rows of the pictures that could be embedded, and per picture the reason why not (null where embedded)."""
    import numpy as np
    import torch

    decoded = [item.pixels for item in batch if item.pixels is not None]
    if not decoded:
        return np.zeros((0, encoder.dim), dtype=np.float32), [item.reason for item in batch]
    # always the same shape: kernels chosen by batch size would change last bits
    filled = torch.stack(decoded + [decoded[-1]] * (batch_size - len(decoded)))  # [batch_size, 3, H, W] float32
    vectors = np.asarray(encoder.encode_images(filled))[: len(decoded)]
    finite = _check_vectors(vectors, len(decoded), encoder)
    left = iter(finite)
    reasons = [item.reason if item.pixels is None or next(left) else "the encoder gave no finite row" for item in batch]
    return vectors[finite], reasons


def _check_vectors(vectors: np.ndarray, count: int, encoder: Encoder) -> np.ndarray:
    """Which rows are finite.

    Raises:
        BadInput: the shape is wrong or the finite rows are not of unit length.
    """
    import numpy as np

    if vectors.shape != (count, encoder.dim):
        raise BadInput(f"encoder '{encoder.name}' gave rows {vectors.shape}; expected {(count, encoder.dim)}.")
    finite = np.isfinite(vectors).all(axis=1)
    lengths = np.linalg.norm(vectors[finite].astype(np.float64), axis=1)
    if (abs(lengths - 1) > UNIT_TOLERANCE).any():
        raise BadInput(f"encoder '{encoder.name}' gave rows of length {lengths.max():.3f}; they must have length 1.")
    return finite


def embed_labels(encoder: Encoder, labels: Sequence[Label], templates: Sequence[str] = TEMPLATES) -> np.ndarray:
    """One row per label: the mean over its prompts, of unit length again.

    Args:
        encoder: from `load_encoder`.
        labels: C labels.
        templates: prompts in which {name} and {gloss} are filled in.

    Returns:
        [C, D] float32 unit rows.

    Raises:
        BadInput: there is no template or it has another field.

    Source: prompt ensembling, Radford et al. 2021 (CLIP), section 3.1.4.
    """
    import numpy as np

    if not templates:
        raise BadInput("label prompts: at least one template is needed, such as 'a photo of a {name}'.")
    for template in templates:
        check_template(template)
    prompts = [template.format(name=label.name, gloss=label.gloss) for label in labels for template in templates]
    rows = np.asarray(encoder.encode_texts(prompts), dtype=np.float32)  # [C * T, D]
    mean = rows.reshape(len(labels), len(templates), -1).mean(axis=1)
    return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)


def check_template(template: str) -> None:
    """Check a prompt in which {name} and {gloss} are filled in.

    Raises:
        BadInput: it is malformed, uses neither, or has another field.
    """
    try:
        fields = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
    except ValueError as error:
        raise BadInput(f"label prompt '{template}' is malformed: {error}.") from None
    if not fields or fields - {"name", "gloss"}:
        raise BadInput(f"label prompt '{template}' must use {{name}} or {{gloss}} and no other field.")
