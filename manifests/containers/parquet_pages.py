"""The headers of a parquet file's pages, gone through before or while pyarrow reads them.

The footer says how large the parts are, each page says so again, and pyarrow makes room for what the page says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from relaionet.manifests.containers.limits import MIB, Refused
from relaionet.manifests.containers.thrift import Incomplete, read_struct

# a page's header may hold its smallest and its largest value
MAX_HEADER_BYTES = 4 * MIB
DICTIONARY_PAGE = 2
# texts that each say how much of the one before they share
DELTA_BYTE_ARRAY = 7
# what a page may unpack to
PAGE_RATIO, PAGE_FLOOR = 100, 64 * MIB
# writers differ in whether a part's size counts the headers of its pages
SLACK_BYTES = 1 * MIB


@dataclass(kw_only=True)
class PageWalk:
    """The pages of one part of a file (a column in a row group), as their headers are seen.

    Attributes:
        start: where the part begins.
        end: where it ends.
        values_count: values in it, by the footer.
        unpacked_bytes: bytes of all pages when unpacked, by the footer.
        next: where the next header begins.
        dictionary_bytes: of its dictionary when unpacked.
        page_bytes: of its largest page when unpacked.
        shares: its texts share their beginnings.
    """

    start: int
    end: int
    values_count: int
    unpacked_bytes: int
    next: int = field(init=False)
    dictionary_bytes: int = 0
    page_bytes: int = 0
    shares: bool = False
    _waiting: bytes = b""
    _values_seen: int = 0
    _bytes_seen: int = 0

    def __post_init__(self) -> None:
        self.next = self.start

    @property
    def is_done(self) -> bool:
        """True where all its headers were seen."""
        return self.next >= self.end or self._values_seen >= self.values_count

    def look(self, place: int, data: bytes | memoryview) -> None:
        """Look at the headers among some bytes, which come in order.

        Args:
            place: where they stand.
            data: the bytes.

        Raises:
            Refused: a page is or holds more than the footer says.
        """
        while not self.is_done:
            at = self.next + len(self._waiting)
            if not place <= at < place + len(data):
                return
            fresh = bytes(data[at - place : at - place + MAX_HEADER_BYTES])
            told = self._waiting + fresh
            try:
                fields, length = read_struct(told, 0, 0)
            except Incomplete:
                if len(told) >= MAX_HEADER_BYTES:
                    raise Refused("a page with a header without end") from None
                self._waiting = told
                return
            self._waiting = b""
            self._take(fields, length)

    def _take(self, fields: dict[int, Any], length: int) -> None:
        kind, unpacked, packed = (fields.get(number) for number in (1, 2, 3))
        about = fields.get(5) or fields.get(7) or fields.get(8) or {}
        count, encoding = (
            (about.get(1), about.get(4 if 8 in fields else 2)) if isinstance(about, dict) else (None, None)
        )
        if any(type(one) is not int or one < 0 for one in (kind, unpacked, packed)):
            raise Refused("a page without a size")
        assert isinstance(unpacked, int)
        assert isinstance(packed, int)
        self.next += length + packed
        if self.next > self.end:
            raise Refused("a page that is longer than its part of the file")
        self._bytes_seen += unpacked
        if unpacked > PAGE_FLOOR + PAGE_RATIO * packed:
            raise Refused(f"a page of {packed:,} bytes that unpacks to {unpacked:,}")
        if self._bytes_seen > self.unpacked_bytes + SLACK_BYTES:
            raise Refused("pages that unpack to more than the footer says")
        self.page_bytes = max(self.page_bytes, unpacked)
        if kind == DICTIONARY_PAGE:
            self.dictionary_bytes = max(self.dictionary_bytes, unpacked)
            return
        self.shares |= encoding == DELTA_BYTE_ARRAY
        if 5 in fields or 8 in fields:
            if type(count) is not int or not 0 <= count <= self.values_count - self._values_seen:
                raise Refused("a page of more values than the footer says")
            self._values_seen += count


def walk_pages(walk: PageWalk, read: Callable[[int, int], bytes]) -> None:
    """Look at all headers of a part that lies on this machine.

    Args:
        walk: of the part.
        read: gives up to so many bytes from a place.

    Raises:
        Refused: see `PageWalk.look`.
    """
    wanted = 256
    while not walk.is_done:
        before = walk.next
        walk._waiting = b""  # the header is read again, and more of it
        data = read(walk.next, min(wanted, walk.end - walk.next))
        walk.look(walk.next, data)
        if walk.next == before:
            if len(data) < wanted:
                raise Refused("a page that is cut short")
            wanted *= 16
        else:
            wanted = 256
