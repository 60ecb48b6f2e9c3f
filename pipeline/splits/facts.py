"""What a rebuilt split may say about itself, in numbers and in a sentence for a paper."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.files import digest_of
from relaionet.manifests.release.sentences import DIGEST_SHOWN, TITLES
from relaionet.manifests.tables import count_statuses
from relaionet.pipeline.splits.verdicts import VERDICTS

if TYPE_CHECKING:
    from relaionet.manifests.release.release import Release
    from relaionet.pipeline.splits.plan import SplitConfig


def describe_split(
    table: pl.DataFrame, release: Release, config: SplitConfig, attempts: list[dict[str, Any]]
) -> dict[str, Any]:
    """What a split may say about itself in a paper.

    Args:
        table: SPLIT, whole.
        release: what it was built from.
        config: how.
        attempts: when what was asked (`Attempts.history`).

    Returns:
        name, release, release_digest, policy, thresholds, rows_count, kept_count, coverage_frac, verdicts (status ->
        rows), reasons (status -> reason -> rows), other_addresses_count and archived_count (rows kept from a further
        address, and from an archive), may_come_back_count (rows gone for a reason that may pass), classes
        (wnid -> rows_count, kept_count, coverage_frac, and rows by verdict), digest (of the kept rows alone), attempts,
        fetched (first and last time), citation, notes (the release's).
    """
    kept = table.filter("kept").select("candidate_id", "image_sha256", "wnid", "wnids").sort("candidate_id")
    times = [time for attempt in attempts for time in (attempt["from"], attempt["to"]) if time is not None]
    archived = pl.col("archived_at").is_not_null()
    told = {
        "name": release.info.full_name,
        "release": release.info.full_name,
        "release_digest": release.info.digest,
        "policy": config.policy,
        "thresholds": asdict(config.verdicts),
        "rows_count": table.height,
        "kept_count": kept.height,
        "coverage_frac": kept.height / table.height if table.height else 0.0,
        "verdicts": dict.fromkeys(VERDICTS, 0) | count_statuses(table),
        "reasons": _count_reasons(table),
        "other_addresses_count": _count_kept(table, pl.col("fetched_from").is_not_null() & ~archived),
        "archived_count": _count_kept(table, archived),
        "may_come_back_count": int(table["may_come_back"].fill_null(value=False).sum()),
        "classes": _describe_classes(table),
        # a label alone counts as it did before rows could have several
        "digest": digest_of([[value for value in row if value is not None] for row in kept.iter_rows()]),
        "attempts": attempts,
        "fetched": [min(times, default=None), max(times, default=None)],
        "notes": dict(release.info.notes),
    }
    return told | {"citation": cite_split(told, release)}


def _describe_classes(table: pl.DataFrame) -> dict[str, dict[str, Any]]:
    classes = table.group_by("wnid").agg(
        pl.len().alias("rows_count"),
        pl.col("kept").sum().alias("kept_count"),
        pl.col("kept").mean().alias("coverage_frac"),
        *((pl.col("status") == status).sum().alias(status) for status in _verdicts_of(table)),
    )
    return {row.pop("wnid"): row for row in classes.sort("wnid").iter_rows(named=True)}


def _count_kept(table: pl.DataFrame, which: pl.Expr) -> int:
    return table.filter(pl.col("kept") & which).height


def _verdicts_of(table: pl.DataFrame) -> list[str]:
    """The verdicts, and `withdrawn` where there is a row of it."""
    return [*VERDICTS, *sorted(set(table["status"]) - set(VERDICTS))]


def _count_reasons(table: pl.DataFrame) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {status: {} for status in VERDICTS if status != "exact"}
    reasons = table.filter(pl.col("reason").is_not_null()).group_by("status", "reason").len()
    for status, reason, count in reasons.sort("len", "reason", descending=[True, False]).iter_rows():
        counted.setdefault(status, {})[reason] = count
    return counted


def cite_split(told: dict[str, Any], release: Release) -> str:
    """One sentence to paste into a paper: which release, how much of it was there and when, and both digests.

    Args:
        told: what `split.json` says.
        release: what it was built from.
    """
    info, verdicts = release.info, told["verdicts"]
    title = f"{TITLES.get(info.name, info.name)} v{info.version}"
    last = told["fetched"][1]
    when = f" on {last[:10]}" if last is not None else ""
    same = f", {verdicts['same_picture']:,} the same picture in other bytes" if told["policy"] == "same_picture" else ""
    archive = f", {told['archived_count']:,} of them from an archive" if told.get("archived_count") else ""
    made = " (the miniature: a made world, no number about reLAIONet)" if info.notes.get("miniature") else ""
    return (
        f"{title}{made} (digest {info.digest[:DIGEST_SHOWN]}): {told['kept_count']:,} of {told['rows_count']:,} images "
        f"({told['coverage_frac']:.1%}) rebuilt{when}, {verdicts['exact']:,} byte-identical{same}{archive}; split "
        f"digest {told['digest'][:DIGEST_SHOWN]}."
    )
