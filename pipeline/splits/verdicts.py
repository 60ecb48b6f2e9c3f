"""Is what a URL serves today still the picture the reviewers saw: exact, same_picture, changed or gone.

Two steps: `compare_pictures` measures, once per picture; `judge_rows` decides from the measures alone, so that another
policy or threshold needs neither the network nor a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables import COMPARISONS, shape_table
from relaionet.pipeline.images.decode import BrokenImage
from relaionet.pipeline.images.fingerprints import take_fingerprints
from relaionet.pipeline.images.perceptual_hash import HASH_BITS, phash_distance
from relaionet.pipeline.images.thumbnail_hash import thumbprint_contrast, thumbprint_distances

if TYPE_CHECKING:
    from relaionet.pipeline.splits.vectors import PictureVectors

DECODE_THREADS = 4
VERDICTS = ("exact", "same_picture", "changed", "gone")


@dataclass(frozen=True, kw_only=True)
class VerdictConfig:
    """How far apart two encodings of the same picture may be; measured by `python -m tests.measure.verdicts`.

    Attributes:
        max_phash_distance: bits (0 to 64) in which the perceptual hashes may differ.
        max_luma_distance: difference of grey (0 to 255) in any of the thumbnail hash's 16 × 16 cells, beyond what
            edges allow.
        max_chroma_distance: difference of colour (0 to 255) in any of its 8 × 8 cells.
        max_phash_distance_alone: bits (0 to 64) where the manifest holds no thumbnail hash.
        min_contrast: standard deviation (0 to 127.5) of the grey values; a flatter picture has a perceptual hash that
            means nothing and never counts as the same.
        min_cosine: of the two pictures' embeddings (-1 to 1), where an encoder is given; it tells another scene, no
            mirrored or partly replaced picture.
    """

    max_phash_distance: int = 6
    max_luma_distance: float = 16.0
    max_chroma_distance: float = 20.0
    max_phash_distance_alone: int = 2
    min_contrast: float = 2.0
    min_cosine: float = 0.7

    def __post_init__(self) -> None:
        for name in ("max_phash_distance", "max_phash_distance_alone"):
            if not 0 <= getattr(self, name) <= HASH_BITS:
                raise BadInput(f"{name} = {getattr(self, name)}: expected 0 to {HASH_BITS}.")
        for name in ("max_luma_distance", "max_chroma_distance", "min_contrast"):
            if not 0 <= getattr(self, name) <= 255:
                raise BadInput(f"{name} = {getattr(self, name)}: expected 0 to 255.")
        if not -1 <= self.min_cosine <= 1:
            raise BadInput(f"min_cosine = {self.min_cosine}: expected -1 to 1.")


def compare_pictures(
    rows: pl.DataFrame, folder: Path, max_pixels: int, vectors: PictureVectors | None = None
) -> pl.DataFrame:
    """Measure how far the pictures now served are from those the reviewers saw.

    Args:
        rows: candidate_id, expected_sha256, expected_phash, expected_thumbprint and expected_version (of the manifest),
            image_sha256 and `place` (of the picture now served, relative to `folder`; null where no bytes came).
        folder: of the places.
        max_pixels: largest picture decoded, width × height.
        vectors: embeddings the release holds and the encoder that made them; None compares none.

    Returns:
        COMPARISONS, one row per row with bytes, in order. The manifest's own bytes are not decoded.

    Raises:
        Corrupt: a stored picture cannot be decoded, though it could when it was fetched.
    """
    there = rows.filter(pl.col("place").is_not_null())

    def measure(row: dict[str, Any]) -> dict[str, Any]:
        if row["image_sha256"] == row["expected_sha256"]:
            return {"phash_distance": 0, "luma_distance": 0.0, "chroma_distance": 0.0}
        return _measure(folder / row["place"], row, max_pixels)

    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        found = list(pool.map(measure, there.iter_rows(named=True)))
    names = ("phash_distance", "luma_distance", "chroma_distance", "contrast")
    measured = {name: [line.get(name) for line in found] for name in names}
    cosines = vectors.compare(there, folder, max_pixels) if vectors is not None else None
    table = there.select("candidate_id", "image_sha256").with_columns(
        *(pl.Series(name, values, dtype=COMPARISONS.schema[name]) for name, values in measured.items()),
        pl.Series("cosine", cosines if cosines is not None else [None] * there.height, dtype=pl.Float32),
    )
    return shape_table(table, COMPARISONS)


def _measure(path: Path, expected: Mapping[str, Any], max_pixels: int) -> dict[str, Any]:
    # a row is held against the fingerprints it was released with, whatever is taken today
    try:
        now = take_fingerprints(path, max_pixels, expected["expected_version"] or 1)
    except BrokenImage:  # fetched as a whole picture, so the stored bytes are not those
        raise Corrupt(f"{path} is no longer the picture that was fetched; delete it and run again.") from None
    thumbprint = expected["expected_thumbprint"]
    luma, chroma = thumbprint_distances(thumbprint, now.thumbprint) if thumbprint is not None else (None, None)
    return {
        "phash_distance": phash_distance(expected["expected_phash"], now.phash), "luma_distance": luma,
        "chroma_distance": chroma, "contrast": thumbprint_contrast(now.thumbprint),
    }  # fmt: skip


def judge_rows(rows: pl.DataFrame, config: VerdictConfig) -> pl.DataFrame:
    """Give each row its verdict from what was measured.

    Args:
        rows: expected_sha256; image_sha256 and the columns of COMPARISONS, null where no bytes came; fetch_status and
            fetch_reason of DOWNLOADS.
        config: thresholds.

    Returns:
        The same rows with status and reason.
    """
    alone = pl.col("luma_distance").is_null()
    bits = pl.col("phash_distance")
    limit = pl.when(alone).then(config.max_phash_distance_alone).otherwise(config.max_phash_distance)
    faults = {
        "another picture": bits > limit,
        "one flat colour": pl.col("contrast") < config.min_contrast,
        "a part of the picture differs": pl.col("luma_distance") > config.max_luma_distance,
        "other colours": pl.col("chroma_distance") > config.max_chroma_distance,
        "the embeddings differ": pl.col("cosine") < config.min_cosine,
    }
    gone, exact = bits.is_null(), pl.col("image_sha256") == pl.col("expected_sha256")
    status = pl.when(gone).then(pl.lit("gone")).when(exact).then(pl.lit("exact"))
    reason = pl.when(gone).then(pl.format("{}: {}", "fetch_status", "fetch_reason")).when(exact).then(None)
    for words, fault in faults.items():
        status, reason = status.when(fault).then(pl.lit("changed")), reason.when(fault).then(pl.lit(words))
    by_hash_alone = reason.when(alone).then(pl.lit("other bytes of the same picture, by its perceptual hash alone"))
    return rows.with_columns(
        status=status.otherwise(pl.lit("same_picture")),
        reason=by_hash_alone.otherwise(pl.lit("other bytes of the same picture")),
    )
