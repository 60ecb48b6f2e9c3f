"""Why rows were not fetched, and which settings would let some of them through."""

from __future__ import annotations

import re

import polars as pl

from relaionet.manifests.errors import BadInput, ReLAIONetError, Unavailable
from relaionet.manifests.words import say_count
from relaionet.pipeline.addresses.ranges import PRIVATE

SHOWN_REASONS = 5
# what is said of an address begins with its host
HOST = r"(^|where )\S+ (is|resolves to) "
# reason of a row -> the keys of [download] that let it through, with a value where only one does
ALLOWING = (
    (re.compile(rf"(^|where )(\S+|the host) (is|resolves to) ({PRIVATE}|a private host)$"), "allow_private = true"),
    (re.compile(r"(^|where )port \d+ is that of another service$"), "allow_private = true"),
    (re.compile(r"more than \d+ bytes"), "a larger max_bytes"),
    (re.compile(r"more than \d+ pixels"), "a larger max_pixels"),
    (re.compile(r"decoding takes more than"), "a larger decode_s"),
    (re.compile(r"timed out after"), "a larger timeout_s"),
    (re.compile(r"redirects without end"), "a larger max_redirects"),
    (re.compile(r"name could not be resolved|host could not be reached"), "a proxy, where this network has one"),
)  # fmt: skip


def allowing_setting(reason: str) -> str | None:
    """What in a recipe's [download] lets a row through that failed for a reason; None where nothing does.

    Args:
        reason: as DOWNLOADS gives it.
    """
    return next((setting for pattern, setting in ALLOWING if pattern.search(reason)), None)


def count_failures(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows by status and reason, whichever host a reason is about.

    Args:
        rows: status and reason (null for none) of rows that were not fetched.

    Returns:
        status, reason, rows_count; those of several shards may be put together.
    """
    kinds = rows.select("status", pl.col("reason").fill_null("").str.replace(HOST, "${1}the host $2 "))
    return kinds.group_by("status", "reason").agg(rows_count=pl.len().cast(pl.Int64))


def list_failures(counted: pl.DataFrame) -> list[tuple[int, str]]:
    """How many rows failed for which reason, the most frequent first, each with the setting that lets it through.

    Args:
        counted: from `count_failures`, of one or several shards.

    Returns:
        (rows, status and reason in words), at most `SHOWN_REASONS` and one for the others.
    """
    counts = counted.group_by("status", "reason").agg(pl.col("rows_count").sum())
    counts = counts.sort("rows_count", "status", "reason", descending=[True, False, False])
    told = []
    for status, reason, count in counts.head(SHOWN_REASONS).iter_rows():
        setting = allowing_setting(reason)
        told.append((count, f"{status}: {reason}" + (f" ([download] {setting} lets them through)" if setting else "")))
    left = counts.slice(SHOWN_REASONS)
    if left.height:
        told.append((int(left["rows_count"].sum()), f"for {say_count(left.height, 'further reason')}"))
    return told


def explain_no_images(rows: pl.DataFrame) -> ReLAIONetError:
    """The error that ends a run none of whose images could be fetched.

    Args:
        rows: status, reason (null for none) and may_come_back of all rows that were to be fetched, none of them `ok`.

    Returns:
        Unavailable where all may come back, else BadInput; the text has the reasons, most frequent first, each with
        what lets it through.
    """
    if rows.is_empty():
        return BadInput("no row is to be fetched, so there is nothing to go on with: the counts above say why.")
    told = "; ".join(f"{count:,} {why}" for count, why in list_failures(count_failures(rows)))
    text = f"none of {say_count(rows.height, 'image')} could be fetched, so the run stops here. {told}."
    if rows["may_come_back"].all():
        return Unavailable(f"{text} All may come back: run again with --retry.")
    return BadInput(text)
