"""Manifest rows that obey every rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import MANIFEST


def manifest_rows(count: int) -> pl.DataFrame:
    labels = read_labels()
    rows = []
    for number in range(count):
        url = f"http://example.org/{number}.jpg"
        label = labels[(number * 37) % 1000]
        rows.append(
            {
                "candidate_id": hashlib.sha256(url.encode()).hexdigest(),
                "url": url,
                "image_sha256": hashlib.sha256(str(number).encode()).hexdigest(),
                "phash": f"{number:016x}",
                "bytes_count": 1000 + number,
                "width_px": 320,
                "height_px": 240,
                "format": "jpeg",
                "wnid": label.wnid,
                "class_index": label.class_index,
                "class_name": label.name,
                "caption": f"<b>caption</b> {number} 'é",
                "votes_count": 3,
                "yes_count": 2 + number % 2,
                "selection_frac": (2 + number % 2) / 3,
                "confidence": 0.97,
                "score": 0.8,
                "reviewers": ["r-1", "r-2", "r-3"],
                "source": "part-0.parquet",
                "source_row": number,
                "fetched_at": datetime(2025, 1, 1, 0, 0, number % 60, tzinfo=UTC),
            }
        )
    return pl.DataFrame(rows, schema=MANIFEST.schema)


@pytest.fixture
def make_manifest() -> Callable[[int], pl.DataFrame]:
    return manifest_rows
