"""What lies beside a manifest: what is known of each row, and what was withdrawn from the set.

Evidence is kept as text, a fact a line, so that a screen or a package that nobody here knows has its place in it, and a
release can be read long after the screen that saw something is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

import polars as pl

from relaionet.manifests.containers.texts import parse_json
from relaionet.manifests.files import HEX_64
from relaionet.manifests.release.decisions import DECISIONS_FILE
from relaionet.manifests.release.manifest_check import CONTROL, MAX_URL_CHARS, WEB
from relaionet.manifests.release.rules import check_rows
from relaionet.manifests.tables.releases import EVIDENCE, WITHDRAWN
from relaionet.manifests.tables.schema import STATUS_COLUMNS

EVIDENCE_FILE, WITHDRAWN_FILE = "evidence.parquet", "withdrawn.parquet"
WORD = r"^[a-z][a-z0-9_]{0,63}$"
HOST = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
MAX_VALUE_CHARS = 20_000
WITHDRAWAL_KINDS = ("url", "host", "image_sha256", "candidate_id")


class Beside(NamedTuple):
    """The tables beside a manifest that are a part of the content; None where there is none."""

    decisions: pl.DataFrame | None
    evidence: pl.DataFrame | None
    withdrawn: pl.DataFrame | None

    def files(self) -> dict[str, pl.DataFrame]:
        """File name -> table, of those there are."""
        named = zip((DECISIONS_FILE, EVIDENCE_FILE, WITHDRAWN_FILE), self, strict=True)
        return {name: table for name, table in named if table is not None}

    def fits(self, format: int) -> bool:
        """True where a format has a place for all there are."""
        first = 3 if self.evidence is not None or self.withdrawn is not None else int(self.decisions is not None)
        return format >= first


def check_evidence(rows: pl.DataFrame) -> pl.DataFrame:
    """Return evidence, shaped and sorted, if every value is what it claims to be.

    Raises:
        BadInput: a column is missing, or a row breaks a rule.
    """
    return check_rows(
        rows, EVIDENCE,
        {
            "candidate_id is no 64 hex digits": pl.col("candidate_id").str.contains(f"^{HEX_64}$"),
            "step is no plain word": pl.col("step").str.contains(WORD),
            "fact is no plain word": pl.col("fact").str.contains(WORD),
            f"value is longer than {MAX_VALUE_CHARS} characters": pl.col("value").str.len_chars() <= MAX_VALUE_CHARS,
        },
    ).sort(EVIDENCE.key)  # fmt: skip


def check_withdrawn(rows: pl.DataFrame) -> pl.DataFrame:
    """Return withdrawals, shaped and sorted, if every value is what it claims to be.

    Raises:
        BadInput: a column is missing, or a row breaks a rule.
    """
    kind, value = pl.col("kind"), pl.col("value")
    return check_rows(
        rows, WITHDRAWN,
        {
            f"kind is none of {', '.join(WITHDRAWAL_KINDS)}": kind.is_in(WITHDRAWAL_KINDS),
            "value is not what its kind says": pl.when(kind == "url")
            .then(value.str.contains(WEB) & (value.str.len_chars() <= MAX_URL_CHARS))
            .when(kind == "host")
            .then(value.str.contains(HOST))
            .otherwise(value.str.contains(f"^{HEX_64}$")),
            "since is no day as 2026-11-30": pl.col("since").str.contains(r"^\d{4}-\d{2}-\d{2}$"),
            "why is longer than 1000 characters or has control characters": pl.col("why").is_null()
            | ((pl.col("why").str.len_chars() <= 1000) & ~pl.col("why").str.contains(CONTROL)),
        },
    ).sort(WITHDRAWN.key)  # fmt: skip


def tell_evidence(step: str, rows: pl.DataFrame, facts: Iterable[str] | None = None) -> pl.DataFrame:
    """EVIDENCE of some rows of a table: every value that is there, as JSON.

    Args:
        step: name of what found it.
        rows: candidate_id and any columns; one row per candidate.
        facts: columns to be told; None tells all but the key and the status.
    """
    names = list(facts) if facts is not None else [
        name for name in rows.columns if name not in ("candidate_id", *STATUS_COLUMNS)
    ]  # fmt: skip
    parts = [EVIDENCE.empty()]
    for name in names:
        told = rows.select("candidate_id", name).filter(pl.col(name).is_not_null())
        values = [_as_json(value) for value in told[name].to_list()]
        parts.append(
            told.select(
                "candidate_id", step=pl.lit(step), fact=pl.lit(name), value=pl.Series(values, dtype=pl.String)
            )
        )  # fmt: skip
    return pl.concat(parts).filter(pl.col("value").is_not_null()).sort(EVIDENCE.key)


def _as_json(value: Any) -> str | None:
    """A value as JSON; None for an empty list and for what cannot be said in the length there is."""
    if isinstance(value, pl.Series):
        value = value.to_list()
    if value == []:
        return None
    if isinstance(value, float):
        value = float(f"{value:.7g}")  # as many digits as a float32 holds
    text = json.dumps(value, ensure_ascii=False, default=_as_text)
    return text if len(text) <= MAX_VALUE_CHARS else None


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime | date) else str(value)


def read_evidence(evidence: pl.DataFrame, candidate_id: str) -> dict[str, dict[str, Any]]:
    """What is known of one row: step -> fact -> value, in the order they stand.

    Args:
        evidence: EVIDENCE, a stranger's.
        candidate_id: of the row.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in evidence.filter(pl.col("candidate_id") == candidate_id).iter_rows(named=True):
        try:
            value = parse_json(row["value"].encode())
        except (ValueError, RecursionError):  # a stranger wrote it: it is shown as it stands
            value = row["value"]
        found.setdefault(row["step"], {})[row["fact"]] = value
    return found
