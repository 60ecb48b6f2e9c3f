"""Which candidates are fetched: a budget per class, filled with variety, by seed, with a reason for every row left."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from relaionet.manifests.tables import ALIVE, CHOSEN, shape_table

VERSION = "1"


@dataclass(frozen=True, kw_only=True)
class ChooseConfig:
    """How many candidates of a class are fetched, and which.

    Attributes:
        per_class_count: most rows of one class; None takes all.
    """

    per_class_count: int | None = None


def choose_candidates(rows: pl.DataFrame, config: ChooseConfig) -> pl.DataFrame:
    """Choose rows within the budgets of their classes.

    Args:
        rows: candidate_id, wnid, cosine, url, caption of all shards.
        config: how many, and which.

    Returns:
        CHOSEN, one row per row given, in order.
    """
    place = pl.int_range(pl.len(), dtype=pl.Int32).over("wnid").alias("place")
    status, reason = pl.lit(ALIVE), pl.lit(None, dtype=pl.String)
    if config.per_class_count is not None:
        full = (pl.col("place") >= config.per_class_count) & pl.col("wnid").is_not_null()
        why = f"its class has {config.per_class_count} rows already"
        status = pl.when(full).then(pl.lit("over_budget")).otherwise(status)
        reason = pl.when(full).then(pl.lit(why)).otherwise(reason)
    table = rows.select("candidate_id", "wnid", place).with_columns(status.alias("status"), reason.alias("reason"))
    return shape_table(table, CHOSEN)
