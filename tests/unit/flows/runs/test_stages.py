"""Stages: done is not done again, changed is done again, counts add up."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run, sum_reasons
from relaionet.manifests.errors import Corrupt
from relaionet.manifests.tables import EMBEDDINGS


def a_run(root: Path) -> Run:
    return Run(root=root, reporter=Reporter(Console(quiet=True)))


def some_rows(broken: int = 1, ok: int = 3) -> pl.DataFrame:
    status = ["ok"] * ok + ["broken"] * broken
    return pl.DataFrame(
        {
            "candidate_id": [f"{i:064x}" for i in range(ok + broken)],
            "row": list(range(ok + broken)),
            "phash": ["0" * 16] * (ok + broken),
            "thumbprint": ["0" * 768] * (ok + broken),
            "status": status,
            "reason": [None if s == "ok" else "cut off" for s in status],
        }
    )


def test_a_stage_is_made_once_per_digest(tmp_path: Path) -> None:
    calls: list[int] = []

    def make() -> pl.DataFrame:
        calls.append(1)
        return some_rows()

    run = a_run(tmp_path)
    assert run.make(EMBEDDINGS, "a", make)
    assert not run.make(EMBEDDINGS, "a", make)
    assert len(calls) == 1
    assert run.make(EMBEDDINGS, "b", make)
    assert len(calls) == 2


def test_a_stage_that_fails_leaves_the_old_receipt_and_no_part(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.make(EMBEDDINGS, "a", some_rows)

    def fail() -> pl.DataFrame:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        run.make(EMBEDDINGS, "b", fail)
    assert run.store.is_done("embeddings", "a")
    assert not list(tmp_path.rglob("*.part"))


def test_a_killed_write_is_not_done(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.make(EMBEDDINGS, "a", some_rows)
    run.store.forget("embeddings")
    assert run.make(EMBEDDINGS, "a", some_rows)


def test_rows_that_break_the_rules_are_not_stored(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    with pytest.raises(Corrupt, match="unknown status"):
        run.make(EMBEDDINGS, "a", lambda: some_rows().with_columns(status=pl.lit("fine")))
    assert run.store.receipt("embeddings") is None


def test_counts_add_up_and_say_whether_work_was_done(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.make(EMBEDDINGS, "a", some_rows)
    line = run.count(EMBEDDINGS)
    assert line.rows_in == sum(line.statuses.values()) == 4
    assert line.reasons == {"broken": {"cut off": 1}}
    assert not line.done
    again = a_run(tmp_path)
    again.make(EMBEDDINGS, "a", some_rows)
    assert again.count(EMBEDDINGS).done


def test_many_reasons_are_summed() -> None:
    rows = pl.DataFrame({"status": ["gone"] * 30, "reason": [f"reason {i}" for i in range(30)], "rows_count": [1] * 30})
    counted = sum_reasons(rows, most=5)
    assert sum(counted["gone"].values()) == 30
    assert counted["gone"]["other reasons"] == 25


def test_damaged_table_is_named(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.make(EMBEDDINGS, "a", some_rows)
    path = run.store.path(EMBEDDINGS)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Corrupt, match="not what its receipt says"):
        run.count(EMBEDDINGS)
