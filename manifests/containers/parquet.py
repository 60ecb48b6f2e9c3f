"""A stranger's parquet, opened: what it claims to hold is looked at before any of it is unpacked, and read in parts."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.manifests.containers.limits import MIB, ParquetLimits, Refused
from relaionet.manifests.containers.parquet_footer import (
    as_refused,
    check_chunks,
    footer_fault,
    parquet_faults,
    read_tail,
)
from relaionet.manifests.containers.parquet_pages import PageWalk, walk_pages

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BUFFER_BYTES = 1 * MIB
MAX_THRIFT_BYTES = 16 * MIB
MOST_LEVELS = 32
# of a list column in one row group
MAX_LISTED = 32_000_000
# of a dictionary whose pages are seen only as they pass
PASSING_BYTES = 4 * MIB
JOINED_BYTES = 32 * MIB
# texts that pyarrow cannot hand out as indices
SHARING = "DELTA_BYTE_ARRAY"
WRITTEN_OUT = (SHARING, "DELTA_LENGTH_BYTE_ARRAY")
DICTIONARIES = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}
# of one value that is no text
ITEM_BYTES = 16


class GuardedParquet:
    """A parquet file whose footer was found to be within limits; its pages are looked at before they are read.

    Args:
        source: path of the file, or a file that can be read and sought, such as one of a server.
        limits: how much it may hold.
        dictionaries: columns whose texts are handed out as indices into a dictionary; True for all that may have one.
        buffer_bytes: read at once of each column.

    Attributes:
        metadata: pyarrow's, of the footer.
        schema: pyarrow's, of the columns.

    Raises:
        Refused: it is no parquet, is damaged or holds more; the message has no file's name and no full stop.
    """

    def __init__(
        self, source: Path | Any, limits: ParquetLimits, *, dictionaries: Sequence[str] | bool = (),
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:  # fmt: skip
        self.limits = limits
        self._passing: dict[int, PageWalk] = {}
        self._raw: Any = source.open("rb") if isinstance(source, Path) else source
        self._is_local = isinstance(source, Path)
        self._file: pq.ParquetFile | None = None
        try:
            self._open(dictionaries, buffer_bytes, source)
        except BaseException:
            self.close()
            raise

    def _open(self, dictionaries: Sequence[str] | bool, buffer_bytes: int, source: Any) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.size = self._raw.seek(0, io.SEEK_END)
        footer = read_tail(self._raw, self.size)
        options = {
            "thrift_string_size_limit": MAX_THRIFT_BYTES, "schema_depth_limit": MOST_LEVELS,
            "thrift_container_size_limit": self.limits.max_row_groups * self.limits.max_columns,
        }  # fmt: skip
        faults = parquet_faults()
        try:
            with pq.ParquetFile(self._raw, **options) as first:
                self.metadata, self.schema = first.metadata, first.schema_arrow
            check_chunks(footer, self.metadata.schema)
            fault = footer_fault(self.metadata, self.limits, self.size)
            if fault is not None:
                raise Refused(f"it holds {fault}; nothing of it was read")
            texts = [] if isinstance(dictionaries, bool) else list(dictionaries)
            if dictionaries is True:
                texts = _repeating_texts(self.metadata)
            place = pa.OSFile(str(source)) if self._is_local else _Passing(self)
            self._texts = set(texts)
            self._file = pq.ParquetFile(
                place, metadata=self.metadata, read_dictionary=texts, buffer_size=buffer_bytes,
                pre_buffer=False, **options,
            )  # fmt: skip
        except faults as error:
            raise as_refused(error) from None

    def __enter__(self) -> GuardedParquet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, one that was opened elsewhere too."""
        if self._file is not None:
            self._file.close(force=True)
        self._raw.close()

    def batches(
        self, batch_rows: int, columns: Sequence[str], groups: Sequence[int] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows in batches of bounded size.

        Args:
            batch_rows: rows of one, at most; fewer where they are long.
            columns: names, with dots for a part of a struct.
            groups: row groups; None takes all.

        Raises:
            Refused: a page is damaged, or unpacks to more than it or the footer says.
        """
        groups = range(self.metadata.num_row_groups) if groups is None else groups
        walks = [walk for group in groups for walk in self._walks(group, columns)]
        rows = max(1, min(batch_rows, self.limits.max_batch_bytes // max(1, self._row_bytes(walks, columns))))
        given = 0
        try:
            for batch in _joined(self._read(rows, groups, columns), batch_rows if rows < batch_rows else 0):
                given += sum(_own_bytes(column) for column in batch.columns)
                if given > self.limits.most(self.size):
                    raise Refused(f"it unpacks to more than {self.limits.most(self.size):,} bytes")
                yield batch
        except parquet_faults() as error:
            raise as_refused(error) from None

    def _read(self, rows: int, groups: Sequence[int], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        assert self._file is not None
        return iter(
            self._file.iter_batches(rows, row_groups=list(groups), columns=list(columns), use_threads=False)
            if len(groups)
            else ()
        )

    def _walks(self, group: int, columns: Sequence[str]) -> Iterator[tuple[PageWalk, Any, Sequence[str]]]:
        """The parts of a row group that are read, with their columns; on this machine their pages are seen at once."""
        about = self.metadata.row_group(group)
        for place in range(about.num_columns):
            chunk = about.column(place)
            if not any(chunk.path_in_schema == name or chunk.path_in_schema.startswith(f"{name}.") for name in columns):
                continue
            column = self.metadata.schema.column(place)
            if column.max_repetition_level == 0 and chunk.num_values != about.num_rows:
                raise Refused("a column of more or fewer values than rows")
            if chunk.num_values > MAX_LISTED and column.max_repetition_level:
                raise Refused(f"lists of {chunk.num_values:,} values in one row group")
            start = chunk.data_page_offset
            if chunk.dictionary_page_offset is not None and 0 < chunk.dictionary_page_offset < start:
                start = chunk.dictionary_page_offset
            end = start + chunk.total_compressed_size
            if not 0 <= start <= end <= self.size:
                raise Refused("a part that is not in the file")
            walk = PageWalk(
                start=start, end=end, values_count=chunk.num_values, unpacked_bytes=chunk.total_uncompressed_size
            )
            if self._is_local:
                walk_pages(walk, self._read_at)
            else:
                self._passing[start] = walk
            yield walk, column, chunk.encodings

    def _read_at(self, place: int, count: int) -> bytes:
        self._raw.seek(place)
        return bytes(self._raw.read(count))

    def _row_bytes(self, walks: list[tuple[PageWalk, Any, Sequence[str]]], columns: Sequence[str]) -> int:
        """Bytes that one row can have: of each column its longest value."""
        longest: dict[str, int] = dict.fromkeys(columns, ITEM_BYTES)
        for walk, column, encodings in walks:
            most = ITEM_BYTES
            if column.physical_type == "FIXED_LEN_BYTE_ARRAY":
                most = max(most, column.length)
            elif column.physical_type == "BYTE_ARRAY":
                dictionary, page = (
                    (walk.dictionary_bytes, walk.page_bytes)
                    if self._is_local
                    else (PASSING_BYTES, min(PASSING_BYTES, walk.unpacked_bytes))
                )
                has_one = bool(DICTIONARIES & set(encodings))
                most = dictionary if has_one and column.path not in self._texts else most
                most = page if walk.shares or SHARING in encodings else most
            longest[column.path] = max(longest.get(column.path, 0), most)
        return sum(longest.values())


class _Passing(io.RawIOBase):
    """A file of a server: the headers of its pages are seen as they pass."""

    def __init__(self, parquet: GuardedParquet) -> None:
        self._parquet = parquet
        self._raw = parquet._raw
        self._walk: PageWalk | None = None

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, place: int, whence: int = io.SEEK_SET, /) -> int:
        """As the file."""
        return int(self._raw.seek(place, whence))

    def tell(self) -> int:
        """As the file."""
        return int(self._raw.tell())

    def read(self, count: int = -1, /) -> bytes:
        """As the file, once it was looked at."""
        place = self.tell()
        data = bytes(self._raw.read(count))
        walks = self._parquet._passing
        walk = walks.get(place) or next((one for one in walks.values() if one.start <= place < one.end), None)
        if walk is not None:
            walk.look(place, data)
            if max(walk.dictionary_bytes, walk.page_bytes if walk.shares else 0) > PASSING_BYTES:
                raise Refused("a dictionary of texts that is too long")
        return data


def _joined(batches: Iterator[pa.RecordBatch], wanted: int) -> Iterator[pa.RecordBatch]:
    """Small batches put together to so many rows, or to what may be in memory; indices into dictionaries never."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    rows_count = bytes_count = 0
    for batch in batches:
        if not wanted or any(pa.types.is_dictionary(field.type) or field.type.num_fields for field in batch.schema):
            yield batch
            continue
        waiting.append(batch)
        rows_count, bytes_count = rows_count + batch.num_rows, bytes_count + batch.nbytes
        if rows_count >= wanted or bytes_count >= JOINED_BYTES:
            yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
            waiting, rows_count, bytes_count = [], 0, 0
    if waiting:
        yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()


def _repeating_texts(metadata: Any) -> list[str]:
    """Columns of texts that may stand once in the file and a million times in the rows."""
    places = [
        place for place in range(metadata.num_columns) if metadata.schema.column(place).physical_type == "BYTE_ARRAY"
    ]
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return [
        metadata.schema.column(place).path
        for place in places
        if not any(set(WRITTEN_OUT) & set(group.column(place).encodings) for group in groups)
    ]


def _own_bytes(column: pa.Array) -> int:
    """Bytes of a column without its dictionary, which many batches share."""
    import pyarrow as pa

    if pa.types.is_struct(column.type):
        return sum(map(_own_bytes, column.flatten()))
    return int((column.indices if pa.types.is_dictionary(column.type) else column).nbytes)


def open_parquet(
    source: Path | Any, limits: ParquetLimits, *, dictionaries: Sequence[str] | bool = (),
    buffer_bytes: int = BUFFER_BYTES,
) -> GuardedParquet:  # fmt: skip
    """Open a stranger's parquet; see `GuardedParquet`."""
    return GuardedParquet(source, limits, dictionaries=dictionaries, buffer_bytes=buffer_bytes)
