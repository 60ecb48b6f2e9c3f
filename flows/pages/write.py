"""Where every page is written: into its folder, linked with those beside it, and listed in the folder's index."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from relaionet.flows.pages.evaluation_overview import SETS, describe_evaluation, list_tables
from relaionet.flows.pages.frame import render
from relaionet.flows.pages.links import HEAD_BYTES, INDEX, PAGES, find_folders, is_ours, link_pages
from relaionet.flows.pages.overview import Entry, Overview, Part
from relaionet.flows.pages.run_overview import RECORD, describe_run
from relaionet.manifests.files import write_atomic


def write_page(path: Path, template: str, **values: Any) -> Path:
    """Write a page, then the index of its folder.

    Args:
        path: of the page.
        template: its body, which extends `frame.html`.
        **values: what it shows.

    Returns:
        The path.
    """
    write_atomic(path, render(template, **values).encode())
    write_index(path.parent)
    return path


def is_made_of(path: Path, made_of: str) -> bool:
    """Whether a page is there that was made of the same: `made_of` was handed to `write_page` for it.

    Args:
        path: of the page.
        made_of: digest of all that it shows.
    """
    try:
        with path.open("rb") as file:
            return f'<meta name="made-of" content="{made_of}">'.encode() in file.read(HEAD_BYTES)
    except OSError:
        return False


def write_index(folder: Path) -> Path | None:
    """Write `index.html`, which lists what is in a folder, and let all pages there link to each other.

    Args:
        folder: of a run, of an evaluation, or one that only holds pages.

    Returns:
        The index; None where the folder has an `index.html` that somebody else made, which is left alone.
    """
    path = folder / INDEX
    if path.exists() and not is_ours(path):
        link_pages(folder)
        return None
    overview = describe_folder(folder)
    write_atomic(path, render("index.html", overview=overview, cards=overview.cards).encode())
    link_pages(folder)
    return path


def describe_folder(folder: Path) -> Overview:
    """What a folder's index shows: that of an evaluation, of a run, or the pages and tables that lie there."""
    if (folder / SETS).is_file():
        return describe_evaluation(folder)
    if (folder / RECORD).is_file():
        return describe_run(folder)
    pages = [Entry(name=name, href=page) for page, name in PAGES.items() if page != INDEX and (folder / page).is_file()]
    below = [Entry(name=path.name, href=f"{quote(path.name)}/{INDEX}") for path in find_folders(folder)]
    tables = [entry for entry in list_tables(folder) if entry.files]
    parts = [
        Part(title="Pages", anchor="pages", entries=[*pages, *below]),
        Part(title="Tables", anchor="tables", entries=tables),
    ]
    return Overview(kind="Pages", title=folder.resolve().name, parts=[part for part in parts if part.entries])
