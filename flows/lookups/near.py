"""The stage that searches: the rows nearest to each picture, in every place that holds embeddings."""

from __future__ import annotations

import polars as pl

from relaionet.flows.curation.vectors import RunModels, vectors_digest
from relaionet.flows.lookups.order import LookupWork
from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run, input_digest
from relaionet.flows.runs.stages import run_shards
from relaionet.manifests.files import digest_of
from relaionet.manifests.tables import DOWNLOADS, EMBEDDINGS, MANIFEST, alive
from relaionet.manifests.tables.lookups import NEAR
from relaionet.pipeline.embeddings.store import read_embeddings
from relaionet.pipeline.lookup import places as lookup_places
from relaionet.pipeline.lookup.near import search_service, search_stores
from relaionet.pipeline.lookup.places import LookupConfig, Places
from relaionet.pipeline.neighbours.folder_search import folder_digest


def find_all_near(work: LookupWork, shards: list[str]) -> None:
    """NEAR of all shards; none where no embeddings are searched."""
    places = work.places
    if not places.take_vectors:
        work.run.store.keep_only(NEAR, [])
        return
    held = digest_of([folder_digest(store) for store in places.stores], places.services)
    arguments = (work.models, places, held, work.order.config)
    count = work.release.manifest["url"].null_count() * (len(places.stores) + len(places.services))
    run_shards(work.run, NEAR, find_near, shards, count, *arguments, gpu=bool(places.stores))
    work.run.store.keep_only(NEAR, shards)


def find_near(
    run: Run, shard: str, models: RunModels | None, places: Places, held: str, config: LookupConfig, advance: Advance
) -> bool:
    """One shard of NEAR.

    Args:
        run: of the lookup.
        shard: its name.
        models: with the encoder; None where the services embed.
        places: that are searched.
        held: digest of what the folders hold.
        config: how many are wanted, and how near.
        advance: called with the number of searches done since the last call.
    """
    sought = Run(root=run.root / "sought")
    given = input_digest(sought, EMBEDDINGS, shard) if models is None else vectors_digest(sought, shard)
    digest = digest_of(given, held, config.per_row_count, config.min_cosine, lookup_places.VERSION)

    def make() -> pl.DataFrame:
        rows = alive(sought.store.read(EMBEDDINGS, shard)).select("candidate_id")
        vectors = None
        if models is not None:
            ids, vectors = read_embeddings(sought.embeddings, [int(shard)])
            rows = pl.DataFrame({"candidate_id": ids}, schema={"candidate_id": pl.String})
        parts = [NEAR.empty()]
        if vectors is not None and rows.height:
            parts.append(search_stores(places.stores, rows["candidate_id"].to_list(), vectors, config, advance))
        about = sought.store.read(MANIFEST, shard).select("candidate_id", "wnid")
        files = sought.store.read(DOWNLOADS, shard).select(
            "candidate_id", file=pl.format("{}/{}", pl.lit(str(sought.images)), "path")
        )
        rows = rows.join(about, on="candidate_id", maintain_order="left")
        rows = rows.join(files, on="candidate_id", maintain_order="left")
        parts += [search_service(service, rows, vectors, config, advance) for service in places.services]
        return pl.concat(parts)

    return run.make(NEAR, digest, make, shard=shard)
