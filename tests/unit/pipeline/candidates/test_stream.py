"""Candidates in batches and shards: whatever the cut, the same rows; whatever is only counted, it adds up."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.tables import CANDIDATES, PASSED_OVER, check_table
from relaionet.pipeline.candidates.judge import CandidatesConfig
from relaionet.pipeline.candidates.searched_rows import gather_neighbours
from relaionet.pipeline.candidates.seen_urls import SeenUrls
from relaionet.pipeline.candidates.stream import (
    CandidateShard,
    ReadState,
    keeps_all,
    read_candidates,
    stream_candidates,
    stream_neighbours,
)
from relaionet.pipeline.sources.read import open_source
from tests.depth import deep
from tests.unit.pipeline.candidates.test_searched_rows import neighbours

COLUMNS = {"URL": pl.String, "TEXT": pl.String, "WIDTH": pl.Int64, "punsafe": pl.Float32}
ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "javascript:x", "https://a.b/c", *(f"http://a.example/{n}" for n in range(5))]),
        st.sampled_from([None, "a goldfish", "tench and goldfish", "nothing", "crane", "a\x00b"]),
        st.sampled_from([None, 10, 100]),
        st.sampled_from([None, 0.0, 1.0]),
    ),
    max_size=12,
)


def write(folder: Path, files: list[list[tuple[object, ...]]]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate(files):
        pl.DataFrame(rows, schema=COLUMNS, orient="row").write_parquet(folder / f"{number:02d}.parquet")
    return folder


def stream(
    source: Path, *, keep_all: bool = True, size: int = 1000, state: ReadState | None = None,
    found: pl.DataFrame | None = None, batch_rows: int = 1000,
) -> list[CandidateShard]:  # fmt: skip
    config = CandidatesConfig(rows_per_shard=size)
    return list(
        stream_candidates(
            open_source(source), config, state or ReadState(), keep_all=keep_all, found=found, batch_rows=batch_rows
        )
    )


def joined(shards: list[CandidateShard]) -> pl.DataFrame:
    return pl.concat([CANDIDATES.empty(), *(shard.rows for shard in shards)])


def counted(shards: list[CandidateShard]) -> pl.DataFrame:
    """Rows by source, status and reason, written or only counted."""
    parts = [shard.rows.group_by("source", "status", "reason").agg(pl.len().cast(pl.Int64).alias("rows_count"))
             for shard in shards]  # fmt: skip
    together = pl.concat([PASSED_OVER.empty().select("source", "status", "reason", "rows_count"), *parts,
                          *(shard.passed_over.select(parts[0].columns) for shard in shards)])  # fmt: skip
    return together.group_by("source", "status", "reason").agg(pl.col("rows_count").sum()).sort(pl.all())


@settings(max_examples=deep(30), deadline=None)
@given(
    files=st.lists(ROWS, min_size=1, max_size=4), size=st.integers(1, 6), batch=st.integers(1, 5),
    keep_all=st.booleans(),
)  # fmt: skip
def test_the_cut_changes_nothing_and_all_rows_are_counted(
    files: list[list[tuple[object, ...]]], size: int, batch: int, keep_all: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    source = write(tmp_path_factory.mktemp("law") / "s", files)
    whole = stream(source)
    shards = stream(source, keep_all=keep_all, size=size, batch_rows=batch)
    again = stream(source, keep_all=keep_all, size=size)
    assert len(shards) == len(again)
    for ours, theirs in zip(shards, again, strict=True):
        assert ours.rows.equals(theirs.rows)
        assert ours.passed_over.equals(theirs.passed_over)
        assert (ours.parts_count, ours.is_last) == (theirs.parts_count, theirs.is_last)
        check_table(ours.rows, CANDIDATES)
        check_table(ours.passed_over, PASSED_OVER)
    assert all(shard.rows.height == size for shard in shards[:-1])
    assert [shard.is_last for shard in shards] == [False] * (len(shards) - 1) + [True] * bool(shards)
    if shards:
        assert counted(shards).equals(counted(whole))
        assert counted(shards)["rows_count"].sum() == sum(map(len, files))
    rows = joined(whole)
    kept = (pl.col("status") == "ok") | pl.col("lemma").is_not_null()
    assert joined(shards).equals(rows if keep_all else rows.filter(kept))
    assert joined(whole).equals(read_candidates(source))


@settings(max_examples=deep(25), deadline=None)
@given(files=st.lists(ROWS, min_size=1, max_size=4), size=st.integers(1, 5), keep_all=st.booleans(), data=st.data())
def test_a_reading_taken_up_behind_any_shard_goes_on_as_if_it_had_never_stopped(
    files: list[list[tuple[object, ...]]], size: int, keep_all: bool, data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    source = write(tmp_path_factory.mktemp("law") / "s", files)
    shards = stream(source, keep_all=keep_all, size=size)
    done = data.draw(st.integers(0, max(0, len(shards) - 1)))
    state = ReadState()
    for shard in shards[:done]:
        state.take_up(shard.rows, shard.passed_over)
    rest = stream(source, keep_all=keep_all, size=size, state=state, batch_rows=3)
    assert [shard.rows.rows() for shard in rest] == [shard.rows.rows() for shard in shards[done:]]
    assert [shard.passed_over.rows() for shard in rest] == [shard.passed_over.rows() for shard in shards[done:]]


def test_a_file_added_behind_leaves_full_shards_and_what_they_rest_on(tmp_path: Path) -> None:
    fish = [(f"http://a.example/{n}", "a goldfish", 100, 0.0) for n in range(10)]
    dull = [(f"http://b.example/{n}", "nothing", 100, 0.0) for n in range(10)]
    before = stream(write(tmp_path / "s", [fish, dull]), keep_all=False, size=4)
    assert [shard.parts_count for shard in before] == [1, 1, 2]
    after = stream(write(tmp_path / "s", [fish, dull, fish]), keep_all=False, size=4)
    assert [shard.parts_count for shard in after] == [1, 1, 3, 3, 3]
    assert [shard.rows.rows() for shard in after[:2]] == [shard.rows.rows() for shard in before[:2]]
    assert before[-1].passed_over["rows_count"].to_list() == [10]


def test_long_stretches_without_a_class_are_counted_batch_after_batch(tmp_path: Path) -> None:
    dull = [(f"http://a.example/{n}", ["nothing", "a\x00b"][n % 2], 100, 0.0) for n in range(40)]
    shards = stream(write(tmp_path / "s", [dull]), keep_all=False, size=3, batch_rows=2)
    assert [shard.rows.height for shard in shards] == [0]
    assert dict(shards[0].passed_over.select("status", "rows_count").iter_rows()) == {"bad_text": 20, "no_label": 20}


def test_rows_are_kept_one_by_one_as_told_or_up_to_a_size(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "s", [[("http://a.example/", "x", 1, 0.0)] * 3]))
    for keep_rows, most, answer in (
        ("auto", 3, True), ("auto", 2, False), ("all", 2, True), ("named", 3, False),
    ):  # fmt: skip
        config = CandidatesConfig(keep_rows=keep_rows, auto_rows_count=most)  # type: ignore[arg-type]
        assert keeps_all(source, config) is answer


def test_rows_that_a_search_found_too_are_alive_and_kept(tmp_path: Path) -> None:
    rows = [
        ("http://a.example/0", "nothing", 100, 0.0), ("http://a.example/1", "a goldfish", 100, 0.0),
        ("http://a.example/2", "tench and goldfish", 100, 0.0), ("http://a.example/3", "nothing", 100, 1.0),
        ("http://a.example/4", "nothing", 100, 0.0),
    ]  # fmt: skip
    found = gather_neighbours(neighbours(*((n, "n01440764", "text_search", 0.5) for n in (0, 1, 2, 3, 7, 8))))
    state = ReadState()
    shards = stream(write(tmp_path / "s", [rows]), keep_all=False, found=found, state=state)
    table = joined(shards)
    assert table["status"].to_list() == ["ok", "ok", "ok", "unsafe"]
    assert table["found_by"].to_list() == [
        ["text_search"], ["lemma", "text_search"], ["lemma", "text_search"], ["text_search"],
    ]  # fmt: skip
    assert table["sought_wnids"].to_list() == [["n01440764"]] * 4
    assert shards[0].passed_over["rows_count"].to_list() == [1]
    more = joined(list(stream_neighbours(found, CandidatesConfig(rows_per_shard=1), state.met)))
    assert sorted(more["url"]) == ["http://a.example/7", "http://a.example/8"]
    assert more["candidate_id"].is_sorted()
    assert more.select("status", "source", "source_row").unique().rows() == [("ok", "index", 3)]
    check_table(more, CANDIDATES)


@settings(max_examples=deep(30), deadline=None)
@given(parts=st.lists(st.lists(st.integers(0, 60), max_size=25), max_size=12), spill=st.integers(1, 40))
def test_seen_urls_is_a_set(parts: list[list[int]], spill: int) -> None:
    seen, known = SeenUrls(spill), set()
    for part in parts:
        keys = np.array(part, dtype=np.uint64)
        assert seen.find(keys).tolist() == [key in known for key in part]
        seen.add(keys[~seen.find(keys)])
        known |= set(part)
    assert len(seen) == len(known)


def test_runs_of_seen_urls_stay_few() -> None:
    seen = SeenUrls()
    rng = np.random.default_rng(0)
    for _ in range(300):
        seen.add(rng.integers(0, 2**63, 100, dtype=np.uint64))
    sizes = [len(run) for run in seen._runs]
    assert len(sizes) < 12
    assert all(left > right for left, right in pairwise(sizes))
