"""The records of comma- and tab-separated tables, of which a stray quote costs its own line and no other.

A quoted field may run over several lines. It does so only where all of this holds; else the line in which it opens is
no record, and those after it are read by themselves:

- it closes, and a separator or the end of a line follows at once;
- of the lines the record takes, at most one looks like a row by itself: it has the fields that are needed, and an
  address where the table has its addresses. A whole record has one address there, and one in another line would be a
  row that is swallowed;
- it takes at most 1,000 lines and 4 MiB.

A quote within a field that none opens stands for itself, and so does a CR, unless two of the parts it makes of a line
look like rows by themselves: some of the lines of such a file end with CR, others with LF.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from relaionet.pipeline.sources.lines import MAX_LINE_BYTES

MAX_FIELD_LINES = 1000
QUOTE = '"'
LONE_CR = "\udc0d"  # no bytes are decoded to it
FAULT_LINE, FAULT_QUOTE = "line", "quote"
ADDRESS = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?//\S+|www\.\S+|data:image/\S+|[^\s/]+\.[a-z]{2,}/\S+|"
    r"\S+\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif|heic)(?:[?#]\S*)?", re.IGNORECASE,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RowShape:
    """What a row of a table looks like.

    Attributes:
        separator: between its fields.
        fields_count: fields it has at least.
        address_place: of the field that holds its address, from 0; None where it is not known yet.
    """

    separator: str
    fields_count: int = 2
    address_place: int | None = None

    def fits(self, line: str) -> bool:
        """True for a line that looks like a row by itself, whatever its quotes mean."""
        return self._fits(line.rstrip("\r\n").split(self.separator)) or self._fits(_alone(line, self.separator))

    def _fits(self, fields: list[str]) -> bool:
        if len(fields) < self.fields_count:
            return False
        asked = fields if self.address_place is None else fields[self.address_place : self.address_place + 1]
        return any(is_address(field) for field in asked)


def is_address(field: str) -> bool:
    """True for a field that holds nothing but an address: a URL with or without its scheme, or a picture's path."""
    return ADDRESS.fullmatch(field.strip().strip(QUOTE)) is not None


def _alone(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader((line,), delimiter=separator), [])
    except csv.Error:
        return []


def split_tabs(lines: Iterator[bytes | None], shape: RowShape) -> Iterator[list[str] | str]:
    """Records of a table that knows no quotes: one per line; the fault of a line that is none."""
    for line in _decode(lines, shape):
        yield FAULT_LINE if line is None else line.rstrip("\r\n").split("\t")


def split_quoted(lines: Iterator[bytes | None], shape: RowShape) -> Iterator[list[str] | str]:
    """Records of a table whose fields may be quoted.

    Args:
        lines: of the table, as `lines.read_lines` gives them.
        shape: what a row looks like.

    Yields:
        The fields of a record, which takes one line or more; for a line that is none its fault, `line` or `quote`.
        Bytes that are not UTF-8 are lone surrogates.
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = _QuotedReader(_decode(lines, shape), shape)
    while (record := reader.next_record()) is not None:
        yield record


class _QuotedReader:
    """Reads record after record; lines that were looked at in vain come again."""

    def __init__(self, lines: Iterator[str | None], shape: RowShape) -> None:
        self._lines, self._shape = lines, shape
        self._again: deque[str | None] = deque()

    def next_record(self) -> list[str] | str | None:
        """Fields or a fault; None at the end."""
        line = self._next_line()
        if line is None:
            return FAULT_LINE
        if QUOTE not in line:
            return line.rstrip("\r\n").split(self._shape.separator) if line else None
        taken: list[str | None] = []
        try:
            fields = next(csv.reader(self._feed(line, taken), delimiter=self._shape.separator, strict=True))
        except (csv.Error, StopIteration):
            self._again.extendleft(reversed(taken))
            return FAULT_QUOTE
        return [field.replace(LONE_CR, "\r") if LONE_CR in field else field for field in fields]

    def _next_line(self) -> str | None:
        """Empty at the end, which no line is."""
        if self._again:
            return self._again.popleft()
        return next(self._lines, "")

    def _feed(self, first: str, taken: list[str | None]) -> Iterator[str]:
        """Lines of one record, as long as they may be; those behind the first are noted."""
        yield _hide_lone(first)
        rows_count, chars = int(self._shape.fits(first)), len(first)
        while line := self._next_line():
            taken.append(line)
            rows_count, chars = rows_count + self._shape.fits(line), chars + len(line)
            if rows_count > 1 or chars > MAX_LINE_BYTES or len(taken) >= MAX_FIELD_LINES:
                return
            yield _hide_lone(line)
        if line is None:
            taken.append(line)


def _hide_lone(line: str) -> str:
    """A line whose CRs that do not end it are marks: the csv module knows them as ends only."""
    if "\r" not in line:
        return line
    body = line.rstrip("\r\n")
    return body.replace("\r", LONE_CR) + ("\r\n" if line.endswith("\r\n") else line[len(body) :])


def _decode(lines: Iterator[bytes | None], shape: RowShape) -> Iterator[str | None]:
    """Lines as text; a line that is several, ended by CR, as these."""
    for line in lines:
        if line is None:
            yield None
            continue
        text = line.decode("utf-8", "surrogateescape")
        body = text.rstrip("\r\n")
        if "\r" in body:
            *parts, last = body.split("\r")
            parts = [*(f"{part}\r" for part in parts), last + text[len(body) :]]
            if sum(map(shape.fits, parts)) > 1:
                yield from parts
                continue
        yield text
