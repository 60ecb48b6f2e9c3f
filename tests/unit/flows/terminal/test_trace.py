"""Tracing a row in a rebuilt split that stands by itself, with no run around it."""

import hashlib
from pathlib import Path

import polars as pl

from relaionet.flows.terminal.trace import find_runs, resolve_id, trace_row
from relaionet.manifests.files import write_json
from relaionet.manifests.store import Store
from relaionet.manifests.tables import SPLIT, shape_table

URL = "http://pictures.invalid/1.jpg"
ONE, OTHER = (hashlib.sha256(url.encode()).hexdigest() for url in (URL, "http://pictures.invalid/2.jpg"))


def make_split(folder: Path) -> Path:
    rows = [
        {"candidate_id": ONE, "wnid": "n02012849", "class_index": 134, "kept": True, "status": "exact"},
        {"candidate_id": OTHER, "wnid": "n02012849", "class_index": 134, "kept": False, "status": "gone",
         "reason": "gone: HTTP 404 Not Found"},
    ]  # fmt: skip
    table = shape_table(pl.DataFrame(rows, schema=dict(SPLIT.schema)), SPLIT)
    Store(folder).write(table, SPLIT, "d", shard="all", seconds=0.0)
    write_json(folder / "split.json", {"rows_count": 2})
    return folder


def test_a_split_is_found_by_itself_and_among_others(tmp_path: Path) -> None:
    split = make_split(tmp_path / "mine")
    (tmp_path / "something-else").mkdir()

    assert find_runs(split) == [split]
    assert find_runs(tmp_path) == [split]
    assert find_runs(tmp_path / "something-else") == []


def test_a_row_of_a_split_is_found_by_id_start_or_url(tmp_path: Path) -> None:
    split = make_split(tmp_path)

    assert [resolve_id(split, one) for one in (ONE, ONE[:8], URL, "0" * 8)] == [ONE, ONE, ONE, None]
    (step,) = trace_row(split, OTHER)
    assert (step.table, step.values["reason"]) == ("split", "gone: HTTP 404 Not Found")
