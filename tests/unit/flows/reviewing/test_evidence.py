"""A release tells of each row what the tables and screens declare as evidence, all of it and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.reviewing.evidence import released_evidence
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.run_record import write_run_record
from relaionet.manifests.release.beside import check_evidence, read_evidence
from relaionet.manifests.tables import PROPOSALS, SCREENED, TEXTS_READ, Table
from relaionet.manifests.tables.catalogue import TABLES
from relaionet.pipeline.screens.config import ScreenConfig
from relaionet.pipeline.screens.plan import screened_table
from relaionet.pipeline.screens.screens import SCREENS

ONE, TWO, OUT = ("1" * 64, "2" * 64, "3" * 64)
MANIFEST = pl.DataFrame({"candidate_id": [ONE, TWO]})
VALUES = {pl.String: "n02012849", pl.Boolean: True, pl.Int32: 3, pl.Int64: 3, pl.Float32: 0.25, pl.Float64: 0.25}


def full(table: Table, ids: list[str]) -> pl.DataFrame:
    """Rows in which every column has a value."""
    columns = []
    for name, kind in table.schema.items():
        value = VALUES.get(type(kind))
        if isinstance(kind, pl.List):
            value = ["n02012849"] if kind.inner == pl.String else [0.25]
        given = {"candidate_id": ids, "status": ["ok"] * len(ids)}.get(name, [value] * len(ids))
        columns.append(pl.Series(name, given, dtype=kind))
    return pl.DataFrame(columns)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(root=tmp_path, reporter=Reporter(Console(quiet=True)))
    write_run_record(tmp_path, CurateRecipe(source=str(tmp_path / "rows.parquet")), screens={})
    for table in (PROPOSALS, SCREENED, TEXTS_READ):
        made.store.write(full(table, [ONE, TWO, OUT]), table, "d")
    return made


def test_all_that_is_declared_is_told_and_nothing_else(run: Run, tmp_path: Path) -> None:
    evidence = check_evidence(released_evidence(run, MANIFEST))
    assert set(evidence["candidate_id"]) == {ONE, TWO}
    told = read_evidence(evidence, ONE)
    declared = {screen.status: set(screen.evidence) for screen in SCREENS}
    declared |= {table.name: set(table.evidence) for table in TABLES.values() if table.evidence}
    assert {step: set(facts) for step, facts in told.items()} == declared
    assert {"label_score", "calibration"} <= declared["proposals"]
    assert {"texts", "text_scores"} <= declared["texts_read"]
    assert str(tmp_path) not in "".join(evidence["value"])


def test_columns_declared_as_evidence_are_the_tables_own() -> None:
    for table in TABLES.values():
        assert set(table.evidence) <= set(table.columns) - set(table.key)


def test_what_is_null_is_not_told_and_a_run_of_old_tables_is_read(run: Run) -> None:
    old = full(SCREENED, [ONE, TWO, OUT]).drop(SCREENED.later)
    nulls = pl.when(pl.col("candidate_id") == TWO).then(pl.lit(None)).otherwise(pl.col("contrast"))
    run.store.keep_only(SCREENED, [])
    path = run.store.path(SCREENED)
    run.store.write(full(SCREENED, [ONE, TWO, OUT]).with_columns(contrast=nulls), SCREENED, "d")
    assert "plain" in read_evidence(released_evidence(run, MANIFEST), ONE)
    assert "plain" not in read_evidence(released_evidence(run, MANIFEST), TWO)
    old.write_parquet(path)
    from relaionet.manifests.files import file_sha256

    receipt = json.loads((path.parent / "all.receipt.json").read_text())
    (path.parent / "all.receipt.json").write_text(json.dumps(receipt | {"sha256": file_sha256(path)}))
    assert "faces" not in read_evidence(released_evidence(run, MANIFEST), ONE)


def test_a_run_without_screens_tells_what_it_has(tmp_path: Path) -> None:
    made = Run(root=tmp_path, reporter=Reporter(Console(quiet=True)))
    made.store.write(full(PROPOSALS, [ONE]), PROPOSALS, "d")
    assert set(read_evidence(released_evidence(made, MANIFEST), ONE)) == {"proposals"}
    assert screened_table(ScreenConfig()) is SCREENED
