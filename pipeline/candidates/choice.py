"""Which candidates are fetched: a budget per class, filled with variety, by seed, with a reason for every row left.

The rows of a class are put in one order, and its budget is a place in that order; so a larger budget only ever adds
rows. In the order, sites and captions take turns, and within a turn the classes' more and less typical captions do:
the k most similar captions alone would be the k most alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import numpy as np
import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import ALIVE, CHOSEN, shape_table
from relaionet.pipeline.addresses.parse import RefusedUrl, parse_url

VERSION = "3"
FULL, FULL_UNNAMED = "its class is full", "enough rows whose class only the image can decide"


@dataclass(frozen=True, kw_only=True)
class ChooseConfig:
    """How many candidates of a class are fetched, and which.

    Attributes:
        per_class_count: most rows of one class; None takes all.
        total_count: most rows of all classes together; None takes all.
        shape: how `total_count` is shared out: "balanced" gives every class the same number as far as it has them,
            "proportional" keeps the proportions of the source.
        unnamed_count: most rows whose class only the image can decide; None takes all.
        pick: "spread" takes from the whole range of a class's text similarity in turn, "similar" the most similar
            first, "random" by seed alone.
        strata_count: parts the range of similarity is cut into, equal in rows, where `pick` is "spread".
        per_site_count: rows of one site in one class before other sites have their turn.
        per_caption_count: rows of one caption in one class before other captions have their turn.
        seed: decides what is else equal.
    """

    per_class_count: int | None = None
    total_count: int | None = None
    shape: Literal["balanced", "proportional"] = "balanced"
    unnamed_count: int | None = None
    pick: Literal["spread", "similar", "random"] = "spread"
    strata_count: int = 5
    per_site_count: int = 5
    per_caption_count: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.shape not in ("balanced", "proportional"):
            raise BadInput(f"shape = '{self.shape}': expected 'balanced' or 'proportional'.")
        if self.pick not in ("spread", "similar", "random"):
            raise BadInput(f"pick = '{self.pick}': expected 'spread', 'similar' or 'random'.")
        for name in ("strata_count", "per_site_count", "per_caption_count"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} = {getattr(self, name)}: expected 1 or more.")
        for name in ("per_class_count", "total_count", "unnamed_count"):
            if (getattr(self, name) or 0) < 0:
                raise BadInput(f"{name} = {getattr(self, name)}: expected 0 or more; leave it out to take all.")


def make_keys(rows: pl.DataFrame, config: ChooseConfig) -> pl.DataFrame:
    """What the choice needs to know of rows, in a few bytes each.

    Args:
        rows: candidate_id (hex), wnid and cosine (nullable), url and caption (nullable).
        config: its seed orders rows that are else equal.

    Returns:
        candidate_id, wnid, cosine, key UInt64 (seeded, from the id), site and caption UInt64 (equal where the site or
        the caption is: letters' case and spaces count for nothing); same rows, same order.
    """
    # the ids are digests already: their digits are as random as any hash of them
    digits = rows["candidate_id"].str.head(16).str.to_integer(base=16, dtype=pl.UInt64)
    salt = int.from_bytes(sha256(f"choose {config.seed}".encode()).digest()[:8], "big")
    key = _mix(digits.to_numpy() ^ np.uint64(salt))
    caption = pl.col("caption").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    return rows.select(
        "candidate_id", "wnid", "cosine", pl.Series("key", key), site_of(rows["url"]).hash(0).alias("site"),
        caption.hash(0).alias("caption"),
    )  # fmt: skip


def site_of(urls: pl.Series) -> pl.Series:
    """The site of each URL: its host as it is asked, without `www.`; null where it has none.

    Args:
        urls: of rows, some null.
    """
    site = urls.str.extract(r"(?i)^\s*https?://(?:[^/?#@]*@)?(?:www\.)?([^/?#:]+)", 1).str.to_lowercase()
    # another spelling of a host is no other site; few are spelt so, and most are settled by letters alone
    odd = site.str.contains(r"[^a-z0-9.-]|\.$|^[0-9.x]+$").fill_null(value=False)
    hosts = pl.Series(site.name, [_read_site(url) for url in urls.filter(odd)], dtype=pl.String)
    return site.scatter(odd.arg_true(), hosts) if odd.any() else site


def _read_site(url: str) -> str | None:
    try:
        return parse_url(url).host.removeprefix("www.")
    except RefusedUrl:
        return None


def _mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64: every bit of the input moves every bit of the output; [N] uint64."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


def choose_candidates(keys: pl.DataFrame, config: ChooseConfig) -> pl.DataFrame:
    """Choose rows within the budgets of their classes.

    Args:
        keys: from `make_keys`, of all shards together.
        config: how many, and which.

    Returns:
        CHOSEN, one row per row given, in order.
    """
    placed = _place_rows(keys, config)
    counts = keys.group_by("wnid").len("available").sort("wnid")
    named = counts.filter(pl.col("wnid").is_not_null())
    budgets = share_out(dict(named.iter_rows()), config)
    full = pl.col("place") >= pl.col("wnid").replace_strict(budgets, default=None, return_dtype=pl.Int64)
    if config.unnamed_count is not None:
        full = pl.when(pl.col("wnid").is_null()).then(pl.col("place") >= config.unnamed_count).otherwise(full)
    full = full.fill_null(value=False)
    table = placed.with_columns(
        pl.when(full).then(pl.lit("over_budget")).otherwise(pl.lit(ALIVE)).alias("status"),
        pl.when(full)
        .then(pl.when(pl.col("wnid").is_null()).then(pl.lit(FULL_UNNAMED)).otherwise(pl.lit(FULL)))
        .alias("reason"),
    )
    return shape_table(table, CHOSEN)


def _place_rows(keys: pl.DataFrame, config: ChooseConfig) -> pl.DataFrame:
    """Each row's place in the order of its class, and the stratum it was taken from; same rows, same order."""
    by = ["wnid"]
    # a row that was not compared counts as least similar
    rank = pl.struct(pl.col("cosine").fill_null(-2.0), "key").rank("ordinal").over(by) - 1
    rows = keys.with_row_index("row").with_columns(
        stratum=(rank * config.strata_count // pl.len().over(by)).cast(pl.Int32)
    )
    if config.pick == "spread":
        # the n-th of every stratum before the (n+1)-th of any, the more similar strata first
        within = pl.col("key").rank("ordinal").over([*by, "stratum"])
        rows = rows.sort(*by, within, -pl.col("stratum"))
    elif config.pick == "similar":
        rows = rows.sort(*by, -pl.col("cosine").fill_null(-2.0), "key")
    else:
        rows = rows.sort(*by, "key")
    turns = [
        pl.when(pl.col(name).is_null()).then(0).otherwise(pl.int_range(pl.len()).over([*by, name]) // count)
        for name, count in (("site", config.per_site_count), ("caption", config.per_caption_count))
    ]
    rows = rows.sort(*by, pl.max_horizontal(turns), maintain_order=True)
    return rows.with_columns(place=pl.int_range(pl.len(), dtype=pl.Int32).over(by)).sort("row")


def share_out(available: Mapping[str, int], config: ChooseConfig) -> dict[str, int]:
    """How many rows each class may have.

    Args:
        available: class -> rows there are.
        config: the budgets.

    Returns:
        Class -> rows, at most those there are; they sum to `total_count` where it is set and can be reached.
    """
    most = config.per_class_count
    limits = {wnid: count if most is None else min(count, most) for wnid, count in available.items()}
    total = config.total_count
    if total is None or total >= sum(limits.values()):
        return limits
    if config.shape == "proportional":
        return _in_proportion(limits, total)
    # balanced: the level at which the classes' shares together reach the total; the smallest classes are settled first
    budgets, left = {}, total
    order = sorted(limits, key=lambda wnid: (limits[wnid], wnid))
    for settled, wnid in enumerate(order):
        budgets[wnid] = min(limits[wnid], left // (len(order) - settled))
        left -= budgets[wnid]
    return budgets


def _in_proportion(limits: Mapping[str, int], total: int) -> dict[str, int]:
    """Largest remainders: every class its share rounded down, the rest to the largest fractions."""
    whole = sum(limits.values())
    budgets = {wnid: count * total // whole for wnid, count in limits.items()}
    order = sorted(limits, key=lambda wnid: (-(limits[wnid] * total % whole), wnid))
    for wnid in order[: total - sum(budgets.values())]:
        budgets[wnid] += 1
    return budgets
