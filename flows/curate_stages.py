"""The stages of the flow `curate`: each reads what the one before wrote, calls the room that knows how, and writes."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.flows.stage import Run, input_digest
from relaionet.flows.vectors import get_encoder, get_label_vectors, map_vectors
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, file_sha256, write_atomic
from relaionet.manifests.labels import find_label, read_labels
from relaionet.manifests.tables import (
    EMBEDDINGS,
    HITS,
)  # fmt: skip
from relaionet.pipeline.embeddings.store import embeddings_digest
from relaionet.pipeline.retrieval import search as retrieve

if TYPE_CHECKING:
    from relaionet.flows.curate import CurateRecipe


def search_labels(run: Run, recipe: CurateRecipe) -> None:
    """Stage 6: the images nearest to every label, exactly, read from their shards block by block."""
    encoder = get_encoder(recipe)
    shards = run.store.shards(EMBEDDINGS)
    digest = digest_of(
        [vectors_digest(run, shard) for shard in shards], encoder.fingerprint, recipe.templates, recipe.retrieve,
        retrieve.VERSION,
    )  # fmt: skip

    def make() -> pl.DataFrame:
        ids, vectors = map_vectors(run, shards, encoder)
        with run.reporter.bar(HITS.name, len(ids)) as advance:
            return retrieve.search_index(
                get_label_vectors(recipe), vectors, ids, read_labels(), recipe.retrieve, advance
            )

    run.make(HITS, digest, make)
    receipt = run.store.receipt(HITS.name)
    hits_count = receipt.rows_count if receipt else 0
    run.reporter.say(f"  {HITS.name:<12}{hits_count:>7,} nearest images of 1,000 labels searched")


def vectors_digest(run: Run, shard: str) -> str:
    """What a stage that reads a shard's vectors was given; the table alone does not change when they do."""
    return digest_of(input_digest(run, EMBEDDINGS, shard), embeddings_digest(run.embeddings, int(shard)))


def folder_digest(folder: Path | None) -> str | None:
    """Digest of the names and bytes of all files under a folder."""
    if folder is None:
        return None
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest_of([(path.relative_to(folder).as_posix(), file_sha256(path)) for path in files])


def read_controls(table: Path | None, images: Path) -> pl.DataFrame:
    """Pictures with known labels, copied among the images under opaque names.

    Args:
        table: parquet with `path` (relative to the table's folder) and `wnid`; None gives no controls.
        images: folder of the run's images.

    Returns:
        Frame of candidate_id, wnid, path.

    Raises:
        BadInput: the table or a picture cannot be read, or a wnid is unknown.
    """
    schema = {"candidate_id": pl.String, "wnid": pl.String, "path": pl.String}
    if table is None:
        return pl.DataFrame(schema=schema)
    try:
        listed = pl.read_parquet(table).select(pl.col("path", "wnid").cast(pl.String)).drop_nulls()
    except pl.exceptions.PolarsError as error:
        why = str(error).strip().partition("\n")[0]
        raise BadInput(f"controls {table}: expected parquet with columns path and wnid ({why}).") from None
    rows = []
    for path, wnid in listed.iter_rows():
        data = (table.parent / path).read_bytes()
        candidate_id = sha256(data).hexdigest()
        place = f"{candidate_id[:2]}/{candidate_id}{Path(path).suffix}"
        if not (images / place).exists():
            write_atomic(images / place, data)
        rows.append((candidate_id, find_label(wnid).wnid, place))
    return pl.DataFrame(rows, schema=schema, orient="row").unique("candidate_id", keep="first", maintain_order=True)
