"""The index of an evaluation: its report, its tables, its split and recipe, and the sets that were scored."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from relaionet.evaluators.set_labels import set_label
from relaionet.flows.pages.frame import count_card
from relaionet.flows.pages.overview import Entry, Overview, Part, list_entries, list_files, read_record, say_time
from relaionet.manifests.containers.parquet_table import read_guarded
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import read_json
from relaionet.manifests.words import format_count, say_count

SETS = "sets.json"
SCORES = ("scores.parquet", "class_scores.parquet", "differences.parquet")
TABLE_ENDING = re.compile(r"(-classes|-differences)?\.(csv|md|tex|json)$")
SPLIT_FILES = ("README.md", "split.json")
COLUMNS = ("Set", "Role", "Images", "Metrics", "Warnings")


def describe_evaluation(folder: Path) -> Overview:
    """What the index of an evaluation shows.

    Args:
        folder: of the evaluation; whatever is missing or cannot be read is left out.
    """
    about, record = read_record(folder / SETS), read_record(folder / "run.json")
    scores = _read_scores(folder)
    rows = _list_sets(folder, about, scores)
    split, protocol = str(about.get("split_name", "")), str(about.get("protocol", ""))
    title = str(about.get("title") or folder.resolve().name)
    when = say_time([folder / SETS, folder / SCORES[0]])
    generators = len({one.get("name") for one in _sets(about)})
    numbers = 0 if scores is None else scores.height
    report = Entry(
        name="Report", href="report.html" if (folder / "report.html").is_file() else "",
        about=f"{say_count(len(rows), 'set')} on {split}, protocol {protocol}, {say_count(numbers, 'number')}",
    )  # fmt: skip
    parts = [
        Part(title="Pages", anchor="pages", entries=list_entries([report])),
        Part(title="Tables", anchor="tables", entries=list_entries(list_tables(folder))),
        Part(title="What it was made from", anchor="from", entries=list_entries(_list_sources(folder, about, record))),
    ]
    return Overview(
        kind="Evaluation",
        title=title,
        said=f"Split {split} under protocol {protocol}, last written {when}.",
        cards=[
            count_card(len(rows), "scored set", detail=f"of {say_count(generators, 'generator')}"),
            count_card(numbers, "number", detail=f"protocol {protocol}"),
        ],
        parts=[part for part in parts if part.entries],
        columns=COLUMNS,
        sets=rows,
    )


def list_tables(folder: Path) -> list[Entry]:
    """The files of `tables`, those of one split and protocol together, and the scores as they are stored."""
    stems: dict[str, list[tuple[str, str]]] = {}
    for path in sorted((folder / "tables").glob("*")):
        found = TABLE_ENDING.search(path.name)
        if found is not None and path.is_file():
            stem = path.name[: found.start()]
            name = f"{(found[1] or '-leaderboard')[1:]} {found[2]}"
            stems.setdefault(stem, []).append((name, f"tables/{quote(path.name)}"))
    entries = [
        Entry(name=stem, about="leaderboard, classes and differences", files=files) for stem, files in stems.items()
    ]
    stored = list_files(folder, SCORES)
    return [*entries, Entry(name="Scores", about="every number with its interval, for programs", files=stored)]


def _sets(about: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [one for one in about.get("sets", ()) if isinstance(one, dict)]


def _read_scores(folder: Path) -> pl.DataFrame | None:
    columns = ["generator", "steps", "guidance", "metric", "n"]
    try:
        return read_guarded(folder / SCORES[0])[0].select(columns)
    except (OSError, BadInput, pl.exceptions.PolarsError):
        return None


def _list_sets(folder: Path, about: Mapping[str, Any], scores: pl.DataFrame | None) -> list[list[str]]:
    counts: dict[str, tuple[int, int]] = {}
    if scores is not None:
        grouped = scores.group_by("generator", "steps", "guidance").agg(pl.col("n").max(), pl.len().alias("metrics"))
        counts = {
            set_label(name, steps, guidance): (n, metrics) for name, steps, guidance, n, metrics in grouped.rows()
        }
    rows = []
    for one in _sets(about):
        asked = one.get("asked", {})
        label = set_label(str(one.get("name")), asked.get("steps", 0), asked.get("guidance", 1.0))
        images, metrics = counts.get(label, (0, 0))
        warnings = _count_warnings(folder / "doubts" / f"{Path(str(one.get('slug'))).name}.json")
        rows.append([label, str(one.get("role", "")), format_count(images), format_count(metrics), str(warnings or "")])
    return rows


def _count_warnings(path: Path) -> int:
    try:
        return len(read_json(path)) if path.is_file() else 0
    except (OSError, Corrupt):
        return 0


def _list_sources(folder: Path, about: Mapping[str, Any], record: Mapping[str, Any]) -> list[Entry]:
    split = Path(os.path.normpath(folder.resolve() / str(about.get("split", ""))))
    there = [name for name in SPLIT_FILES if about.get("split") and (split / name).is_file()]
    relative = os.path.relpath(split, folder.resolve())
    known = read_record(split / "split.json")
    kept = _say_kept(known) if known else ""
    digest = str(record.get("recipe_digest", ""))[:12]
    return [
        Entry(name=f"Split {about.get('split_name', '')}", about=kept,
              files=[(name, quote(f"{Path(relative).as_posix()}/{name}")) for name in there]),
        Entry(name="Recipe and versions", about=f"digest {digest}" if digest else "",
              files=list_files(folder, ["run.json", SETS])),
    ]  # fmt: skip


def _say_kept(split: Mapping[str, Any]) -> str:
    kept, rows = split.get("kept_count"), split.get("rows_count")
    return (
        f"{format_count(kept)} of {say_count(rows, 'row')} kept"
        if isinstance(kept, int) and isinstance(rows, int)
        else ""
    )
