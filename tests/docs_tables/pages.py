"""Parts of pages that are written by a command: they stand between two marks, and all else is written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from relaionet.manifests.errors import BadInput

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One generated part of a page.

    Attributes:
        name: what its marks say.
        page: path below the repository's root.
        render: makes its Markdown, without the marks.
    """

    name: str
    page: str
    render: Callable[[], str]

    @property
    def path(self) -> Path:
        """The page's file."""
        return ROOT / self.page

    @property
    def marks(self) -> tuple[str, str]:
        """What stands before and behind the part."""
        return f"<!-- {self.name}: generated -->", f"<!-- /{self.name} -->"


def stored(part: Part) -> str:
    """The part as its page has it, without the marks and the blank lines at its ends.

    Raises:
        BadInput: the page does not have both marks once.
    """
    page = part.path.read_text(encoding="utf-8")
    for mark in part.marks:
        if page.count(mark) != 1:
            raise BadInput(
                f"{part.page}: expected the mark {mark} once, got {page.count(mark)}; put it where it belongs."
            )
    before, behind = part.marks
    return page.split(before)[1].split(behind)[0].strip("\n")


def write(part: Part) -> bool:
    """Put the part into its page.

    Returns:
        Whether the page changed.

    Raises:
        BadInput: the page does not have both marks once.
    """
    new = part.render().strip("\n")
    if stored(part) == new:
        return False
    before, behind = part.marks
    page = part.path.read_text(encoding="utf-8")
    head, tail = page.split(before)[0], page.split(behind)[1]
    part.path.write_text(f"{head}{before}\n\n{new}\n\n{behind}{tail}", encoding="utf-8")
    return True


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what would end a cell or be taken for a tag is escaped."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(map(cell, row)) + " |" for row in rows)])


def cell(text: str) -> str:
    """Text as it may stand in a cell; code spans keep their angle brackets."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if at % 2 else part.replace("<", "&lt;").replace("*", "\\*") for at, part in enumerate(parts))
