"""Is the caption about the class its words name? Decided by the text similarity of caption and class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from relaionet.manifests.tables import ALIVE, TEXT_MATCHES, shape_table

VERSION = "1"


@dataclass(frozen=True, kw_only=True)
class TextMatchConfig:
    """How captions are compared with classes.

    Attributes:
        encoder: text encoder; None compares nothing, so that the images decide.
    """

    encoder: str | None = None


def match_texts(
    rows: pl.DataFrame, config: TextMatchConfig, progress: Callable[[int], None] | None = None
) -> pl.DataFrame:
    """Decide for every row which class its caption is about.

    Args:
        rows: candidate_id, caption, wnid, possible_wnids, sought_wnids of candidates.
        config: how.
        progress: called with the number of rows done since the last call.

    Returns:
        TEXT_MATCHES, one row per row given, in order.
    """
    nothing = pl.lit(None, dtype=pl.Float32)
    table = rows.select(
        "candidate_id", "wnid", nothing.alias("cosine"), nothing.alias("margin"), pl.lit(ALIVE).alias("status"),
        pl.lit(None, dtype=pl.String).alias("reason"),
    )  # fmt: skip
    if progress is not None:
        progress(rows.height)
    return shape_table(table, TEXT_MATCHES)
