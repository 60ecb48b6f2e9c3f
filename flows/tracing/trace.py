"""All that a place knows of one row, step by step in the order of the story."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import polars as pl

from relaionet.flows.tracing.places import Place
from relaionet.flows.tracing.samples import find_samples, scores_of
from relaionet.flows.tracing.values import how_near
from relaionet.manifests.ids import check_one, check_start, find_starts
from relaionet.manifests.labels import find_label
from relaionet.manifests.release.beside import read_evidence
from relaionet.manifests.tables import (
    CANDIDATES,
    CHOSEN,
    DECISIONS,
    DOWNLOADS,
    EMBEDDINGS,
    EVIDENCE,
    HITS,
    MANIFEST,
    NEIGHBOURS,
    PROPOSALS,
    ROUTED,
    SCREENED,
    SPLIT,
    TASKS,
    TEXT_MATCHES,
    VERDICTS,
    Table,
)  # fmt: skip
from relaionet.manifests.tables.catalogue import TABLES
from relaionet.pipeline.screens.screens import SCREENS

STORY = (
    NEIGHBOURS, CANDIDATES, TEXT_MATCHES, CHOSEN, DOWNLOADS, EMBEDDINGS, HITS, PROPOSALS, SCREENED, EVIDENCE, ROUTED,
    TASKS, DECISIONS, VERDICTS, MANIFEST, SPLIT,
)  # fmt: skip
SHOWN_BEFORE = ("url", "caption", "source", "source_row")
EVIDENCE_ORDER = (*TABLES, *(screen.status for screen in SCREENS))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One table's view of a row: its values, without the id and without nulls.

    Attributes:
        table: its name; of evidence the name of what found it, of samples and scores also whose they are.
        values: by column.
    """

    table: str
    values: dict[str, Any]


def resolve_id(place: Place, candidate_id: str) -> str | None:
    """The full id of a row from an id, the start of one (at least 6 digits) or a URL; None where there is none.

    Raises:
        BadInput: the start fits several rows.
    """
    if "://" in candidate_id:
        return _row_at(place, candidate_id)
    check_start(candidate_id)
    found = find_starts(place.ids(), candidate_id)
    check_one(found, candidate_id)
    return found[0] if found.len() else None


def _row_at(place: Place, url: str) -> str | None:
    """The row of an address: the one named after it, else one released with it, also as a further address."""
    named = sha256(url.encode()).hexdigest()
    if (place.ids() == named).any():
        return named
    manifest = place.rows(MANIFEST)
    further = pl.col("other_urls").list.contains(url).fill_null(value=False)
    found = manifest.filter((pl.col("url") == url).fill_null(value=False) | further)["candidate_id"]
    return found[0] if found.len() else None


def trace_row(place: Place, candidate_id: str) -> list[Step]:
    """All that is known of one row, in the order of the story; a table that has nothing to say is left out.

    Args:
        place: where it is asked about.
        candidate_id: the full id, 64 hex digits.
    """
    steps: list[Step] = []
    for table in STORY:
        rows = place.rows(table).filter(pl.col("candidate_id") == candidate_id)
        if table is EVIDENCE:
            steps += _evidence_steps(rows, candidate_id)
            continue
        found = [{key: value for key, value in row.items() if value not in (None, [])} for row in rows.to_dicts()]
        if table in (HITS, NEIGHBOURS):
            found = [_sum_hits(found)] if found else []
        steps += [Step(table=table.name, values=_without(values, _hidden(steps, table))) for values in found]
    return [*steps, *_sample_steps(place, candidate_id)]


def _hidden(steps: list[Step], table: Table) -> set[str]:
    """Columns that an earlier table has shown already."""
    shown = {name for step in steps if step.table != table.name for name in step.values}
    return {"candidate_id", *(shown & set(SHOWN_BEFORE))}


def _without(values: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in names}


def _evidence_steps(rows: pl.DataFrame, candidate_id: str) -> list[Step]:
    known = {name: number for number, name in enumerate(EVIDENCE_ORDER)}
    told = read_evidence(rows, candidate_id)
    order = sorted(told, key=lambda step: (known.get(step, len(known)), step))
    return [Step(table=step, values=told[step]) for step in order]


def _sample_steps(place: Place, candidate_id: str) -> list[Step]:
    steps = []
    for evaluation in place.stored_evaluations:
        samples = find_samples(evaluation, candidate_id)
        for found in samples:
            steps.append(Step(table="sample", values=found.told()))
            if found is samples[-1] or found.one is not samples[samples.index(found) + 1].one:
                steps.append(Step(table="scores", values={"generator": found.one.label, **scores_of(found)}))
    return steps


def _sum_hits(hits: list[dict[str, Any]], most: int = 3) -> dict[str, Any]:
    """Which searches found the image, nearest first, on one line."""
    nearest = sorted(hits, key=lambda hit: -hit.get("cosine", -1))[:most]
    texts = [f"{find_label(hit['wnid']).name} ({how_near(hit)})" for hit in nearest]
    return {"found by": texts, "searches": len(hits)}
