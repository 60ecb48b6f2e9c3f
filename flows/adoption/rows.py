"""Rows of a dataset become an adoption: each read once, measured and kept; a stopped run goes on behind them."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.files import digest_of
from relaionet.manifests.release.manifest_check import MAX_PATH_CHARS, NO_PATH
from relaionet.manifests.store import Receipt, Store
from relaionet.manifests.tables.adoption import PICTURES, ROW_LABELS
from relaionet.manifests.tables.schema import shape_table
from relaionet.manifests.words import say_count
from relaionet.pipeline.adoption.adopt import AdoptConfig, Adoption, join_mapping
from relaionet.pipeline.adoption.published import NAMED
from relaionet.pipeline.adoption.relabel import name_real, relabel
from relaionet.pipeline.adoption.rows import stream
from relaionet.pipeline.adoption.rows.labels import lay_out_rows
from relaionet.pipeline.adoption.rows.stream import Row, RowsAbout, RowsReader, RowsSource
from relaionet.pipeline.embeddings.batches import usable_cores
from relaionet.pipeline.images import files as picture_files
from relaionet.pipeline.images.files import PictureLimits, broken_row, measure_bytes

UNITS = "row_files"
# of pictures that wait to be measured
BATCH_ROWS, BATCH_BYTES = 64, 256 << 20


class RowSet(NamedTuple):
    """A split that was read.

    Attributes:
        pictures: PICTURES.
        adoption: what of it is adopted.
    """

    pictures: pl.DataFrame
    adoption: Adoption


def read_row_set(store: Store, source: RowsSource, config: AdoptConfig, reporter: Reporter) -> RowSet:
    """Read a split, or what is still missing of it, and say what its labels mean.

    Args:
        store: of the adoption.
        source: which split.
        config: how.
        reporter: where progress is shown.

    Raises:
        BadInput: the set, its columns or its labels are not what they should be.
        Unavailable: the Hub does not answer any more; what was read stays.
    """
    with RowsReader(source) as reader:
        about = reader.describe()
        reporter.say(
            f"  rows        split {about.split}: {say_count(max(1, len(about.files)), 'file')} ({about.format})"
        )
        parts = read_rows(store, reader, about, config, reporter)
    for table in (PICTURES, ROW_LABELS):
        store.keep_only(table, parts)
    pictures, labels = store.read_all(PICTURES), store.read_all(ROW_LABELS)
    is_published = config.kind == "published" or (source.revision is not None and NAMED.search(source.place))
    layout = lay_out_rows(
        labels, about, source.shown, are_indices=config.kind == "numbers",
        published=config.names if is_published else None,
    )  # fmt: skip
    if config.real is not None:
        layout = relabel(layout, dict(labels.select("path", "name").iter_rows()), name_real(config.real))
    return RowSet(pictures, join_mapping(Path(source.place), layout, (), (), config.mapping, shown=source.shown))


@dataclass(kw_only=True)
class _Unit:
    """A file of a split, and how much of it is there.

    Attributes:
        number: of the file.
        digest: of what its rows are read from and how.
        parts_count: parts that are stored.
        is_whole: there are no others.
    """

    number: int
    digest: str
    parts_count: int
    is_whole: bool

    def shards(self) -> list[str]:
        """Names of its parts."""
        return [f"{self.number:05d}-{part:06d}" for part in range(self.parts_count)]


def read_rows(store: Store, reader: RowsReader, about: RowsAbout, config: AdoptConfig, reporter: Reporter) -> list[str]:
    """Read the rows that are not there yet, in parts of `rows_per_shard`; the names of all parts."""
    source = reader.source
    units = [_find_unit(store, source, about, number, config) for number in range(max(1, len(about.files)))]
    asked = [(unit.number, unit.parts_count * config.rows_per_shard) for unit in units if not unit.is_whole]
    waiting = _Waiting(source, about, config.limits)
    with reporter.bar("pictures", None) as advance:
        for event in reader.stream(about, asked) if asked else ():
            unit = units[event.unit]
            if isinstance(event, Row):
                waiting.add(event)
            if waiting.count == config.rows_per_shard or (waiting.count and not isinstance(event, Row)):
                advance(waiting.count)
                unit.parts_count += 1
                pictures, labels = waiting.take()
                store.write(labels, ROW_LABELS, unit.digest, shard=unit.shards()[-1])
                store.write(pictures, PICTURES, unit.digest, shard=unit.shards()[-1])
            if not isinstance(event, Row):
                receipt = Receipt(
                    table=UNITS, shard=f"{unit.number:05d}", rows_count=event.rows_count, sha256="",
                    digest=unit.digest, seconds=0,
                )  # fmt: skip
                store.write_receipt(receipt)
    return [shard for unit in units for shard in unit.shards()]


def _find_unit(store: Store, source: RowsSource, about: RowsAbout, number: int, config: AdoptConfig) -> _Unit:
    file = about.files[number] if about.files else ""
    limits = (config.limits.max_bytes, config.limits.max_pixels, config.rows_per_shard)
    digest = digest_of(
        stream.VERSION, picture_files.VERSION, source.base, about.split, source.config, _stamp(source, about, file),
        limits, about.format, about.columns.image, about.columns.label, about.columns.words,
    )  # fmt: skip
    unit = _Unit(number=number, digest=digest, parts_count=0, is_whole=False)
    while True:
        unit.parts_count += 1
        if not all(store.has_table(table, digest, unit.shards()[-1]) for table in (PICTURES, ROW_LABELS)):
            break
    unit.parts_count -= 1
    rows_count = sum(receipt.rows_count for shard in unit.shards() if (receipt := store.receipt("pictures", shard)))
    whole = store.receipt(UNITS, f"{number:05d}")
    unit.is_whole = whole is not None and whole.digest == digest and whole.rows_count == rows_count
    if not unit.is_whole:  # a last part that is not full is read again
        unit.parts_count = rows_count // config.rows_per_shard
    return unit


def _stamp(source: RowsSource, about: RowsAbout, file: str) -> list[str]:
    """By which a change is noticed: on the Hub the commit is in the address; here length and time of change."""
    if source.revision is not None:
        return [file]
    named = [Path(file)] if file else sorted(path for path in Path(source.place).rglob("*") if path.is_file())
    return [f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in named]


class _Waiting:
    """Rows of a part that was begun: measured some at a time, so that few pictures are held."""

    def __init__(self, source: RowsSource, about: RowsAbout, limits: PictureLimits) -> None:
        self._source, self._about, self._limits = source, about, limits
        self._pictures: list[dict[str, Any]] = []
        self._labels: list[tuple[str, str, list[str], list[str]]] = []
        self._rows: list[tuple[str, Row]] = []
        self._bytes_count = 0

    @property
    def count(self) -> int:
        """Rows there are."""
        return len(self._labels)

    def add(self, row: Row) -> None:
        """Take one more."""
        path = name_row(self._source, self._about, row)
        self._labels.append((path, row.name, list(row.labels), list(row.words)))
        self._rows.append((path, row))
        self._bytes_count += len(row.data or b"")
        if len(self._rows) >= BATCH_ROWS or self._bytes_count >= BATCH_BYTES:
            self._measure()

    def take(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """PICTURES and ROW_LABELS of all of them; none are left."""
        self._measure()
        pictures = shape_table(pl.DataFrame(self._pictures, schema=dict(PICTURES.schema)), PICTURES)
        labels = pl.DataFrame(self._labels, schema=dict(ROW_LABELS.schema), orient="row")
        self._pictures, self._labels = [], []
        return pictures, labels

    def _measure(self) -> None:
        with ThreadPoolExecutor(self._limits.threads or usable_cores()) as pool:
            self._pictures += pool.map(self._measure_one, self._rows)
        self._rows, self._bytes_count = [], 0

    def _measure_one(self, one: tuple[str, Row]) -> dict[str, Any]:
        path, row = one
        if row.data is None:
            return broken_row(path, row.why or "no bytes in its row")
        return measure_bytes(path, row.data, self._limits.max_pixels)


def name_row(source: RowsSource, about: RowsAbout, row: Row) -> str:
    """The path of a row's picture: its file in the set and its number there, or its own file."""
    file = about.files[row.unit] if about.files else row.name
    inside = file.removeprefix(f"{source.base}/")
    if inside == file or len(inside) > MAX_PATH_CHARS or re.search(NO_PATH, inside) or not inside.isprintable():
        inside = about.split
    return f"{inside}/{row.row}" if about.files or inside == about.split else inside
