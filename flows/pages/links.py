"""How pages link to each other: those of one folder, the index of the folder above, and those of the folders below."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from relaionet.flows.pages.frame import LINKS_END, LINKS_START, MADE_BY, render
from relaionet.manifests.files import write_atomic

INDEX = "index.html"
PAGES = {
    INDEX: "Overview",
    "candidates.html": "Candidates",
    "proposals.html": "Proposals",
    "screens.html": "Screens",
    "review.html": "Review",
    "report.html": "Report",
    "comparison.html": "Comparison",
}
"""File name of a page -> how others call it, in the order of the story."""
HEAD_BYTES = 2000  # the head comes first, whatever the page holds
LINKS = re.compile(f"{re.escape(LINKS_START)}.*?{re.escape(LINKS_END)}", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link to another page.

    Attributes:
        name: what the link says.
        href: address, relative to the page.
        is_here: the page itself.
    """

    name: str
    href: str
    is_here: bool = False


def is_ours(path: Path) -> bool:
    """Whether a file is a page with our frame; another's `index.html` is never touched or linked to."""
    try:
        with path.open("rb") as file:
            return MADE_BY.encode() in file.read(HEAD_BYTES)
    except OSError:
        return False


def find_pages(folder: Path) -> list[str]:
    """File names of the pages in a folder, in the order of the story; those made before pages had a frame count too."""
    return [name for name in PAGES if (folder / name).is_file() and (name != INDEX or is_ours(folder / name))]


def find_folders(folder: Path) -> list[Path]:
    """Folders right below that have an index of ours."""
    return sorted(path.parent for path in folder.glob(f"*/{INDEX}") if is_ours(path))


def list_links(folder: Path, here: str) -> list[Link]:
    """Links of one page to the pages beside it.

    Args:
        folder: of the page.
        here: its file name.
    """
    names = find_pages(folder)
    links = [Link(name=PAGES[name], href=name, is_here=name == here) for name in names]
    below = [Link(name=path.name, href=f"{quote(path.name)}/{INDEX}") for path in find_folders(folder)]
    above = folder.resolve().parent
    up = [Link(name=f"↑ {above.name}", href=f"../{INDEX}")] if is_ours(above / INDEX) else []
    return [*up, *links, *below]


def link_pages(folder: Path) -> None:
    """Let the pages in a folder, right above and right below it link to what is there now."""
    for place in _around(folder):
        for name in find_pages(place):
            path = place / name
            if is_ours(path):
                _link(path)


def _around(folder: Path) -> Iterator[Path]:
    yield folder
    yield from find_folders(folder)
    if is_ours(folder.resolve().parent / INDEX):
        yield folder.resolve().parent


def _link(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    links = LINKS_START + render("links.html", links=list_links(path.parent, path.name)) + LINKS_END
    changed = LINKS.sub(lambda _: links, text, count=1)
    if changed != text:
        write_atomic(path, changed.encode())
