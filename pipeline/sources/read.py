"""Metadata rows under our names, from files of any known schema in any place, in batches of bounded size.

open_source   places -> Source: its files with their schemas, rows where they are known, and what tells them apart
read_batches  Source -> frames of url, caption, sizes, scores, source, source_row, in order, from any row on
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.files import file_sha256
from relaionet.manifests.tables.candidates import CAPTION_CHARS
from relaionet.manifests.words import say_count
from relaionet.pipeline.sources.files import SourceFile, list_files, short_names
from relaionet.pipeline.sources.parquet import ParquetTable, look_at_parquet, read_parquet
from relaionet.pipeline.sources.schemas import check_schema
from relaionet.pipeline.sources.text import TextTable, look_at_text, read_text

BATCH_ROWS = 49_152
SMALL_FILE_BYTES = 16 << 20
TEXT_ROW_BYTES, PACKED_FACTOR = 150, 3
TEXT_VERSION = "2"
RETRY_S = (1.0, 5.0, 20.0)
LOOKING_AT_ONCE = 8
MAX_SIDE_PX = 2**31 - 1
# LAION-400M states words where the later sets state a probability
NSFW_PUNSAFE = {"UNLIKELY": 0.0, "UNSURE": 0.5, "NSFW": 1.0}
BATCH_SCHEMA = pl.Schema(
    {
        "url": pl.String, "caption": pl.String, "width_px": pl.Int32, "height_px": pl.Int32, "punsafe": pl.Float32,
        "pwatermark": pl.Float32, "source": pl.String, "source_row": pl.Int64, "fault": pl.String,
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SourcePart:
    """One file of a source, looked at.

    Attributes:
        file: where it is.
        name: short name, as CANDIDATES shows it.
        table: its schema and columns, and for parquet its rows.
        identity: changes when its content does; see `identify_file`.
    """

    file: SourceFile
    name: str
    table: ParquetTable | TextTable
    identity: str

    @property
    def rows_count(self) -> int | None:
        """Its rows; None where only reading it would tell."""
        return self.table.rows_count

    @property
    def rows_estimate(self) -> int:
        """Its rows, estimated from its length where they are not known."""
        if self.rows_count is not None:
            return self.rows_count
        row_bytes = getattr(self.table, "row_bytes", 0) or TEXT_ROW_BYTES
        return math.ceil((self.file.bytes_count or 0) * (PACKED_FACTOR if self.file.packing else 1) / row_bytes)


@dataclass(frozen=True, kw_only=True)
class Source:
    """All files of a source, in order."""

    parts: tuple[SourcePart, ...]

    @property
    def rows_count(self) -> int | None:
        """Rows of all files; None where one of them does not say."""
        counts = [part.rows_count for part in self.parts]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def rows_estimate(self) -> int:
        """Rows of all files, estimated where they are not known."""
        return sum(part.rows_estimate for part in self.parts)

    @property
    def notes(self) -> list[str]:
        """What stands in its files and is not read, in words."""
        found: dict[str, list[str]] = {}
        for part in self.parts:
            for note in part.table.notes:
                found.setdefault(note, []).append(part.name)
        told = {note: names[0] if len(names) == 1 else say_count(len(names), "file") for note, names in found.items()}
        return [f"{where}: {note}" for note, where in told.items()]

    def describe(self) -> str:
        """Files, schemas and rows on one line, with what the tables do not state."""
        schemas = Counter(part.table.schema.name if part.table.schema else "empty" for part in self.parts)
        texts = [f"{say_count(count, 'file')}, {name} schema" for name, count in schemas.items()]
        known = self.rows_count
        rows = say_count(known, "row") if known is not None else f"about {say_count(self.rows_estimate, 'row')}"
        stated = [set(part.table.columns) for part in self.parts if part.table.schema]
        columns = {"sizes": {"width_px", "height_px"}, "punsafe": {"punsafe", "nsfw"}, "pwatermark": {"pwatermark"}}
        lacking = [name for name, any_of in columns.items() if stated and not all(any_of & had for had in stated)]
        return "; ".join(texts) + f", {rows}" + (f" (not stated: {', '.join(lacking)})" if lacking else "")


def open_source(
    places: str | Path | Sequence[str | Path], schema: str | None = None, columns: Mapping[str, str] | None = None
) -> Source:
    """Find the files of a source and look at each: schema, rows, identity. No rows are read.

    Args:
        places: as for `files.list_files`.
        schema: name or TOML file of the schema the user says the tables have; None finds it from their columns.
        columns: our name -> the table's, for columns the user names.

    Raises:
        BadInput: nothing is there, a file cannot be read, or a table fits no schema.
        Unavailable: a server does not answer.
    """
    check_schema(schema, columns)
    files = list_files(places)
    with ThreadPoolExecutor(LOOKING_AT_ONCE) as pool:
        parts = list(
            pool.map(lambda file, name: _look_at(file, name, schema, columns), files, short_names(files), timeout=None)
        )
    return Source(parts=tuple(parts))


def _look_at(file: SourceFile, name: str, schema: str | None, columns: Mapping[str, str] | None) -> SourcePart:
    look = look_at_parquet if file.kind == "parquet" else look_at_text
    for wait_s in (*RETRY_S, None):
        try:
            table: ParquetTable | TextTable = look(file, schema, columns)
            break
        except BadInput as error:
            known = str(error).startswith(file.shown)
            raise BadInput(str(error) if known else f"{file.shown}: {error}") from None
        except Unavailable:
            if wait_s is None:
                raise
            time.sleep(wait_s)
    return SourcePart(file=file, name=name, table=table, identity=identify_file(file, table))


def identify_file(file: SourceFile, table: ParquetTable | TextTable) -> str:
    """What is trusted to change when a file's content does, without reading all of it.

    Local files up to 16 MiB: their sha256. Larger ones and those on servers: their length, with the time of change of a
    local file and what the server states (hash, ETag or time of change); for parquet also the sha256 of the footer,
    which holds place, length and extreme values of every part. A file replaced by one that agrees in all of that is
    taken for the same.
    """
    small = file.bytes_count is not None and file.bytes_count <= SMALL_FILE_BYTES
    # rows made of a text by another rule are not those made now
    reading = "" if isinstance(table, ParquetTable) else f", reading {TEXT_VERSION}"
    if file.scheme == "file" and small:
        return f"sha256 {file_sha256(Path(file.path))}{reading}"
    footer = table.footer_sha256 if isinstance(table, ParquetTable) else ""
    return f"{file.bytes_count} bytes, {file.stamp or 'no stamp'}, footer {footer or 'none'}{reading}"


def read_batches(
    source: Source,
    *,
    skip: Mapping[str, int] | None = None,
    batch_rows: int = BATCH_ROWS,
    max_chars: int = CAPTION_CHARS,
) -> Iterator[pl.DataFrame]:
    """Rows of a source under our names, in order; one batch is read ahead.

    Args:
        source: what `open_source` found.
        skip: name of a part -> rows of it that are passed over.
        batch_rows: rows per frame, at most.
        max_chars: longest URL or caption kept; longer ones are cut there.

    Yields:
        url, caption (strings), width_px, height_px (Int32, null where not stated or not positive), punsafe, pwatermark
        (Float32, 0 to 1, null where not stated; LAION-400M's UNLIKELY, UNSURE, NSFW are 0, 0.5, 1), source (name of the
        part), source_row (Int64, from 0), fault (`url` or `caption` where that is not UTF-8; of text tables `line`
        where a line is no row, `quote` where a quote opens or closes at a wrong place, `twice` where a line has two
        values of one name, `url_nested` or `caption_nested` where that is a list or an object; else null).

    Raises:
        BadInput: a file is damaged.
        Unavailable: a server does not answer, after three tries.
    """
    batches = _batches(source, dict(skip or {}), batch_rows, max_chars)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


def _batches(source: Source, skip: dict[str, int], batch_rows: int, max_chars: int) -> Iterator[pl.DataFrame]:
    for part in source.parts:
        row, tries = skip.get(part.name, 0), 0
        while True:
            try:
                for frame in _read_part(part, row, batch_rows, max_chars):
                    yield _tidy(frame, part.name, row)
                    row, tries = row + frame.height, 0
                break
            except Unavailable:
                if tries == len(RETRY_S):
                    raise
                time.sleep(RETRY_S[tries])
                tries += 1


def _read_part(part: SourcePart, row: int, batch_rows: int, max_chars: int) -> Iterator[pl.DataFrame]:
    if isinstance(part.table, ParquetTable):
        return read_parquet(part.file, part.table, start_row=row, batch_rows=batch_rows, max_chars=max_chars)
    return read_text(part.file, part.table, start_row=row, batch_rows=batch_rows, max_chars=max_chars)


def _tidy(frame: pl.DataFrame, name: str, row: int) -> pl.DataFrame:
    """The columns of `BATCH_SCHEMA`; a value of another type is read as a number where it is one."""
    missing = [name for name in ("width_px", "height_px", "punsafe", "pwatermark", "nsfw") if name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing)
    frame = frame.with_columns(_number(frame, "width_px", "height_px", "punsafe", "pwatermark"))
    words = pl.col("nsfw").cast(pl.String, strict=False).replace_strict(
        NSFW_PUNSAFE, default=None, return_dtype=pl.Float32
    )  # fmt: skip
    sides = [
        pl.when(pl.col(side).is_between(1, MAX_SIDE_PX)).then(pl.col(side)).cast(pl.Int32).alias(side)
        for side in ("width_px", "height_px")
    ]
    scores = [
        pl.when(pl.col(score) >= 0).then(pl.col(score).clip(upper_bound=1)).cast(pl.Float32).alias(score)
        for score in ("punsafe", "pwatermark")
    ]
    return (
        frame.with_columns(*sides, *scores)
        .with_columns(
            pl.coalesce("punsafe", words),
            pl.lit(name).alias("source"),
            pl.int_range(row, row + frame.height, dtype=pl.Int64).alias("source_row"),
        )
        .select(BATCH_SCHEMA.names())
    )


def _number(frame: pl.DataFrame, *names: str) -> list[pl.Expr]:
    exprs = []
    for name in names:
        value = pl.col(name)
        if frame.schema[name] == pl.String:
            value = value.str.strip_chars()
        exprs.append(value.cast(pl.Float64, strict=False).fill_nan(None).alias(name))
    return exprs
