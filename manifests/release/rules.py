"""A stranger's table held against rules: of its columns' types, its key, and of every value."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables.schema import Table, check_table, shape_table
from relaionet.manifests.words import say_count


def check_rows(rows: pl.DataFrame, table: Table, rules: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Return rows, shaped, if every value is what it claims to be.

    Args:
        rows: a stranger's.
        table: what they claim to be rows of.
        rules: what is wrong where one does not hold, in words -> when it holds; null is no.

    Raises:
        BadInput: a column is missing or of another type, a key stands twice, or a row breaks a rule.
    """
    try:
        rows = check_table(shape_table(rows, table), table)
    except Corrupt as error:
        raise BadInput(str(error)) from None
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{table.name}: a column is not of its type: {str(error).splitlines()[0][:200]}.") from None
    for rule, holds in rules.items():
        wrong = rows.filter(~holds.fill_null(value=False)).height
        if wrong:
            raise BadInput(f"{table.name}: {rule} in {wrong:,} of {say_count(rows.height, 'row')}.")
    return rows
