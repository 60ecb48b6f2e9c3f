"""What a run knows of its released rows, row by row: told by the tables and screens that declare it."""

from __future__ import annotations

import polars as pl

from relaionet.flows.curation.recipe import read_run_recipe
from relaionet.flows.runs.run import Run
from relaionet.manifests.release.beside import tell_evidence
from relaionet.manifests.tables import EVIDENCE, SCREENED
from relaionet.manifests.tables.catalogue import TABLES
from relaionet.pipeline.screens.plan import screened_table, screens_of


def released_evidence(run: Run, manifest: pl.DataFrame) -> pl.DataFrame:
    """EVIDENCE of the released rows, by step: each table that declares evidence, each screen of the run's recipe.

    Paths of this machine are in none of it: a picture of a reference set is named by its set and its path in it.

    Args:
        run: a reviewed run.
        manifest: MANIFEST rows that are released.

    Raises:
        BadInput: the recipe names a screen of a package that is not installed any more.
    """
    ids = manifest.select("candidate_id")
    parts = [EVIDENCE.empty()]
    for table in TABLES.values():
        if table.evidence:
            parts.append(tell_evidence(table.name, _of(run.store.read_all(table), ids), table.evidence))
    return pl.concat([*parts, *_screens_evidence(run, ids)]).sort(EVIDENCE.key)


def _screens_evidence(run: Run, ids: pl.DataFrame) -> list[pl.DataFrame]:
    """One step for each screen, by its status."""
    if not run.store.shards(SCREENED):
        return []
    config = read_run_recipe(run.root).screen
    rows = _of(run.store.read_all(screened_table(config)), ids)
    return [
        tell_evidence(found.screen.status, rows, [name for name in found.screen.evidence if name in rows.columns])
        for found in screens_of(config)
    ]


def _of(rows: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    return rows.join(ids, on="candidate_id", how="semi")
