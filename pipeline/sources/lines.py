"""The lines of a text table: unpacked, in UTF-8, of bounded length, whichever way they end.

Lines of JSON end with LF, CR LF or CR, in any mixture. In other tables a field may hold a lone CR (Python's own writer
puts no quotes around one), so there it ends lines only where the file has no LF at its start.
"""

from __future__ import annotations

import codecs
import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import IO, Any

from relaionet.manifests.containers.limits import PACKED
from relaionet.manifests.containers.packed import open_packed
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.sources.files import SourceFile

MAX_LINE_BYTES = 4 << 20
BLOCK_BYTES = 1 << 20
FIRST_BYTES = 64 << 10
PARQUET = b"PAR1"
PACKED_STARTS = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\xfd7zXZ")
UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
# a table of texts that repeat packs far better than pictures do; it is read line by line and never held
LIMITS = replace(PACKED, ratio=2_000, floor_bytes=1 << 30)
UNKNOWN_BYTES = 1 << 40  # where a server does not say
NO_TEXT = b"\xff"  # what no UTF-8 holds


def read_lines(raw: Any, file: SourceFile) -> Iterator[bytes | None]:
    """Lines of a text table, one after the other.

    Args:
        raw: its bytes, opened at the start.
        file: what it is.

    Yields:
        A line with its end, which all but the last have; the first without a byte-order mark. None for one of more
        than 4 MiB, which is no row.

    Raises:
        BadInput: it is a file of another kind, or in UTF-32.
    """
    start = raw.read(max(map(len, (PARQUET, *PACKED_STARTS))))
    if start.startswith(PARQUET) or (file.packing is None and start.startswith(PACKED_STARTS)):
        raise BadInput(f"its bytes are not those of a {file.kind} file; name it what it is.")
    raw.seek(0)
    stream = _unpack(raw, file)
    first = stream.read(FIRST_BYTES)
    if first.startswith(UTF32):
        raise BadInput("its text is in UTF-32; write it in UTF-8.")
    blocks: Iterator[bytes] = itertools.chain([first], iter(lambda: stream.read(BLOCK_BYTES), b""))
    encoding = _utf16(first)
    if encoding is not None:
        blocks = _recode(blocks, encoding)
        first = first.replace(b"\x00", b"")
    is_cr = b"\r" in first and b"\n" not in first
    return _split(_without_mark(blocks), _any_ends if file.kind == "jsonl" or is_cr else _line_feeds)


def _unpack(raw: Any, file: SourceFile) -> IO[bytes]:
    """A buffered stream of the unpacked bytes."""
    if file.packing is None:
        return io.BufferedReader(raw, BLOCK_BYTES)
    stream: IO[bytes] = open_packed(raw, file.packing, file.bytes_count or UNKNOWN_BYTES, LIMITS)
    return stream


def _utf16(first: bytes) -> str | None:
    """The encoding of a text in UTF-16, which without a mark is known by every second byte being zero."""
    marked = next((name for mark, name in UTF16.items() if first.startswith(mark)), None)
    if marked is not None:
        return marked
    start = first[:64]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if len(start) < 4 or max(even, odd) * 2 < len(start[::2]) or min(even, odd):
        return None
    return "utf-16-le" if odd else "utf-16-be"


def _recode(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The same text in UTF-8; what is none stays none, and costs its own field."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "surrogatepass")
    if decoder.getstate()[0]:
        yield NO_TEXT


def _without_mark(blocks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(blocks, b"")
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from blocks


def _any_ends(text: bytes) -> tuple[list[bytes], bytes]:
    """Whole lines, and the rest that may go on."""
    if b"\r\r\n" in text:  # an end written as text by a program that ends lines by itself
        text = text.replace(b"\r\r\n", b"\r\n")
    lines = text.splitlines(keepends=True)
    rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
    if rest == b"\r" and lines and lines[-1].endswith(b"\r"):
        rest = lines.pop() + rest
    return lines, rest


def _line_feeds(text: bytes) -> tuple[list[bytes], bytes]:
    *lines, rest = text.split(b"\n")
    return [line + b"\n" for line in lines], rest


def _split(blocks: Iterator[bytes], find_lines: Callable[[bytes], tuple[list[bytes], bytes]]) -> Iterator[bytes | None]:
    rest, is_long = b"", False
    for block in blocks:
        lines, rest = find_lines(rest + block)
        for line in lines:
            yield None if is_long or len(line) > MAX_LINE_BYTES else line
            is_long = False
        if len(rest) > MAX_LINE_BYTES:
            # what is left of it ends a line, so that an end cut in two is still seen
            rest, is_long = rest[-1:], True
    if rest:
        yield from (None if is_long or len(line) > MAX_LINE_BYTES else line for line in _last_lines(rest, find_lines))


def _last_lines(rest: bytes, find_lines: Callable[[bytes], tuple[list[bytes], bytes]]) -> list[bytes]:
    """At the end of the file: CR alone ends a line where it may."""
    lines, left = find_lines(rest)
    return [*lines, *(left.splitlines(keepends=True) if find_lines is _any_ends else [left] if left else [])]
