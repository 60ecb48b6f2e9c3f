"""All tables of the row path, by their names."""

from __future__ import annotations

from relaionet.manifests.tables.candidates import CANDIDATES, CHOSEN, NEIGHBOURS, PASSED_OVER, TEXT_MATCHES
from relaionet.manifests.tables.embeddings import DOWNLOADS, EMBEDDINGS, HITS
from relaionet.manifests.tables.lookups import ADDRESSES, COMPARED_ADDRESSES, LOOKUP, NEAR
from relaionet.manifests.tables.proposals import PROPOSALS, ROUTED
from relaionet.manifests.tables.releases import EVIDENCE, MANIFEST, WITHDRAWN
from relaionet.manifests.tables.reviews import DECISIONS, TASKS, VERDICTS
from relaionet.manifests.tables.scores import CLASS_SCORES, DIFFERENCES, PRINTS, SAMPLES, SCORES, SHIFTS
from relaionet.manifests.tables.screens import COMPARED, MEASURED, SCREENED, TEXTS_READ
from relaionet.manifests.tables.splits import CHECKED, COMPARISONS, PICTURE_VECTORS, SNAPSHOTS, SPLIT

TABLES = {
    table.name: table
    for table in (
        NEIGHBOURS, CANDIDATES, PASSED_OVER, TEXT_MATCHES, CHOSEN, DOWNLOADS, EMBEDDINGS, HITS, PROPOSALS,
        MEASURED, COMPARED, TEXTS_READ, SCREENED,
        ROUTED, TASKS, DECISIONS, VERDICTS, MANIFEST, EVIDENCE, WITHDRAWN, COMPARISONS, SNAPSHOTS, SPLIT, CHECKED,
        PICTURE_VECTORS,
        NEAR, ADDRESSES, COMPARED_ADDRESSES, LOOKUP,
        SAMPLES, SCORES, CLASS_SCORES, DIFFERENCES, PRINTS, SHIFTS,
    )
}  # fmt: skip
