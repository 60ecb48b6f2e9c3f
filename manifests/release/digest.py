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
from relaionet.manifests.tables import MANIFEST

# columns later than the first release: in format 0 the digest leaves them out where they are all null
LATER_THAN_FORMAT_0 = ("thumbprint", "path", "fingerprint_version")


def content_digest(
    rows: pl.DataFrame, name: str, notes: Mapping[str, Any], decisions: pl.DataFrame | None = None,
    *, format: int = FORMAT,
) -> str:  # fmt: skip
    """Digest of a release's content, sha256, 64 hex digits.

    Args:
        rows: MANIFEST rows, and from format 1 on any columns a newer version may have added.
        name: of the release.
        notes: as in `ReleaseInfo`.
        decisions: what decisions.parquet holds, None where there is none.
        format: whose rule is to be used.
    """
    if format == 0:
        return digest_of(_digest_format_0(rows), name, notes)
    voted = rows_digest(decisions, ("candidate_id", "annotation_id", "at")) if decisions is not None else None
    return digest_of(format, rows_digest(rows, ("candidate_id",)), name, notes, voted)


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
