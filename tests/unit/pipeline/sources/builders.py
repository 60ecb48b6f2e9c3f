"""Small metadata tables for the tests of sources and candidates."""

from __future__ import annotations

from typing import Any

import polars as pl

from relaionet.pipeline.sources.read import BATCH_SCHEMA, open_source, read_batches


def url(number: int) -> str:
    return f"http://example.org/{number}.jpg"


def rows_of(source: Any, **options: Any) -> pl.DataFrame:
    opened = open_source(source, options.pop("schema", None), options.pop("columns", None))
    return pl.concat([pl.DataFrame(schema=BATCH_SCHEMA), *read_batches(opened, **options)])


def table(rows: int, **more: Any) -> pl.DataFrame:
    columns = {"URL": [url(n) for n in range(rows)], "TEXT": [f"caption {n}" for n in range(rows)]} | more
    return pl.DataFrame(columns)
