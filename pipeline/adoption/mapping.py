"""The mapping file: which class a folder is, said by a person where its name does not.

CSV    folder,wnid          one line per folder; lines that start with # are comments
TOML   [folders]            "crane" = "n02012849"

`skip` instead of a wnid leaves the folder out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from relaionet.manifests.containers.limits import Refused
from relaionet.manifests.containers.texts import parse_toml
from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.escape import escape_csv, one_line, unescape_csv
from relaionet.manifests.files import write_atomic
from relaionet.manifests.labels import find_label
from relaionet.pipeline.adoption.class_names import Unclear, show_label

SKIP = "skip"
MAX_BYTES = 10_000_000
COLUMNS = ("folder", "wnid")
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def read_mapping(file: Path) -> dict[str, str]:
    """Folder -> wnid or `skip`; folders whose wnid is left empty are not in it.

    Raises:
        BadInput: it is not there, is no CSV or TOML of that form, names a folder twice, or a wnid is none.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise BadInput(f"{file} is longer than {MAX_BYTES:,} bytes; a mapping has one short line per folder.")
        text = file.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise BadInput(f"{file} does not exist.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{file} is no UTF-8 text.") from None
    pairs = _read_toml(text, file) if file.suffix.lower() == ".toml" else _read_csv(text, file)
    found: dict[str, str] = {}
    for folder, wnid in pairs:
        if folder in found:
            raise BadInput(f"{file}: folder '{folder}' stands twice.")
        if wnid and wnid != SKIP:
            try:
                find_label(wnid)
            except BadInput as error:
                raise BadInput(f"{file}: folder '{folder}': {error} Write a wnid or `{SKIP}`.") from None
        found[folder] = wnid
    return {folder: wnid for folder, wnid in found.items() if wnid}


def _read_csv(text: str, file: Path) -> list[tuple[str, str]]:
    try:
        rows = list(csv.reader(_record_lines(text), strict=True))
    except csv.Error as error:
        raise BadInput(f"{file} is no CSV: {error}.") from None
    if not rows or tuple(cell.strip() for cell in rows[0]) != COLUMNS:
        raise BadInput(
            f"{file}: expected the first line `folder,wnid`; found `{','.join(rows[0])[:80] if rows else ''}`."
        )
    wrong = [row for row in rows[1:] if len(row) != len(COLUMNS)]
    if wrong:
        raise BadInput(f"{file}: expected two cells, found {len(wrong[0])} in `{','.join(wrong[0])[:80]}`.")
    return [(unescape_csv(row[0]), row[1].strip()) for row in rows[1:]]


def _record_lines(text: str) -> Iterator[str]:
    """The lines of a CSV but empty ones and comments; a name in quotes may hold either."""
    is_quoted = False
    for line in LINE.findall(text):
        if is_quoted or (line.strip() and not line.startswith("#")):
            is_quoted ^= line.count('"') % 2 == 1
            yield line


def _read_toml(text: str, file: Path) -> list[tuple[str, str]]:
    try:
        folders = parse_toml(text.replace("\r\n", "\n").replace("\r", "\n")).get("folders")
    except Refused as error:
        raise BadInput(f"{file} is no TOML: {error}.") from None
    if not isinstance(folders, dict) or not all(isinstance(wnid, str) for wnid in folders.values()):
        raise BadInput(f'{file}: expected a table [folders] of lines like "crane" = "n02012849".')
    return [(folder, wnid.strip()) for folder, wnid in folders.items()]


def apply_mapping(
    found: Mapping[str, str | Unclear], mapping: Mapping[str, str], file: Path | None
) -> dict[str, str | Unclear]:
    """What is found of each group, with what the mapping says instead.

    Raises:
        BadInput: the mapping names a folder that is not there; the message names the nearest.
    """
    unknown = [folder for folder in mapping if folder not in found]
    if unknown:
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise BadInput(f"{file}: the set has no folder '{unknown[0]}'{more}.{nearest_name(unknown[0], found)}")
    return {group: mapping.get(group, what) for group, what in found.items()}


def write_template(folder: Path, name: str, unclear: Iterable[Unclear], known: Mapping[str, str]) -> Path:
    """Write a mapping file to fill in, beside any that are there.

    Args:
        folder: to write into.
        name: of the release.
        unclear: folders to be filled in.
        known: what the mapping file said already; taken over.

    Returns:
        The file, `<name>-mapping.csv`, or with a number where that is taken.
    """
    lines = [
        "# Which class is each folder? Write its wnid behind the comma, or `skip` to leave the folder out;",
        "# then run the same command with --mapping and this file.",
        "folder,wnid",
    ]
    lines += [f"{_cell(group)},{wnid}" for group, wnid in known.items()]
    for one in unclear:
        about = one.fits or one.near
        words = "fits " + " | ".join(map(show_label, about)) if one.fits else "fits no class"
        near = "; nearest: " + " | ".join(map(show_label, about)) if one.near and not one.fits else ""
        called = f" ({one.name})" if one.name else ""
        lines += [_comment(f"# {one.folder}{called}: {words}{near}"), f"{_cell(one.folder)},"]
    number = 1
    path = folder / f"{name}-mapping.csv"
    while path.exists():
        number += 1
        path = folder / f"{name}-mapping-{number}.csv"
    write_atomic(path, ("\n".join(lines) + "\n").encode())
    return path


def _cell(text: str) -> str:
    safe = escape_csv(text)
    return '"' + safe.replace('"', '""') + '"' if any(char in safe for char in ',"#\r\n') else safe


def _comment(text: str) -> str:
    """A line that says something; a spreadsheet cuts it at its commas like any other."""
    return escape_csv(one_line(text).replace(",", ";"))
