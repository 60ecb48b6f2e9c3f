"""What the index of a folder shows: its pages and files, each with one line on where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from relaionet.manifests.errors import Corrupt
from relaionet.manifests.files import read_json


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that is there.

    Attributes:
        name: what it is.
        href: its page, relative to the index; empty for none.
        about: where it stands, in one line.
        files: (name, address) of files that belong to it.
    """

    name: str
    href: str = ""
    about: str = ""
    files: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Part:
    """Things of one kind under a heading; `anchor` is its id on the page."""

    title: str
    anchor: str
    entries: Sequence[Entry]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All that the index of a folder shows.

    Attributes:
        kind: `Run`, `Evaluation` or `Pages`.
        title: name of its recipe, or of the folder.
        said: one sentence under the title.
        cards: (value, what it is, detail).
        parts: what is there.
        stages: rows by status of every stage (`make_stages`); empty for none.
        pictures: (data URI, what it shows).
        figures: (data URI, what it shows), wider than pictures.
        columns: heads of the table of scored sets.
        sets: rows of that table.
    """

    kind: str
    title: str
    said: str = ""
    cards: Sequence[tuple[str, str, str]] = ()
    parts: Sequence[Part] = ()
    stages: Sequence[Mapping[str, Any]] = ()
    pictures: Sequence[tuple[str, str]] = ()
    figures: Sequence[tuple[str, str]] = ()
    columns: Sequence[str] = ()
    sets: Sequence[Sequence[str]] = ()


def read_record(path: Path) -> dict[str, Any]:
    """A JSON object of ours; empty where the file is not there or is none, so that an index can always be written."""
    try:
        value = read_json(path) if path.is_file() else {}
    except (OSError, Corrupt):
        return {}
    return dict(value) if isinstance(value, dict) else {}


def list_files(folder: Path, names: Sequence[str]) -> list[tuple[str, str]]:
    """(name, address) of those of the files that are there.

    Args:
        folder: of the index.
        names: paths in it, with `/`.
    """
    return [(name, quote(name)) for name in names if (folder / name).is_file()]


def list_entries(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that lead to something."""
    return [entry for entry in entries if entry.href or entry.files]


def say_time(paths: Sequence[Path]) -> str:
    """When the newest of the files was written; empty where there is none."""
    times = [path.stat().st_mtime for path in paths if path.is_file()]
    return f"{datetime.fromtimestamp(max(times), UTC):%Y-%m-%d %H:%M} UTC" if times else ""
