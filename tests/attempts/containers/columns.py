"""Parquet that unpacks to far more than it takes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from relaionet.manifests.containers.parquet_table import read_guarded
from relaionet.pipeline.images.parquet import count_parquet_rows, read_parquet_bytes
from tests.attempts.attempt import Attempt
from tests.attempts.containers.trying import refused

KIND = "containers: parquet"
MAKING = "RELAIONET_MAKES_ATTEMPTS"


def written(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd", **options)
    return out.getvalue()


def repeated(value: str | bytes, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value]))


def damaged() -> Iterator[tuple[str, str, bytes]]:
    good = written(pa.table({"url": ["http://a/1"] * 50, "caption": ["b"] * 50}))
    yield "nothing", "", b""
    yield "a footer of 2 GiB", "length = 2^31 - 1", good[:-8] + b"\xff\xff\xff\x7fPAR1"
    yield "a footer of 0", "length = 0", good[:-8] + bytes(4) + b"PAR1"
    yield "cut short", "half of it", good[: len(good) // 2]
    yield "a footer of other bytes", "0xff …", good[:-200] + b"\xff" * 192 + good[-8:]
    yield "pages of other bytes", "0xff …", b"PAR1" + b"\xff" * 60 + good[64:]
    yield "no parquet", "PAR1PAR1", b"PAR1" * 50


def long_text() -> bytes:
    return written(pa.table({"a": repeated("x" * 10**6, 10**5)}), store_schema=False)


def shared_texts() -> bytes:
    long = pa.table({"a": ["x" * 10**6 + str(n) for n in range(150)]})
    return written(long, use_dictionary=False, column_encoding={"a": "DELTA_BYTE_ARRAY"})


def long_page() -> bytes:
    return written(pa.table({"a": ["y" * 80_000_000]}), use_dictionary=False)


def many_rows() -> bytes:
    return written(pa.table({"a": pa.array(np.zeros(60_000_000, np.int8))}))


def long_list() -> bytes:
    lists = pa.ListArray.from_arrays(pa.array([0, 30_000_000]), pa.array(np.zeros(30_000_000, np.int8)))
    return written(pa.table({"a": lists}))


def blank_pictures() -> bytes:
    long = pa.array([b"x" * 10**6 + str(n).encode() for n in range(150)])
    return written(pa.table({"image": pa.StructArray.from_arrays([long], ["bytes"])}), use_dictionary=False)


def no_pictures() -> bytes:
    rows = pa.StructArray.from_arrays([pa.nulls(20_000_000, pa.binary())], ["bytes"])
    return written(pa.table({"image": rows}))


BOMBS = {
    long_text: ("a text of 1 MB in 100 000 rows", "a dictionary of one"),
    shared_texts: ("150 texts that share 1 MB", "DELTA_BYTE_ARRAY"),
    long_page: ("a page of 80 MB in 3 kB", "zstd"),
    many_rows: ("60 million rows", "zeros"),
    long_list: ("a list of 30 million", "[0, 0, …]"),
}
PICTURE_BOMBS = {
    blank_pictures: ("150 pictures of 1 MB that are zeros", "zstd"),
    no_pictures: ("20 million pictures that are none", "null"),
}


@cache
def made(make: Callable[[], bytes]) -> bytes:
    """What a function writes, in a process of its own: writing takes the memory that reading must not."""
    code = f"import sys; from {__name__} import {make.__name__}; sys.stdout.buffer.write({make.__name__}())"
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, env=os.environ | {MAKING: "1"}
    ).stdout


def bombs(makers: Mapping[Callable[[], bytes], tuple[str, str]]) -> Iterator[tuple[str, str, bytes]]:
    for make, (name, shown) in makers.items():
        yield name, shown, made(make)


def picture(path: Path) -> Any:
    count_parquet_rows(path)
    return read_parquet_bytes(path.parent, [f"{path.name}/{row}" for row in range(64)])


def same_picture(folder: Path) -> str:
    """One picture of 1 MB in a hundred thousand rows is one in memory."""
    image = pa.StructArray.from_arrays([repeated(b"x" * 10**6, 10**5)], ["bytes"])
    (folder / "a.parquet").write_bytes(written(pa.table({"image": image})))
    found = read_parquet_bytes(folder, [f"a.parquet/{row}" for row in range(64)])
    assert len({id(value) for value in found.values()}) <= 2
    return "read once, held once"


def attempts() -> list[Attempt]:
    """All; only where they are tried are the files made."""
    return [
        *refused(KIND, "a release's table", read_guarded, "a.parquet", [*damaged(), *bombs(BOMBS)]),
        *refused(KIND, "pictures", picture, "a.parquet", [*damaged(), *bombs(PICTURE_BOMBS)]),
        Attempt(
            name="one picture of 1 MB in 100 000 rows", kind=KIND, input_shown="a dictionary of one",
            expected="it is in memory once", run=same_picture,
        ),
    ]  # fmt: skip


ATTEMPTS: list[Attempt] = [] if os.environ.get(MAKING) else attempts()
