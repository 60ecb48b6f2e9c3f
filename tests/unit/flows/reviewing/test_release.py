"""What a release says of a row is about the label it is released with."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from relaionet.flows.reviewing.release import make_manifest
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.tables import CANDIDATES, DOWNLOADS, EMBEDDINGS, PROPOSALS, VERDICTS, Table

CRANE, HEN, SNAIL = "n02012849", "n01514859", "n01944390"
# row -> proposed class, its own probability, that of the nearest class, the class people settled on
ROWS = {
    "agree": (CRANE, 0.9, 0.9, CRANE),
    "caption": (CRANE, 0.7, 0.4, CRANE),  # the caption's class, though another lies nearer
    "group": (CRANE, 0.3, 0.8, CRANE),
    "other": (CRANE, 0.7, 0.4, HEN),
    "old": (SNAIL, None, 0.6, SNAIL),  # proposed before the column was there
}


def store(run: Run, table: Table, rows: pl.DataFrame) -> None:
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in table.schema.items() if name not in rows.columns]
    run.store.write(rows.with_columns(missing), table, "digest")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(root=tmp_path, reporter=Reporter(Console(quiet=True)))
    ids = pl.DataFrame({"candidate_id": list(ROWS), "status": ["ok"] * len(ROWS)})
    for table in (CANDIDATES, DOWNLOADS, EMBEDDINGS):
        store(made, table, ids)
    proposed, member, nearest, settled = (pl.Series(column) for column in zip(*ROWS.values(), strict=True))
    store(made, PROPOSALS, ids.with_columns(
        wnid=proposed, member_score=member.cast(pl.Float32), score=nearest.cast(pl.Float32)
    ))  # fmt: skip
    store(made, VERDICTS, ids.with_columns(wnid=settled, status=pl.lit("accept")))
    return made


def test_the_score_is_that_of_the_released_class(run: Run) -> None:
    scores = dict(make_manifest(run).select("candidate_id", "score").iter_rows())
    assert scores == {
        "agree": pytest.approx(0.9), "caption": pytest.approx(0.7), "group": pytest.approx(0.3), "other": None,
        "old": pytest.approx(0.6),
    }  # fmt: skip
