"""The last stages: what addresses serve against the rows, what was found of each, and the release that says it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relaionet.flows.lookups.order import LookupWork
from relaionet.flows.lookups.sought import read_missing
from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run, input_digest, input_digests
from relaionet.flows.runs.stages import run_shards
from relaionet.flows.versions import make_version
from relaionet.manifests.files import digest_of, write_atomic
from relaionet.manifests.store import csv_bytes
from relaionet.manifests.tables import CANDIDATES, DOWNLOADS, MANIFEST
from relaionet.manifests.tables.adoption import PICTURES
from relaionet.manifests.tables.lookups import COMPARED_ADDRESSES, LOOKUP, NEAR
from relaionet.pipeline.lookup import places as lookup_places
from relaionet.pipeline.lookup.compare import Served, compare_addresses, fetched_addresses, served_pictures
from relaionet.pipeline.lookup.places import LookupConfig
from relaionet.pipeline.lookup.settle import (
    STEP,
    add_addresses,
    count_found,
    lookup_evidence,
    settle_lookup,
    tell_found,
)

CLASSES_FILE = "lookup-classes.csv"


def compare_all(work: LookupWork, shards: list[str]) -> None:
    """COMPARED_ADDRESSES of all shards of the rows sought."""
    run = work.run
    served = digest_of(input_digests(run, DOWNLOADS), input_digests(run, PICTURES))
    count = work.release.manifest["url"].null_count()
    run_shards(run, COMPARED_ADDRESSES, compare_shard, shards, count, served, work.order.config, is_counted=False)
    run.store.keep_only(COMPARED_ADDRESSES, shards)


def compare_shard(run: Run, shard: str, served: str, config: LookupConfig, advance: Advance) -> bool:
    """One shard of COMPARED_ADDRESSES.

    Args:
        run: of the lookup.
        shard: its name.
        served: digest of what all addresses serve.
        config: with the thresholds of the verdicts.
        advance: called with the number of rows done since the last call.
    """
    sought = Run(root=run.root / "sought")
    near_digest = input_digest(run, NEAR, shard) if run.store.receipt(NEAR.name, shard) else None
    digest = digest_of(
        input_digest(sought, MANIFEST, shard), near_digest, served, config.verdicts, lookup_places.VERSION
    )

    def make() -> pl.DataFrame:
        rows = sought.store.read(MANIFEST, shard)
        near = run.store.read(NEAR, shard) if near_digest is not None else NEAR.empty()
        nearest = near.group_by("candidate_id", "url_id").agg(pl.col("cosine").max())
        compared = compare_addresses(rows, nearest, read_served(run), config.verdicts)
        advance(rows.height)
        return compared

    return run.make(COMPARED_ADDRESSES, digest, make, shard=shard)


def read_served(run: Run) -> Served:
    """What all addresses of a lookup serve."""
    downloads = run.store.read_all(DOWNLOADS)
    pictures = [
        served_pictures(run.store.read(DOWNLOADS, shard.partition("-")[0]), run.store.read(PICTURES, shard))
        for shard in run.store.shards(PICTURES)
    ]
    return Served(fetched=fetched_addresses(downloads), pictures=pl.concat(pictures))


def settle_all(work: LookupWork, shards: list[str]) -> pl.DataFrame:
    """LOOKUP of the whole release; the share found is written by class beside it."""
    run, rows = work.run, work.release.manifest
    by_embeddings = work.places.take_vectors and not work.places.sources
    missing = read_missing(work, shards)
    digest = digest_of(
        work.release.info.digest, input_digests(run, COMPARED_ADDRESSES), input_digests(run, NEAR),
        input_digests(run, CANDIDATES), missing.rows(), by_embeddings, lookup_places.VERSION,
    )  # fmt: skip

    def make() -> pl.DataFrame:
        compared = run.store.read_all(COMPARED_ADDRESSES)
        return settle_lookup(rows, compared, read_origins(run), missing, by_embeddings=by_embeddings)

    run.make(LOOKUP, digest, make)
    run.count(LOOKUP)
    lookup = run.store.read(LOOKUP)
    write_atomic(run.root / CLASSES_FILE, csv_bytes(count_found(lookup)))
    return lookup


def read_origins(run: Run) -> pl.DataFrame:
    """url_id, found_in, found_row and caption of every address: embeddings first, by rank, then tables of metadata."""
    near = run.store.read_all(NEAR).sort("rank", "place", "candidate_id")
    parts = [near.select("url_id", "caption", found_in="place", found_row="source_row")]
    for shard in run.store.shards(CANDIDATES):
        rows = run.store.read(CANDIDATES, shard, ["candidate_id", "source", "source_row", "caption"])
        # a table is told by its name: where it lies on this disk is nobody's business
        rows = rows.with_columns(source=pl.col("source").str.replace(r"^(?:.*[/\\])?([^/\\]+)$", "${1}"))
        parts.append(rows.select("caption", url_id="candidate_id", found_in="source", found_row="source_row"))
    return pl.concat(parts, how="diagonal")


def release_found(work: LookupWork, lookup: pl.DataFrame) -> Path:
    """The next version of the release, with the addresses found and the evidence they rest on.

    Args:
        work: of the lookup.
        lookup: LOOKUP of the release.

    Returns:
        Its folder; of the old one where nothing was found.
    """
    release = work.release
    told = tell_found(lookup)
    if not told["found"]:
        return release.path
    earlier = release.evidence
    evidence = lookup_evidence(lookup)
    if earlier is not None:
        evidence = pl.concat([earlier.filter(pl.col("step") != STEP), evidence])
    return make_version(
        add_addresses(release.manifest, lookup), work.releases, name=release.info.name,
        notes={**release.info.notes, "lookup": told}, decisions=release.decisions, evidence=evidence,
        withdrawn=release.withdrawn,
    )  # fmt: skip
