"""Parquet tables of strangers: as sources, and as the metadata of embeddings."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.pipeline.embeddings.store import read_embeddings
from relaionet.pipeline.retrieval.searchable_store import open_store
from tests.attempts.attempt import Attempt
from tests.attempts.tables.trying import TableAttempt

URLS = pa.array([f"http://a.example/{number}.jpg" for number in range(3)])
CAPTIONS = pa.array(["a goldfish", "a tench", "a hen"])
COUNT = 3
OK, NO_TEXT = "3 rows: 3 ok", "3 rows: 3 no_label"

CAPTION_COLUMNS: dict[str, tuple[pa.Array, str]] = {
    "captions of no type": (pa.nulls(COUNT), NO_TEXT),
    "captions that are NaN": (pa.array([float("nan")] * COUNT), NO_TEXT),
    "captions in a dictionary": (CAPTIONS.dictionary_encode(), OK),
    "captions as bytes": (CAPTIONS.cast(pa.large_binary()), OK),
    "captions as views": (CAPTIONS.cast(pa.string_view()), OK),
    "captions that are no UTF-8": (pa.array([b"\xff\xfe"] * COUNT).view(pa.string()), "3 rows: 3 bad_text"),
    "captions that are numbers": (pa.array([1.5, 2.5, 3.5]), NO_TEXT),
    "captions that are decimals": (pa.array([1, 2, 3], pa.int8()).cast(pa.decimal256(40, 2)), NO_TEXT),
    "captions that are days": (pa.array([1, 2, 3], pa.date32()), NO_TEXT),
    "captions that are days out of range": (pa.array([2**31 - 1] * COUNT, pa.int32()).cast(pa.date32()), NO_TEXT),
    "captions that are times out of range": (
        pa.array([2**63 - 1] * COUNT, pa.int64()).cast(pa.timestamp("us")),
        NO_TEXT,
    ),
    "captions that are times of a zone there is not": (
        pa.array([1, 2, 3], pa.timestamp("s", tz="Nowhere/None")),
        NO_TEXT,
    ),
    "captions that are spans": (pa.array([2**63 - 1] * COUNT, pa.int64()).cast(pa.duration("s")), NO_TEXT),
    "captions that are lists": (pa.array([["a goldfish"]] * COUNT), "refused: column 'caption' holds list<"),
    "captions that are objects": (pa.array([{"en": "a goldfish"}] * COUNT), "refused: column 'caption' holds struct<"),
    "captions that are maps": (
        pa.array([[("en", "a hen")]] * COUNT, pa.map_(pa.string(), pa.string())),
        "refused: column 'caption' holds map<",
    ),
}
WIDTH_COLUMNS: dict[str, pa.Array] = {
    "sizes that are lists": pa.array([[1]] * COUNT),
    "sizes that are days": pa.array([1, 2, 3], pa.date32()),
    "sizes that are texts": pa.array(["640", "wide", ""]),
    "sizes that are bytes": pa.array([b"640", b"\xff", b""]),
    "sizes of no type": pa.nulls(COUNT),
    "sizes that are decimals": pa.array([1, 2, 3], pa.int8()).cast(pa.decimal128(9, 2)),
    "sizes of 64 bits": pa.array([2**64 - 1] * COUNT, pa.uint64()),
    "sizes of 16 bits": pa.array([1, 2, 3], pa.float16()),
}


def _table(*columns: tuple[str, pa.Array]) -> pa.Table:
    return pa.Table.from_arrays([array for _, array in columns], names=[name for name, _ in columns])


def _bytes(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def _sources() -> Iterator[tuple[str, bytes, str, str]]:
    """Name, bytes, outcome and what is shown."""
    plain = _bytes(_table(("url", URLS), ("caption", CAPTIONS)))
    for name, (array, outcome) in CAPTION_COLUMNS.items():
        yield name, _bytes(_table(("url", URLS), ("caption", array))), outcome, f"caption: {array.type}"
    for name, array in WIDTH_COLUMNS.items():
        yield name, _bytes(_table(("url", URLS), ("caption", CAPTIONS), ("width", array))), OK, f"width: {array.type}"
    twice = _table(("URL", URLS), ("TEXT", CAPTIONS), ("TEXT", CAPTIONS))
    yield "two columns of one name", _bytes(twice), "refused: 2 columns are called 'TEXT'", "URL, TEXT, TEXT"
    twice = _table(("URL", URLS), ("TEXT", CAPTIONS), ("x", URLS), ("x", URLS))
    yield "two unused columns of one name", _bytes(twice), OK, "URL, TEXT, x, x"
    marked = _table(("\ufeffurl", URLS), (" caption ", CAPTIONS))
    yield "names with a byte-order mark and spaces", _bytes(marked), OK, "\\ufeffurl, caption"
    yield "no row groups", _bytes(_table(("url", URLS[:0]), ("caption", CAPTIONS[:0]))), "0 rows", "0 rows"
    yield "no columns", _bytes(pa.table({})), "refused: fit no known metadata", "no columns"
    yield "a file cut in the middle", plain[: len(plain) // 2], "refused: ", f"{len(plain) // 2} of {len(plain)} bytes"
    yield "nothing but the marks of parquet", b"PAR1PAR1", "refused: ", "PAR1PAR1"
    yield "an empty file", b"", "refused: ", "0 bytes"
    wrong = plain[:-8] + (2**31 - 1).to_bytes(4, "little") + plain[-4:]
    yield "a footer said to be 2 GB", wrong, "refused: ", "length of the footer 2147483647"
    long = _table(("url", pa.array(["http://a.example/" + "a" * 1_000_000] * COUNT)), ("caption", CAPTIONS))
    yield "addresses of 1 MB", _bytes(long), "3 rows: 3 bad_url", "http://a.example/aaaa…"


def _store(folder: Path, *tables: pa.Table) -> None:
    rows = np.eye(COUNT, 4, dtype=np.float16)
    for number, table in enumerate(tables):
        for name in ("img_emb", "metadata"):
            (folder / name).mkdir(exist_ok=True)
        np.save(folder / "img_emb" / f"img_emb_{number}.npy", rows)
        pq.write_table(table, folder / "metadata" / f"metadata_{number}.parquet")


def _search(*tables: pa.Table) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        _store(folder, *tables)
        try:
            about = open_store(folder).about(np.arange(COUNT * len(tables)))
            assert read_embeddings(folder).candidate_ids == about["candidate_id"].to_list()
        except (BadInput, Corrupt) as error:
            return f"refused: {str(error).replace(str(folder), '…')}"
        assert about.height == COUNT * len(tables)
        return f"{about.height} rows, {about['caption'].count()} with a caption"

    return run


def _metadata() -> Iterator[Attempt]:
    url, good = ("url", URLS), ("caption", CAPTIONS)
    stores: dict[str, tuple[tuple[pa.Table, ...], str, str]] = {
        "captions of no type in one file": (
            (_table(url, ("caption", pa.nulls(COUNT))), _table(url, good)),
            "6 rows, 3 with a caption",
            "null, string",
        ),
        "captions of another type in each file": (
            (
                _table(url, ("caption", CAPTIONS.dictionary_encode())),
                _table(url, ("caption", CAPTIONS.cast(pa.binary()))),
                _table(url, ("caption", pa.array([1, 2, 3]))),
            ),
            "9 rows, 9 with a caption",
            "dictionary, binary, int64",
        ),
        "captions that one file lacks": ((_table(url), _table(url, good)), "6 rows, 3 with a caption", "url"),
        "captions that are lists": (
            (_table(url, ("caption", pa.array([["a"]] * COUNT))),),
            "refused: …/metadata/metadata_0.parquet: column 'caption' holds list<element: string>; expected text.",
            "list",
        ),
        "two columns of one name": (
            (_table(url, url, good),),
            "refused: …/metadata/metadata_0.parquet: 2 columns are called 'url'; expected one.",
            "url, url, caption",
        ),
        "addresses that are null": ((_table(("url", pa.nulls(COUNT)), good),), "3 rows, 3 with a caption", "null"),
        "addresses that are numbers": (
            (_table(("url", pa.array([1, 2, 3])), good),),
            "3 rows, 3 with a caption",
            "int64",
        ),
        "addresses that are no UTF-8": (
            (_table(("url", pa.array([b"\xff"] * COUNT).view(pa.string())), good),),
            "3 rows, 3 with a caption",
            "\\xff",
        ),
    }
    for name, (tables, expected, shown) in stores.items():
        yield Attempt(
            name=name,
            kind="Metadata of embeddings",
            input_shown=shown,
            expected=expected,
            run=_checked(tables, expected),
        )


def _checked(tables: tuple[pa.Table, ...], expected: str) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        happened = _search(*tables)(folder)
        assert happened == expected, happened
        return happened

    return run


def column_attempts() -> Iterator[Attempt]:
    """All of them."""
    for name, content, outcome, shown in _sources():
        yield TableAttempt(
            kind="Parquet tables", name=name, file="t.parquet", content=content, outcome=outcome, shown=shown
        ).attempt()
    yield from _metadata()
