"""What `relaionet release` shows: a release, what was checked, and what differs between two, in words and tables."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.flows.runs.console import echo, echo_json
from relaionet.manifests.errors import BadInput, ReLAIONetError
from relaionet.manifests.escape import show_text
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.release.beside import EVIDENCE_FILE, WITHDRAWN_FILE
from relaionet.manifests.release.card import warning_lines
from relaionet.manifests.release.decisions import DECISIONS_FILE
from relaionet.manifests.release.diff import CHANGES, ReleaseDiff, diff_releases
from relaionet.manifests.release.info import read_info
from relaionet.manifests.release.release import CARD_FILE, check_release, list_releases, read_release
from relaionet.manifests.release.sentences import cite_release
from relaionet.manifests.store import write_parquet
from relaionet.manifests.words import name_counted, say_count

if TYPE_CHECKING:
    from collections.abc import Iterator

ID_CHARS, URL_CHARS = 12, 60


def show_list(folder: Path) -> None:
    """Print one line per release in a folder.

    Raises:
        BadInput: there is none.
    """
    found = list_releases(folder)
    if not found:
        raise BadInput(f"{folder}: no release there (a folder <name>-v<n> with release.json).")
    for path in found:
        try:
            info = read_info(path)
        except ReLAIONetError as error:
            echo(f"{path.name:<24} cannot be read: {error}")
            continue
        made = " miniature" if info.notes.get("miniature") else ""
        echo(
            f"{info.full_name:<24} {info.rows_count:>9,} {name_counted(info.rows_count, 'row'):<4} "
            f"{info.classes_count:>5,} {name_counted(info.classes_count, 'class'):<7}  {info.created[:10]}  "
            f"digest {info.digest[:12]}{made}"
        )


def show_release(path: Path, *, as_json: bool = False) -> None:
    """Print what a release is."""
    release = read_release(path)
    info = release.info
    if as_json:
        echo_json(asdict(info))
        return
    rows = release.manifest
    echo(f"{info.full_name}  ({release.path})")
    for line in warning_lines(info.notes).replace("**", "").replace(">", "").split("\n"):
        if line.strip():
            echo(f"  {line.strip()}")
    facts = {
        "rows": f"{info.rows_count:,} of {say_count(info.classes_count, 'class')}, {_per_class(info.class_counts)}",
        "votes": _votes(rows),
        "made": info.created,
        "digest": info.digest,
        "format": f"{info.format}, read by relaionet {info.needs_relaionet} and later",
        "decisions": f"{say_count(release.decisions.height, 'answer')} ({DECISIONS_FILE})"
        if release.decisions is not None
        else "",
        "evidence": _count(release.evidence, "facts about {rows:,} rows", EVIDENCE_FILE),
        "withdrawn": _count(release.withdrawn, "withdrawals", WITHDRAWN_FILE),
        "adopted": _plain(info.notes.get("adopted")),
        "lookup": _plain(info.notes.get("lookup")),
        "agreement": _plain(info.notes.get("agreement")),
        "images": f"relaionet rebuild {release.path} --out DIR" + _where(rows),
        "cite": cite_release(asdict(info)),
    }
    for key, value in facts.items():
        if value:
            echo(f"  {key:<10} {value}")
    for remark in release.remarks:
        echo(f"  {'note':<10} {remark}")
    echo(f"  {'more':<10} {release.path / CARD_FILE}")


def _count(table: pl.DataFrame | None, words: str, file: str) -> str:
    if table is None:
        return ""
    rows_count = table["candidate_id"].n_unique() if "candidate_id" in table.columns else 0
    return f"{table.height:,} {words.format(rows=rows_count)} ({file})"


def _where(rows: pl.DataFrame) -> str:
    return " --images FOLDER" if rows["url"].null_count() else ""


def _votes(rows: pl.DataFrame) -> str:
    voted = rows.filter(pl.col("votes_count") > 0)
    if voted.is_empty():
        return "none: nobody was asked"
    reviewers = voted["reviewers"].explode().n_unique()
    answers, agreeing = (int(voted[name].sum()) for name in ("votes_count", "yes_count"))
    frac = agreeing / answers
    return f"{say_count(answers, 'answer')} of {say_count(reviewers, 'reviewer')}, {frac:.1%} for the label"


def _per_class(counts: Any) -> str:
    numbers = sorted(counts.values()) or [0]
    return f"{numbers[0]:,} to {numbers[-1]:,} each, median {numbers[len(numbers) // 2]:,}"


def _plain(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    shown = (f"{key} {item:.3f}" if isinstance(item, float) else f"{key} {item}" for key, item in value.items())
    return show_text(", ".join(shown))[:400]


def show_check(path: Path) -> None:
    """Check a release and print what was checked, part by part.

    Raises:
        BadInput: as for `check_release`.
        Corrupt: as for `check_release`.
    """
    release = check_release(path, lambda text: echo(f"  ok    {text}"))
    for remark in release.remarks:
        echo(f"  note  {remark}")
    if release.decisions is not None:
        from relaionet.flows.reviewing.resettle import compare_labels

        same, differ = compare_labels(release)
        words = (
            f"settled again by the rules it states, {same:,} of "
            f"{say_count(same + len(differ), 'label')} come out the same"
        )
        echo(f"  {'note' if differ else 'ok':<5} {words}")
        for one in differ[:5]:
            echo(f"        {one[:ID_CHARS]}… does not")
    echo(f"{release.info.full_name} is whole. Cite: {cite_release(asdict(release.info))}")


def show_diff(old: Path, new: Path, *, as_json: bool, rows: Path | None, limit: int) -> None:
    """Print what differs between two releases, and write the rows where asked to."""
    found = diff_releases(read_release(old), read_release(new))
    if rows is not None:
        write_parquet(rows, found.rows)
    if as_json:
        echo_json(diff_as_json(found))
        return
    echo(f"{found.old} -> {found.new}")
    if found.is_empty():
        echo(f"  the same {say_count(found.unchanged_count, 'row')}")
    for change, count in found.counts.items():
        if count:
            echo(f"  {count:>9,} {change:<10} {CHANGES[change]}")
    if not found.is_empty():
        echo(f"  {found.unchanged_count:>9,} unchanged")
    if found.notes:
        echo(f"  notes that differ: {show_text(', '.join(found.notes))}")
    for line in _class_lines(found, limit):
        echo(line)
    for line in _row_lines(found, limit):
        echo(line)
    if rows is not None:
        echo(f"\nEvery row: {rows}")


def diff_as_json(found: ReleaseDiff) -> dict[str, Any]:
    """All of a difference, for another program: the rows with the columns that differ, old and new."""
    rows = []
    for row in found.rows.iter_rows(named=True):
        told = {key: row[key] for key in ("candidate_id", "change", "changed", "same_bytes_as")}
        sides = {"added": ("new",), "removed": ("old",)}.get(row["change"], ("old", "new"))
        shown = row["changed"] or ["url", "path", "wnid", "image_sha256", "votes_count", "yes_count"]
        rows.append(told | {side: {name: row[f"{side}_{name}"] for name in shown} for side in sides})
    return {
        "old": found.old, "new": found.new, "counts": found.counts, "unchanged_count": found.unchanged_count,
        "notes_that_differ": list(found.notes), "classes": found.classes.to_dicts(), "rows": rows,
    }  # fmt: skip


def _class_lines(found: ReleaseDiff, limit: int) -> Iterator[str]:
    if found.classes.is_empty() or not limit:
        return
    yield f"\n  {'class':<34} {'before':>7} {'added':>6} {'removed':>8} {'in':>5} {'out':>5} {'after':>7}"
    order = found.classes.sort(
        pl.sum_horizontal("added", "removed", "moved_in", "moved_out"), "class_index", descending=[True, False]
    )
    for row in order.head(limit).iter_rows(named=True):
        label = f"{row['class_name'][:22]} ({row['wnid']})"
        yield (
            f"  {label:<34} {row['old_count']:>7,} {row['added']:>6,} {row['removed']:>8,} {row['moved_in']:>5,} "
            f"{row['moved_out']:>5,} {row['new_count']:>7,}"
        )
    if order.height > limit:
        yield f"  … and {say_count(order.height - limit, 'more class', 'more classes')}"


def _row_lines(found: ReleaseDiff, limit: int) -> Iterator[str]:
    for change in CHANGES:
        rows = found.rows.filter(pl.col("change") == change)
        if rows.is_empty() or not limit:
            continue
        yield f"\n  {change}"
        for row in rows.head(limit).iter_rows(named=True):
            yield f"    {row['candidate_id'][:ID_CHARS]}  {_tell_row(row)}"
        if rows.height > limit:
            yield f"    … and {rows.height - limit:,} more (--limit, --rows)"


def _tell_row(row: dict[str, Any]) -> str:
    change = row["change"]
    side = "old" if change == "removed" else "new"
    place = show_text(row[f"{side}_url"] or row[f"{side}_path"] or "")[:URL_CHARS]
    if change in ("added", "removed"):
        twin = f"  (the bytes of {row['same_bytes_as'][:ID_CHARS]})" if row["same_bytes_as"] else ""
        return f"{_name(row[f'{side}_wnid'])}  {place}{twin}"
    if change == "relabelled":
        return f"{_names(row, 'old')} -> {_names(row, 'new')}  {_tell_votes(row)}"
    if change == "bytes":
        return f"{row['old_image_sha256'][:8]}… -> {row['new_image_sha256'][:8]}…  {place}"
    if change == "votes":
        return f"{_name(row['new_wnid'])}  {_tell_votes(row)}"
    return f"{', '.join(row['changed'])}  {place}"


def _tell_votes(row: dict[str, Any]) -> str:
    before, after = (f"{row[f'{side}_yes_count']}/{row[f'{side}_votes_count']}" for side in ("old", "new"))
    old, new = (sorted(row[f"{side}_reviewers"] or []) for side in ("old", "new"))
    joined = [who for who in new if who not in old]
    left = [who for who in old if who not in new]
    told = f"votes {before} -> {after}, by {', '.join(new) or 'nobody'}"
    return (
        told
        + (f"; new: {', '.join(joined)}" if joined and old else "")
        + (f"; no longer: {', '.join(left)}" if left else "")
    )


def _names(row: dict[str, Any], side: str) -> str:
    """The label, then the other classes of the picture."""
    label = row[f"{side}_wnid"]
    return " + ".join(map(_name, [label, *(wnid for wnid in row[f"{side}_wnids"] or [] if wnid != label)]))


def _name(wnid: str) -> str:
    return f"{labels_by_wnid()[wnid].name} ({wnid})"
