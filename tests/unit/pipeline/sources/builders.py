"""Small metadata tables for the tests of sources and candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.sources.read import BATCH_SCHEMA, open_source, read_batches


def url(number: int) -> str:
    return f"http://example.org/{number}.jpg"


def rows_of(source: Any, **options: Any) -> pl.DataFrame:
    opened = open_source(source, options.pop("schema", None), options.pop("columns", None))
    return pl.concat([pl.DataFrame(schema=BATCH_SCHEMA), *read_batches(opened, **options)])


def table(rows: int, **more: Any) -> pl.DataFrame:
    columns = {"URL": [url(n) for n in range(rows)], "TEXT": [f"caption {n}" for n in range(rows)]} | more
    return pl.DataFrame(columns)


def read_or_refuse(path: Path, **options: Any) -> pl.DataFrame | None:
    """Its rows, or None where it was refused by name."""
    try:
        return rows_of(path, **options)
    except BadInput as error:
        if path.name not in str(error):
            raise AssertionError(f"names no file: {error}") from error
        return None


def damage(whole: bytearray, data: st.DataObject) -> None:
    """Change up to four bytes."""
    places = st.dictionaries(st.integers(0, len(whole) - 1), st.integers(0, 255), max_size=4)
    for place, value in data.draw(places).items():
        whole[place] = value
