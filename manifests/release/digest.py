"""The digest of a release: a sha256 over what it holds, whatever the order of the rows and the bytes of the files.

Each format keeps its own rule for ever; `release.json` says which one is to be used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from relaionet.manifests.files import digest_of
from relaionet.manifests.release.info import FORMAT
from relaionet.manifests.tables import EVIDENCE, MANIFEST, WITHDRAWN

# columns later than the first release: in format 0 the digest leaves them out where they are all null
LATER_THAN_FORMAT_0 = MANIFEST.later


def content_digest(
    rows: pl.DataFrame, name: str, notes: Mapping[str, Any], decisions: pl.DataFrame | None = None,
    evidence: pl.DataFrame | None = None, withdrawn: pl.DataFrame | None = None, *, format: int = FORMAT,
) -> str:  # fmt: skip
    """Digest of a release's content, sha256, 64 hex digits.

    Args:
        rows: MANIFEST rows, and from format 1 on any columns a newer version may have added.
        name: of the release.
        notes: as in `ReleaseInfo`.
        decisions: what decisions.parquet holds, None where there is none.
        evidence: what evidence.parquet holds; before format 3 there was none.
        withdrawn: what withdrawn.parquet holds; before format 3 there was none.
        format: whose rule is to be used.
    """
    if format == 0:
        return digest_of(_digest_format_0(rows), name, notes)
    keys = ((decisions, ("candidate_id", "annotation_id", "at")), (evidence, EVIDENCE.key), (withdrawn, WITHDRAWN.key))
    beside = [rows_digest(table, key) if table is not None else None for table, key in keys[: 1 if format < 3 else 3]]
    return digest_of(format, rows_digest(rows, ("candidate_id",)), name, notes, *beside)


def rows_digest(rows: pl.DataFrame, key: Sequence[str]) -> str:
    """sha256 of rows sorted by their key, each as one line of JSON with sorted keys and without nulls."""
    digest, names = hashlib.sha256(), sorted(rows.columns)
    encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False, default=_encode).encode
    for values in rows.sort(key).select(names).iter_rows():
        told = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        digest.update(encode(told).encode() + b"\n")
    return digest.hexdigest()


def _encode(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _digest_format_0(rows: pl.DataFrame) -> str:
    unused = [name for name in LATER_THAN_FORMAT_0 if rows[name].null_count() == rows.height]
    columns = [name for name in MANIFEST.columns if name not in unused]
    return hashlib.sha256(rows.sort("candidate_id").select(columns).write_ndjson().encode()).hexdigest()
