"""Every table of the row path: its columns, their types and what they mean, and the statuses a row can have.

A stage takes the rows that are still alive (status `ok` in the table before) and returns exactly those rows with a
status and a reason of its own, so rows in = sum over statuses at every stage and no row ever vanishes.
"""

from __future__ import annotations

from relaionet.manifests.tables.candidates import CANDIDATES, CHOSEN, NEIGHBOURS, PASSED_OVER, TEXT_MATCHES
from relaionet.manifests.tables.embeddings import DOWNLOADS, EMBEDDINGS, HITS
from relaionet.manifests.tables.proposals import PROPOSALS, ROUTED
from relaionet.manifests.tables.releases import MANIFEST
from relaionet.manifests.tables.reviews import DECISIONS, TASKS, VERDICTS
from relaionet.manifests.tables.schema import (
    ALIVE,
    STATUS,
    Table,
    alive,
    check_table,
    columns,
    count_statuses,
    fill_later,
    shape_table,
)
from relaionet.manifests.tables.scores import CLASS_SCORES, DIFFERENCES, SAMPLES, SCORES
from relaionet.manifests.tables.screens import COMPARED, MEASURED, REFERENCES, SCREENED, TEXTS_READ
from relaionet.manifests.tables.splits import COMPARISONS, PICTURE_VECTORS, SPLIT

TABLES = {
    table.name: table
    for table in (
        NEIGHBOURS, CANDIDATES, PASSED_OVER, TEXT_MATCHES, CHOSEN, DOWNLOADS, EMBEDDINGS, HITS, PROPOSALS,
        MEASURED, COMPARED, TEXTS_READ, SCREENED,
        ROUTED, TASKS, DECISIONS, VERDICTS, MANIFEST, COMPARISONS, SPLIT, PICTURE_VECTORS,
        SAMPLES, SCORES, CLASS_SCORES, DIFFERENCES,
    )
}  # fmt: skip

__all__ = [
    "ALIVE",
    "CANDIDATES",
    "CHOSEN",
    "CLASS_SCORES",
    "COMPARED",
    "COMPARISONS",
    "DECISIONS",
    "DIFFERENCES",
    "DOWNLOADS",
    "EMBEDDINGS",
    "HITS",
    "MANIFEST",
    "MEASURED",
    "NEIGHBOURS",
    "PASSED_OVER",
    "PICTURE_VECTORS",
    "PROPOSALS",
    "REFERENCES",
    "ROUTED",
    "SAMPLES",
    "SCORES",
    "SCREENED",
    "SPLIT",
    "STATUS",
    "TABLES",
    "TASKS",
    "TEXTS_READ",
    "TEXT_MATCHES",
    "VERDICTS",
    "Table",
    "alive",
    "check_table",
    "columns",
    "count_statuses",
    "fill_later",
    "shape_table",
]
