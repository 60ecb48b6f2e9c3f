"""Is what a URL serves today still the picture the reviewers saw: exact, same_picture, changed or gone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import Corrupt
from relaionet.manifests.tables import SPLIT, shape_table
from relaionet.pipeline.image_bytes import BrokenImage, open_image
from relaionet.pipeline.perceptual_hash import phash_distance, phash_hex

if TYPE_CHECKING:
    from relaionet.pipeline.split import SplitConfig

DECODE_THREADS = 4


def judge_rows(
    rows: pl.DataFrame, fetched: pl.DataFrame, images: Path, config: SplitConfig, max_pixels: int
) -> pl.DataFrame:
    """Compare what is served now with the manifest.

    Args:
        rows: MANIFEST rows.
        fetched: DOWNLOADS of the same rows, in the same order.
        images: folder the paths of `fetched` are relative to.
        config: what is kept.
        max_pixels: largest picture decoded.

    Returns:
        SPLIT, one row per row, in order.
    """
    asked = zip(rows["image_sha256"], rows["phash"], fetched["image_sha256"], fetched["path"], strict=True)

    def distance(row: tuple[str, str, str | None, str | None]) -> int | None:
        sha256, phash, sha256_now, path = row
        if path is None:
            return None
        return 0 if sha256_now == sha256 else _picture_distance(images / path, phash, max_pixels)

    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        distances = pl.Series("phash_distance", list(pool.map(distance, asked)), dtype=pl.Int32)
    table = pl.concat(
        [
            rows.select("candidate_id", "wnid", "class_index", pl.col("image_sha256").alias("expected")),
            fetched.select("image_sha256", "format", pl.col("status", "reason").name.prefix("fetch_"), "path"),
            distances.to_frame(),
        ],
        how="horizontal",
    )
    bits = pl.col("phash_distance")
    status = (
        pl.when(bits.is_null()).then(pl.lit("gone"))
        .when(pl.col("image_sha256") == pl.col("expected")).then(pl.lit("exact"))
        .when(bits <= config.max_phash_distance).then(pl.lit("same_picture"))
        .otherwise(pl.lit("changed"))
    )  # fmt: skip
    reason = (
        pl.when(bits.is_null()).then(pl.format("{}: {}", "fetch_status", "fetch_reason"))
        .when(status == "same_picture").then(pl.lit("other bytes of the same picture"))
        .when(status == "changed").then(pl.lit("another picture"))
    )  # fmt: skip
    wanted = ["exact", "same_picture"] if config.policy == "same_picture" else ["exact"]
    name = pl.format("images/{}/{}.{}", "wnid", "candidate_id", "format")
    judged = table.with_columns(status.alias("status"), reason.alias("reason"))
    judged = judged.with_columns(pl.col("status").is_in(wanted).alias("kept"))
    return shape_table(judged.with_columns(pl.when("kept").then(name).alias("path")), SPLIT)


def _picture_distance(path: Path, phash: str, max_pixels: int) -> int:
    try:
        with open_image(path.read_bytes(), max_pixels) as image:
            return phash_distance(phash, phash_hex(image))
    except BrokenImage:  # fetched as a whole picture a moment ago, so the stored bytes are not those
        raise Corrupt(f"{path} is no longer the picture that was fetched; delete it and run again.") from None
