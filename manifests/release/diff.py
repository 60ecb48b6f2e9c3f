"""What differs between two releases, row by row, whole enough that the newer one can be made from the older.

A row is known by its candidate_id, which is the hash of its URL, so a row whose URL changed is one row removed and one
added; where both have the same bytes, each names the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.release.release import Release
from relaionet.manifests.tables import MANIFEST
from relaionet.manifests.tables.schema import Column, Table, shape_table
from relaionet.manifests.words import say_count

VOTES = ("votes_count", "yes_count", "selection_frac", "confidence", "reviewers")
CHANGES = {
    "added": "in the newer release only",
    "removed": "in the older release only",
    "relabelled": "another class, or others beside it",
    "bytes": "the same class, other bytes of the image",
    "votes": "the same class and bytes, other answers",
    "details": "something else in the row",
}
_ABOUT = {
    "candidate_id": Column(dtype=pl.String(), meaning="key"),
    "change": Column(dtype=pl.String(), meaning=", ".join(CHANGES)),
    "changed": Column(dtype=pl.List(pl.String()), meaning="columns that differ; none for rows added or removed"),
    "same_bytes_as": Column(dtype=pl.String(), meaning="removed row with an added row's bytes, or the other way round"),
}
DIFF = Table(
    name="diff",
    columns=_ABOUT
    | {
        f"{when}_{name}": Column(dtype=column.dtype, meaning=f"{column.meaning} ({words} release)")
        for when, words in (("old", "older"), ("new", "newer"))
        for name, column in MANIFEST.columns.items()
        if name != "candidate_id"
    },
)
MIRRORED = {"added": "removed", "removed": "added"}


@dataclass(frozen=True, kw_only=True)
class ReleaseDiff:
    """What differs between two releases.

    Attributes:
        old: name with version of the older release.
        new: of the newer one.
        rows: DIFF, one row per candidate that differs, by candidate_id.
        classes: wnid, class_index, class_name, old_count, new_count, added, removed, moved_in, moved_out; classes
            that differ alone, by class_index.
        notes: keys of the notes that differ (settings, agreement, …).
        unchanged_count: rows that are the same in both.
    """

    old: str
    new: str
    rows: pl.DataFrame
    classes: pl.DataFrame
    notes: tuple[str, ...]
    unchanged_count: int

    @property
    def counts(self) -> dict[str, int]:
        """Rows by change, every kind of change once; what each means is in `CHANGES`."""
        found = dict(self.rows["change"].value_counts().iter_rows())
        return {change: int(found.get(change, 0)) for change in CHANGES}

    def is_empty(self) -> bool:
        """True where both hold the same rows; their names and notes may differ."""
        return self.rows.is_empty()


def diff_releases(old: Release, new: Release) -> ReleaseDiff:
    """Compare two releases row by row.

    Args:
        old: from `read_release`.
        new: from `read_release`.
    """
    rows = diff_rows(old.manifest, new.manifest)
    before, after = old.info.notes, new.info.notes
    missing = object()
    notes = sorted(key for key in {*before, *after} if before.get(key, missing) != after.get(key, missing))
    changed = rows.filter(pl.col("change") != "added").height
    return ReleaseDiff(
        old=old.info.full_name, new=new.info.full_name, rows=rows, notes=tuple(notes),
        classes=_count_classes(old.manifest, new.manifest, rows), unchanged_count=old.manifest.height - changed,
    )  # fmt: skip


def diff_rows(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """What differs between two manifests.

    `diff_rows(a, a)` is empty, `mirror_rows(diff_rows(a, b))` is `diff_rows(b, a)`, and `apply_rows(a, diff_rows(a,
    b))` is `b`.

    Args:
        old: MANIFEST.
        new: MANIFEST.

    Returns:
        DIFF, by candidate_id.
    """
    names = [name for name in MANIFEST.columns if name != "candidate_id"]
    left = old.rename({name: f"old_{name}" for name in names}).with_columns(old_there=pl.lit(value=True))
    right = new.rename({name: f"new_{name}" for name in names}).with_columns(new_there=pl.lit(value=True))
    rows = left.join(right, on="candidate_id", how="full", coalesce=True)
    differs = {name: pl.col(f"old_{name}").ne_missing(pl.col(f"new_{name}")) for name in names}
    added, removed = pl.col("old_there").is_null(), pl.col("new_there").is_null()
    rows = rows.filter(added | removed | pl.any_horizontal(differs.values()))
    changed = pl.concat_list(pl.when(expr).then(pl.lit(name)) for name, expr in differs.items()).list.drop_nulls()
    change = (
        pl.when(added).then(pl.lit("added")).when(removed).then(pl.lit("removed"))
        .when(differs["wnid"] | differs["wnids"]).then(pl.lit("relabelled"))
        .when(differs["image_sha256"]).then(pl.lit("bytes"))
        .when(pl.any_horizontal(differs[name] for name in VOTES)).then(pl.lit("votes")).otherwise(pl.lit("details"))
    )  # fmt: skip
    empty = pl.lit([], pl.List(pl.String()))
    rows = rows.with_columns(change=change, changed=pl.when(added | removed).then(empty).otherwise(changed))
    return shape_table(_find_same_bytes(rows), DIFF).sort("candidate_id")


def _find_same_bytes(rows: pl.DataFrame) -> pl.DataFrame:
    """Name for each row added the first row removed that has its bytes, and the other way round."""
    parts = []
    for mine, other, here, there in (("added", "removed", "new", "old"), ("removed", "added", "old", "new")):
        known = rows.filter(pl.col("change") == other).sort("candidate_id")
        known = known.unique(f"{there}_image_sha256", keep="first", maintain_order=True)
        known = known.select(pl.col(f"{there}_image_sha256").alias("sha256"), same_bytes_as="candidate_id")
        own = rows.filter(pl.col("change") == mine)
        parts.append(own.join(known, left_on=f"{here}_image_sha256", right_on="sha256", how="left"))
    rest = rows.filter(~pl.col("change").is_in(["added", "removed"]))
    parts.append(rest.with_columns(same_bytes_as=pl.lit(None, pl.String)))
    return pl.concat(parts)


def mirror_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The same differences seen from the newer release.

    Args:
        rows: DIFF.
    """
    turned = {
        name: name.replace("old_", "new_", 1) if name.startswith("old_") else name.replace("new_", "old_", 1)
        for name in DIFF.columns
        if name.startswith(("old_", "new_"))
    }
    return shape_table(rows.rename(turned).with_columns(pl.col("change").replace(MIRRORED)), DIFF)


def apply_rows(old: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The newer manifest from the older and what differs.

    Args:
        old: MANIFEST.
        rows: DIFF of it and the newer one.

    Returns:
        MANIFEST, by class_index and candidate_id, as a release stores it.

    Raises:
        BadInput: the differences are not those of this manifest.
    """
    wrong = set(rows.filter(pl.col("change") != "added")["candidate_id"]) - set(old["candidate_id"])
    twice = set(rows.filter(pl.col("change") == "added")["candidate_id"]) & set(old["candidate_id"])
    if wrong or twice:
        missing = say_count(len(wrong), "row is", "rows are")
        raise BadInput(f"the differences are of another release: {missing} missing, {len(twice):,} not new.")
    kept = old.join(rows.select("candidate_id"), on="candidate_id", how="anti")
    now = rows.filter(pl.col("change") != "removed")
    now = now.select("candidate_id", *(f"new_{name}" for name in MANIFEST.columns if name != "candidate_id"))
    now = now.rename({name: name.removeprefix("new_") for name in now.columns})
    return pl.concat([kept, shape_table(now, MANIFEST)]).sort("class_index", "candidate_id")


def _count_classes(old: pl.DataFrame, new: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    moved = rows.filter((pl.col("change") == "relabelled") & (pl.col("old_wnid") != pl.col("new_wnid")))
    counts: Mapping[str, dict[str, int]] = {
        "old_count": dict(old["wnid"].value_counts().iter_rows()),
        "new_count": dict(new["wnid"].value_counts().iter_rows()),
        "added": dict(rows.filter(pl.col("change") == "added")["new_wnid"].value_counts().iter_rows()),
        "removed": dict(rows.filter(pl.col("change") == "removed")["old_wnid"].value_counts().iter_rows()),
        "moved_in": dict(moved["new_wnid"].value_counts().iter_rows()),
        "moved_out": dict(moved["old_wnid"].value_counts().iter_rows()),
    }
    wnids = {wnid for name in ("added", "removed", "moved_in", "moved_out") for wnid in counts[name]}
    labels = labels_by_wnid()
    found: list[dict[str, Any]] = [
        {"wnid": wnid, "class_index": labels[wnid].class_index, "class_name": labels[wnid].name}
        | {name: count.get(wnid, 0) for name, count in counts.items()}
        for wnid in wnids
    ]
    schema: dict[str, Any] = {"wnid": pl.String, "class_index": pl.Int32, "class_name": pl.String}
    return pl.DataFrame(found, schema=schema | dict.fromkeys(counts, pl.Int64)).sort("class_index")
