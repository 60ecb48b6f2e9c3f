from __future__ import annotations

import polars as pl
import pytest

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables import (
    CANDIDATES,
    SCORES,
    SPLIT,
    TABLES,
    alive,
    check_table,
    count_statuses,
    shape_table,
)


def split_rows(statuses: list[str]) -> pl.DataFrame:
    rows = {name: pl.Series([None] * len(statuses), dtype=dtype) for name, dtype in SPLIT.schema.items()}
    ids = pl.Series([str(number) for number in range(len(statuses))], dtype=pl.String)
    return pl.DataFrame(rows | {"candidate_id": ids, "status": pl.Series(statuses, dtype=pl.String)})


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_table_explains_itself(table) -> None:
    check_table(table.empty(), table)
    assert all(column.meaning for column in table.columns.values())
    assert ("status" in table.columns) == ("reason" in table.columns) == bool(table.statuses)
    assert set(table.key) <= set(table.columns)


def test_statuses_are_counted_with_ok_first_and_add_up() -> None:
    rows = pl.DataFrame({"status": ["slow", "ok", "gone", "gone"]})
    assert list(count_statuses(rows).items()) == [("ok", 1), ("gone", 2), ("slow", 1)]
    assert alive(rows).height == 1


def test_shaping_selects_and_casts_but_invents_nothing() -> None:
    rows = split_rows(["exact"]).with_columns(pl.lit(3, dtype=pl.Int64).alias("class_index"), pl.lit(1).alias("more"))
    assert shape_table(rows, SPLIT).schema == SPLIT.schema
    with pytest.raises(BadInput, match="missing column path"):
        shape_table(rows.drop("path"), SPLIT)


def test_rows_that_break_the_table_are_corrupt() -> None:
    with pytest.raises(Corrupt, match="unknown status"):
        check_table(split_rows(["exact", "fine"]), SPLIT)
    with pytest.raises(Corrupt, match="stands twice"):
        check_table(pl.concat([split_rows(["exact"])] * 2), SPLIT)
    with pytest.raises(Corrupt, match="are not the declared"):
        check_table(SPLIT.empty(), SCORES)
    check_table(pl.concat([CANDIDATES.empty()] * 2), CANDIDATES)
