"""The index of a run: stages with counts that sum up, pages, and the release, split and evaluations made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from relaionet.flows.pages.frame import count_card
from relaionet.flows.pages.links import INDEX, find_folders
from relaionet.flows.pages.overview import Entry, Overview, Part, list_entries, list_files, read_record, say_time
from relaionet.flows.pages.stages import make_stages
from relaionet.flows.pages.thumbnails import embed_file, show_stored
from relaionet.flows.runs.run import seconds_of
from relaionet.manifests.errors import Corrupt
from relaionet.manifests.store import Store
from relaionet.manifests.tables import (
    ALIVE,
    CANDIDATES,
    CHOSEN,
    DOWNLOADS,
    EMBEDDINGS,
    PASSED_OVER,
    PROPOSALS,
    ROUTED,
    SCREENED,
    TEXT_MATCHES,
    VERDICTS,
    Table,
)
from relaionet.manifests.words import format_count, name_many, say_count

RECORD = "run.json"
THRESHOLD = "text_calibration/calibration.png"
STORY = (CANDIDATES, TEXT_MATCHES, CHOSEN, DOWNLOADS, EMBEDDINGS, PROPOSALS, SCREENED, ROUTED, VERDICTS)
PAGES: Mapping[str, tuple[str, str, Sequence[str]]] = {
    "candidates.html": ("Candidates", "chosen", ("candidates_by_class.csv", "candidates_by_class.parquet")),
    "proposals.html": ("Proposals", "proposals", ()),
    "screens.html": ("Screens", "screened", ()),
    "review.html": ("Review", "verdicts", ()),
    "report.html": ("Report", "", ("summary.json", "scores.parquet")),
}
"""Page -> name, the stage whose counts say where it stands, files that belong to it."""
RELEASE_FILES = ("README.md", "release.json", "manifest.parquet", "decisions.parquet", "croissant.json")
SPLIT_FILES = ("README.md", "split.json", "croissant.json")
PICTURES, PICTURE_PX = 24, 96


def describe_run(folder: Path) -> Overview:
    """What the index of a run shows.

    Args:
        folder: of the run; whatever is missing or cannot be read is left out.
    """
    store, record = Store(folder), read_record(folder / RECORD)
    stages = make_stages(count_stages(store))
    by_name = {stage["name"]: stage for stage in stages}
    recipe = record.get("recipe", {})
    title = str(recipe.get("name") or folder.resolve().name)
    receipts = [path for table in STORY for path in (folder / table.name).glob("*.receipt.json")]
    when = say_time([folder / RECORD, *receipts])
    parts = [
        Part(title="Pages", anchor="pages", entries=list_entries(_list_pages(folder, by_name))),
        Part(title="What was made of it", anchor="made", entries=list_entries(_list_products(folder))),
        Part(title="What it was made from", anchor="from", entries=list_entries(_list_sources(folder, record))),
    ]
    threshold = embed_file(folder / THRESHOLD)
    return Overview(
        kind="Run",
        title=title,
        said=f"Recipe {title}, last written {when}." if when else f"Recipe {title}.",
        cards=_cards(folder, by_name),
        parts=[part for part in parts if part.entries],
        stages=stages,
        pictures=show_pictures(store, folder / "images"),
        figures=[] if threshold is None else [(threshold, "Similarity of captions and classes, and the thresholds")],
    )


def count_stages(store: Store) -> list[dict[str, Any]]:
    """Rows of every finished stage by status, without reading more than that column.

    Returns:
        For each: stage, rows_in (by the receipts), statuses (counted in the tables), seconds.
    """
    counted = []
    for table in STORY:
        try:
            stage = _count_stage(store, table)
        except (OSError, Corrupt, pl.exceptions.PolarsError):  # the flow that needs the table says what is wrong
            continue
        if stage is not None:
            counted.append(stage)
    return counted


def _count_stage(store: Store, table: Table) -> dict[str, Any] | None:
    shards = store.shards(table)
    receipts = [receipt for shard in shards if (receipt := store.receipt(table.name, shard)) is not None]
    if not receipts:
        return None
    parts = [_scan(store, table).group_by("status").agg(pl.len().cast(pl.Int64).alias("rows_count"))]
    rows_in = sum(receipt.rows_count for receipt in receipts)
    if table is CANDIDATES and store.shards(PASSED_OVER):
        passed = _scan(store, PASSED_OVER).group_by("status").agg(pl.col("rows_count").sum().cast(pl.Int64))
        parts.append(passed)
        rows_in += int(passed.select(pl.col("rows_count").sum()).collect().item())
    rows = pl.concat(parts).group_by("status").agg(pl.col("rows_count").sum()).collect(engine="streaming")
    statuses = dict(sorted(rows.iter_rows(), key=lambda item: (item[0] != ALIVE, item[0])))
    return {
        "stage": table.name,
        "rows_in": rows_in,
        "statuses": statuses,
        "reasons": {},
        "seconds": seconds_of(store, table),
    }


def _scan(store: Store, table: Table) -> pl.LazyFrame:
    return pl.scan_parquet([store.path(table, shard) for shard in store.shards(table)], glob=False)


def say_counts(stage: Mapping[str, Any]) -> str:
    """A stage's counts in one line: `39 rows = 30 ok + 9 duplicate`."""
    parts = [
        f"{format_count(one['count'])} {one['name'].replace('_', ' ')}" for one in stage["statuses"] if one["count"]
    ]
    sign = "=" if stage["adds_up"] else "≠"
    return f"{say_count(stage['rows_in'], 'row')} {sign} {' + '.join(parts)}" if parts else "0 rows"


def _cards(folder: Path, stages: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    cards = []
    if CANDIDATES.name in stages:
        cards.append(count_card(stages[CANDIDATES.name]["rows_in"], "row in the source", "rows in the source"))
    for table, status, what in (
        (CHOSEN, ALIVE, "chosen to fetch"),
        (DOWNLOADS, ALIVE, "fetched"),
        (PROPOSALS, ALIVE, "with a proposed label"),
        (SCREENED, ALIVE, "passed the screens"),
        (VERDICTS, "accept", "accepted by reviewers"),
    ):
        stage = stages.get(table.name)
        if stage is not None:
            count = sum(one["count"] for one in stage["statuses"] if one["name"] == status)
            cards.append((format_count(count), what, f"of {format_count(stage['rows_in'])}"))
    release = read_record(folder / "release" / "release.json")
    if isinstance(release.get("rows_count"), int):
        cards.append(
            (format_count(release["rows_count"]), "released", f"in {_told(release, 'classes_count', 'class')}")
        )
    return cards


def _list_pages(folder: Path, stages: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    entries = []
    for page, (name, table, files) in PAGES.items():
        stage = stages.get(table)
        about = "" if stage is None else say_counts(stage)
        href = page if (folder / page).is_file() else ""
        entries.append(Entry(name=name, href=href, about=about, files=list_files(folder, files)))
    return entries


def _list_products(folder: Path) -> list[Entry]:
    release, split = (read_record(folder / name / f"{name}.json") for name in ("release", "split"))
    entries = [
        Entry(name="Release", about=_say_release(release), files=_files_of(folder, "release", RELEASE_FILES)),
        Entry(name="Split", about=_say_split(split), files=_files_of(folder, "split", SPLIT_FILES)),
    ]
    for below in find_folders(folder):
        sets = read_record(below / "sets.json")
        count = say_count(len(sets.get("sets", ())), "set")
        about = f"{count} on {sets.get('split_name')}, protocol {sets.get('protocol')}"
        name = "Evaluation" if sets else "Pages"
        entries.append(
            Entry(name=f"{name} {below.name}", href=f"{quote(below.name)}/{INDEX}", about=about if sets else "")
        )
    return entries


def _files_of(folder: Path, below: str, names: Sequence[str]) -> list[tuple[str, str]]:
    return [(Path(path).name, href) for path, href in list_files(folder, [f"{below}/{name}" for name in names])]


def _say_release(release: Mapping[str, Any]) -> str:
    if not release:
        return ""
    date = str(release.get("created", ""))[:10]
    rows, classes = _told(release, "rows_count", "row"), _told(release, "classes_count", "class")
    return f"{release.get('name')}, version {release.get('version')}, {date}: {rows} in {classes}"


def _say_split(split: Mapping[str, Any]) -> str:
    if not split:
        return ""
    verdicts = split.get("verdicts", {})
    told = " + ".join(f"{format_count(count)} {name.replace('_', ' ')}" for name, count in verdicts.items() if count)
    return f"{_told(split, 'rows_count', 'row')} = {told}; {_told(split, 'kept_count', 'image')} kept"


def _told(record: Mapping[str, Any], key: str, noun: str) -> str:
    """A count of a record with its noun; `?` where the record has none."""
    value = record.get(key)
    return say_count(value, noun) if isinstance(value, int) else f"? {name_many(noun)}"


def _list_sources(folder: Path, record: Mapping[str, Any]) -> list[Entry]:
    commit = str(record.get("git_commit") or "")[:12]
    about = ", ".join(
        filter(None, [f"digest {str(record.get('recipe_digest', ''))[:12]}", commit and f"commit {commit}"])
    )
    return [Entry(name="Recipe and versions", about=about if record else "", files=list_files(folder, [RECORD]))]


def show_pictures(store: Store, images: Path) -> list[tuple[str, str]]:
    """The first pictures that passed the screens, small; none before the screens were run."""
    try:
        if not store.shards(SCREENED):
            return []
        passed = _scan(store, SCREENED).filter(pl.col("status") == ALIVE).select("candidate_id").head(PICTURES)
        stored = _scan(store, DOWNLOADS).filter(pl.col("status") == ALIVE).select("candidate_id", "path")
        rows = passed.join(stored, on="candidate_id", maintain_order="left").collect()
    except (OSError, Corrupt, pl.exceptions.PolarsError):
        return []
    shown = [(show_stored(images, path, PICTURE_PX), f"picture {name[:12]}") for name, path in rows.iter_rows()]
    return [(uri, alt) for uri, alt in shown if uri is not None]
