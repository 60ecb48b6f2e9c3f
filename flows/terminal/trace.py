"""`relaionet trace`: a row's whole life on one screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from relaionet.flows.runs.console import shown
from relaionet.manifests.errors import BadInput
from relaionet.manifests.escape import show_text
from relaionet.manifests.files import HEX_64
from relaionet.manifests.labels import find_label, labels_by_wnid
from relaionet.manifests.release.info import INFO_FILE
from relaionet.manifests.release.release import read_release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import (
    CANDIDATES,
    CHOSEN,
    DECISIONS,
    DOWNLOADS,
    EMBEDDINGS,
    HITS,
    MANIFEST,
    NEIGHBOURS,
    PROPOSALS,
    ROUTED,
    SCREENED,
    SPLIT,
    TASKS,
    TEXT_MATCHES,
    VERDICTS,
    Table,
)  # fmt: skip

STORY = (
    NEIGHBOURS, CANDIDATES, TEXT_MATCHES, CHOSEN, DOWNLOADS, EMBEDDINGS, HITS, PROPOSALS, SCREENED, ROUTED,
    TASKS, DECISIONS, VERDICTS, MANIFEST, SPLIT,
)  # fmt: skip
SPLIT_FILE = "split.json"  # marks a rebuilt split, which can be asked about by itself
SHORTEST_ID = 6
LONGEST = 90
SHOWN_BEFORE = ("url", "caption", "source", "source_row")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One table's view of a row: its values, without the id and without nulls."""

    table: str
    values: dict[str, Any]


def find_runs(folder: Path) -> list[Path]:
    """Runs, rebuilt splits and releases in a folder: the folder itself, or the sub-folders that are one."""
    return [folder] if _is_run(folder) else sorted(path for path in folder.glob("*/") if _is_run(path))


def _is_run(folder: Path) -> bool:
    return (folder / CANDIDATES.name).is_dir() or (folder / SPLIT_FILE).is_file() or _is_release(folder)


def _is_release(folder: Path) -> bool:
    """True for a release by itself: it tells its rows, and the answers they rest on where it ships them."""
    return (folder / INFO_FILE).is_file()


def resolve_id(run: Path, candidate_id: str) -> str | None:
    """The full id of a row from an id, the start of one (at least 6 digits) or a URL; None where there is none.

    Raises:
        BadInput: the start fits several rows.
    """
    from hashlib import sha256

    if "://" in candidate_id:
        candidate_id = sha256(candidate_id.encode()).hexdigest()
    if len(candidate_id) < SHORTEST_ID:
        raise BadInput(f"'{candidate_id}' is too short: give at least {SHORTEST_ID} digits of the id, or the URL.")
    known = (MANIFEST, DECISIONS) if _is_release(run) else (CANDIDATES, SPLIT)
    ids = pl.concat([_rows(run, table)["candidate_id"] for table in known]).unique()
    found = ids.filter(ids.str.starts_with(candidate_id.lower()))
    if found.len() > 1:
        raise BadInput(f"'{candidate_id}' fits {found.len()} rows: {', '.join(sorted(found)[:5])}. Give more digits.")
    return found[0] if found.len() else None


def trace_row(run: Path, candidate_id: str) -> list[Step]:
    """All that is known of one row, in the order of the story; a table that has nothing to say is left out.

    Args:
        run: folder of the run.
        candidate_id: the full id, 64 hex digits.
    """
    steps = []
    first = MANIFEST if _is_release(run) else CANDIDATES
    for table in STORY:
        rows = _rows(run, table).filter(pl.col("candidate_id") == candidate_id)
        found = [{key: value for key, value in row.items() if value not in (None, [])} for row in rows.to_dicts()]
        if table in (HITS, NEIGHBOURS):
            found = [_sum_hits(found)] if found else []
        for values in found:
            hidden = {"candidate_id", *(SHOWN_BEFORE if table is not first else ())}
            steps.append(
                Step(table=table.name, values={key: value for key, value in values.items() if key not in hidden})
            )
    return steps


def _sum_hits(hits: list[dict[str, Any]], most: int = 3) -> dict[str, Any]:
    """Which searches found the image, nearest first, on one line."""
    nearest = sorted(hits, key=lambda hit: -hit.get("cosine", -1))[:most]
    texts = [f"{find_label(hit['wnid']).name} ({_how_near(hit)})" for hit in nearest]
    return {"found by": texts, "searches": len(hits)}


def _how_near(hit: dict[str, Any]) -> str:
    cosine = f"{hit['cosine']:.3f}, " if "cosine" in hit else ""
    asked = f", by {show_value('asked', hit['asked'])}" if "asked" in hit else ""
    return f"{cosine}rank {hit.get('rank', '?')}{asked}"


def show_value(key: str, value: object) -> str:
    """A value in few characters: hashes cut, classes named, strangers' text without control characters."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list):
        return ", ".join(show_value(key, item) for item in value)
    text = show_text(str(value))
    if key.endswith(("wnid", "wnids")) and text in labels_by_wnid():
        return f"{labels_by_wnid()[text].name} ({text})"
    if re.fullmatch(HEX_64, text):
        return text[:12] + "…"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _rows(run: Path, table: Table) -> pl.DataFrame:
    if _is_release(run):
        return _release_rows(run, table)
    if table is MANIFEST:
        paths = sorted((run / "releases").glob("*/manifest.parquet"))
        return pl.concat([read_release(path.parent).manifest for path in paths] or [table.empty()])
    if table is SPLIT:
        root = run if (run / SPLIT_FILE).is_file() else run / "split"
        return Store(root).read_all(table) if root.exists() else table.empty()
    return Store(run).read_all(table)


def _release_rows(folder: Path, table: Table) -> pl.DataFrame:
    if table not in (MANIFEST, DECISIONS, VERDICTS):
        return table.empty()
    release = read_release(folder)
    if table is MANIFEST:
        return release.manifest
    if release.decisions is None:
        return table.empty()
    if table is DECISIONS:
        return release.decisions.drop("annotation_id")
    from relaionet.flows.reviewing.resettle import settle_again

    return settle_again(release)


def show_trace(candidate_id: str, folder: Path | None) -> None:
    """Print a row's whole life.

    Args:
        candidate_id: id, the start of one, or the row's URL.
        folder: a run; None looks in `runs/` and here.

    Raises:
        BadInput: no run, or no run with such a row.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from relaionet.manifests.errors import BadInput

    places = [folder] if folder is not None else [Path("runs"), Path()]
    runs = [run for place in places for run in find_runs(place)]
    if not runs:
        raise BadInput(f"no run or split in {', '.join(map(str, places))}; name one with --run.")
    console = Console(highlight=False, emoji=False)
    found = False
    for run in runs:
        full = resolve_id(run, candidate_id)
        if full is None:
            continue
        found = True
        console.print(shown(f"{full}  in {run}"), style="bold", markup=False, soft_wrap=True)
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for step in trace_row(run, full):
            text = " · ".join(f"{key} {show_value(key, value)}" for key, value in step.values.items())
            if console.is_terminal:
                table.add_row(step.table, Text(shown(text)))
            else:  # a file or another program: a line each, nothing broken in two
                console.print(shown(f"{step.table:<12} {text}"), markup=False, soft_wrap=True)
        if console.is_terminal:
            console.print(table)
    if not found:
        raise BadInput(f"'{candidate_id}' is in none of these: {', '.join(map(str, runs))}.")
