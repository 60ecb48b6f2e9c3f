"""Rows that need not be fetched again: what earlier fetches into the same folder left there."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relaionet.manifests.tables import ALIVE, DOWNLOADS


def earlier_rows(rows: pl.DataFrame, earlier: pl.DataFrame | None) -> pl.DataFrame:
    """What earlier fetches say about some rows.

    Args:
        rows: candidate_id and url.
        earlier: DOWNLOADS, in the order of the fetches: a row's last entry counts; None, or a table of another
            version, says nothing.

    Returns:
        DOWNLOADS, of the rows that were asked for at the same address, each once.
    """
    if earlier is None or earlier.schema != DOWNLOADS.schema:
        return DOWNLOADS.empty()
    found = earlier.join(rows.select("candidate_id", "url"), on=["candidate_id", "url"], how="semi")
    return found.unique("candidate_id", keep="last", maintain_order=True)


def keep_rows(known: pl.DataFrame, images: Path, *, settings: str, max_bytes: int, max_pixels: int) -> pl.DataFrame:
    """The rows that are as good as if they were fetched now.

    Args:
        known: DOWNLOADS.
        images: folder of the images.
        settings: digest of the settings a failure must have had to stand.
        max_bytes: longest body accepted now.
        max_pixels: largest picture accepted now.

    Returns:
        DOWNLOADS: rows whose file is there with its length and within the limits, and rows that failed for good.
    """
    lasting = (pl.col("status") != ALIVE) & ~pl.col("may_come_back") & (pl.col("settings") == settings)
    pixels = pl.col("width_px").cast(pl.Int64) * pl.col("height_px")
    fits = (pl.col("status") == ALIVE) & (pl.col("bytes_count") <= max_bytes) & (pixels <= max_pixels)
    there = [_has_length(images / path, length) for path, length in known.select(
        pl.col("path").fill_null(""), "bytes_count").iter_rows()]  # fmt: skip
    return known.filter(lasting | (fits & pl.Series(there, dtype=pl.Boolean)))


def _has_length(path: Path, length: int | None) -> bool:
    try:
        return path.is_file() and path.stat().st_size == length
    except OSError:
        return False
