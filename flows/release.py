"""From verdicts to a release: what was accepted, with everything known about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.flows.stage import Run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import labels_table
from relaionet.manifests.release import make_release
from relaionet.manifests.tables import (
    CANDIDATES,
    DECISIONS,
    DOWNLOADS,
    EMBEDDINGS,
    MANIFEST,
    PROPOSALS,
    VERDICTS,
    alive,
    shape_table,
)  # fmt: skip

if TYPE_CHECKING:
    from relaionet.flows.curate import CurateRecipe


def release_run(run: Run, recipe: CurateRecipe, **notes: object) -> Path:
    """Release the accepted rows of a run; the same content again is the same release.

    Args:
        run: a reviewed run.
        recipe: gives the release its name.
        **notes: further facts for `release.json`.

    Returns:
        Folder of the release; `release` in the run's folder leads to the newest.

    Raises:
        BadInput: nothing was accepted yet.
    """
    manifest = make_manifest(run)
    if manifest.is_empty():
        raise BadInput(f"{run.root}: no row is accepted yet; review more, then `relaionet review pull` again.")
    lineage = {
        table.name: [receipt.sha256 for receipt in run.store.receipts(table)]
        for table in (CANDIDATES, DOWNLOADS, PROPOSALS, DECISIONS, VERDICTS)
    }
    path = make_release(manifest, run.root / "releases", name=recipe.name, notes={"lineage": lineage, **notes})
    link = run.root / "release"
    if link.is_symlink():
        link.unlink()
    link.symlink_to(path.relative_to(run.root), target_is_directory=True)
    run.reporter.say(f"  released    {manifest.height:>7,} rows of {manifest['wnid'].n_unique()} classes: {path}")
    return path


def make_manifest(run: Run) -> pl.DataFrame:
    """MANIFEST rows of all accepted candidates, by class and id."""
    rows = run.store.read(VERDICTS).filter(pl.col("status") == "accept")
    rows = rows.select("candidate_id", "wnid", "votes_count", "yes_count", "selection_frac", "confidence", "reviewers")
    for table, columns in (
        (CANDIDATES, ["url", "caption", "source", "source_row"]),
        (DOWNLOADS, ["image_sha256", "bytes_count", "width_px", "height_px", "format", "fetched_at"]),
        (EMBEDDINGS, ["phash", "thumbprint"]),
        (PROPOSALS, ["score"]),
    ):
        about = alive(run.store.read_all(table)).select("candidate_id", *columns)
        rows = rows.join(about, on="candidate_id", how="left")
    labels = labels_table().select("wnid", "class_index", pl.col("name").alias("class_name"))
    rows = rows.join(labels, on="wnid", how="left").sort("class_index", "candidate_id")
    return shape_table(rows, MANIFEST)
