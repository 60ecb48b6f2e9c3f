"""From verdicts to a release: what was accepted, with everything known about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.flows.reviewing.evidence import released_evidence
from relaionet.flows.reviewing.resettle import state_rules
from relaionet.flows.runs.run import Run
from relaionet.flows.versions import make_version
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json_object
from relaionet.manifests.labels import labels_table
from relaionet.manifests.release.decisions import join_questions
from relaionet.manifests.release.release import VECTORS_FILE
from relaionet.manifests.replacing import replacing
from relaionet.manifests.tables import (
    CANDIDATES,
    DECISIONS,
    DOWNLOADS,
    EMBEDDINGS,
    MANIFEST,
    PROPOSALS,
    TASKS,
    VERDICTS,
    alive,
    fill_later,
    shape_table,
)  # fmt: skip
from relaionet.manifests.words import name_counted, say_count

if TYPE_CHECKING:
    from relaionet.flows.reviewing.settings import ReviewSettings


def release_run(run: Run, settings: ReviewSettings, *, vectors: bool = False, **notes: object) -> Path:
    """Release the accepted rows of a run; the same content again is the same release.

    Args:
        run: a reviewed run.
        settings: of the review.
        vectors: ship the embeddings of the pictures, so that a rebuild can compare them.
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
    screens = read_json_object(run.root / "run.json").get("screens", {})
    told = {"lineage": lineage, "settings": {"agreement": state_rules(settings.agreement)}, "screens": screens, **notes}
    decisions = join_questions(run.store.read_all(DECISIONS), run.store.read_all(TASKS))
    path = make_version(
        manifest, run.root / "releases", name=settings.name, notes=told, decisions=decisions,
        evidence=released_evidence(run, manifest),
        vectors=released_vectors(run, manifest) if vectors else None,
    )  # fmt: skip
    if vectors and not (path / VECTORS_FILE).is_file():
        run.reporter.say(f"  {path.name} was released before, without embeddings; a release is never changed")
    with replacing(run.root / "release") as part:
        part.symlink_to(path.relative_to(run.root), target_is_directory=True)
    rows, classes = name_counted(manifest.height, "row"), say_count(manifest["wnid"].n_unique(), "class")
    run.reporter.say(f"  released    {manifest.height:>7,} {rows} of {classes}: {path}")
    return path


def released_vectors(run: Run, manifest: pl.DataFrame) -> pl.DataFrame:
    """PICTURE_VECTORS of the released rows, from the run's embeddings."""
    from relaionet.flows.curation.recipe import read_run_recipe
    from relaionet.flows.curation.vectors import vectors_of
    from relaionet.pipeline.embeddings.encoders import load_encoder
    from relaionet.pipeline.splits.vectors import make_vectors

    recipe = read_run_recipe(run.root)
    encoder, ids = load_encoder(recipe.encoder, **recipe.encoder_options), manifest["candidate_id"]
    return make_vectors(ids.to_list(), vectors_of(run, run.store.shards(EMBEDDINGS), encoder, ids), encoder)


def make_manifest(run: Run) -> pl.DataFrame:
    """MANIFEST rows of all accepted candidates, by class and id."""
    rows = run.store.read(VERDICTS).filter(pl.col("status") == "accept")
    settled = ("wnid", "wnids", "votes_count", "yes_count", "selection_frac", "confidence", "reviewers")
    rows = rows.select("candidate_id", *settled)
    for table, columns in (
        (CANDIDATES, ["url", "caption", "source", "source_row"]),
        (DOWNLOADS, ["image_sha256", "bytes_count", "width_px", "height_px", "format", "fetched_at"]),
        (EMBEDDINGS, ["phash", "thumbprint", "fingerprint_version"]),
    ):
        # a run that was curated before a column was there has null in it
        about = fill_later(alive(run.store.read_all(table)), MANIFEST, columns).select("candidate_id", *columns)
        rows = rows.join(about, on="candidate_id", how="left")
    rows = rows.join(_proposed_scores(run), on=["candidate_id", "wnid"], how="left")
    labels = labels_table().select("wnid", "class_index", pl.col("name").alias("class_name"))
    rows = rows.join(labels, on="wnid", how="left").sort("class_index", "candidate_id")
    return shape_table(rows, MANIFEST)


def _proposed_scores(run: Run) -> pl.DataFrame:
    """candidate_id, wnid and score of every proposed class: of that class, whatever lies nearest to the picture."""
    proposed = alive(run.store.read_all(PROPOSALS))
    # null in a run that was curated before proposals had it
    return proposed.select("candidate_id", "wnid", score=pl.coalesce("member_score", "score"))
