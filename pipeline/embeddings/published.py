"""Embeddings somebody else computed, such as LAION's: found by id or URL, taken over, and never taken on trust."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import EMBEDDINGS
from relaionet.manifests.tables.embeddings import PUBLISHED
from relaionet.manifests.tables.schema import ALIVE, shape_table
from relaionet.pipeline.arrays import map_npy
from relaionet.pipeline.embeddings.embed import EmbedConfig, Embedded, embed_images, hash_images
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.embeddings.metadata import column_names, read_metadata
from relaionet.pipeline.embeddings.store import embedding_shards, metadata_path

if TYPE_CHECKING:
    import numpy as np

VERSION = "1"
CHECKED_COUNT = 16
# published rows were made of pictures scaled and encoded anew, some of which have changed since: half must agree
MIN_MEDIAN_COSINE = 0.9
UNIT_TOLERANCE = 1e-2


def find_published(folder: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Find candidates in the metadata of published embeddings, one file in memory at a time.

    Args:
        folder: in clip-retrieval's layout: img_emb/img_emb_N.npy beside metadata/metadata_N.parquet.
        rows: candidate_id, url.

    Returns:
        PUBLISHED: those found, by candidate_id where the metadata has it, else by url; of several the first.

    Raises:
        BadInput: there are no embeddings, or the metadata has neither column.
    """
    parts = [PUBLISHED.empty()]
    for number, path in embedding_shards(folder).items():
        about = metadata_path(path)
        if not about.is_file():
            raise BadInput(f"{about} is missing; {path.name} cannot be used without it.")
        names = column_names(about)
        key = next((name for name in ("candidate_id", "url") if name in names), None)
        if key is None:
            raise BadInput(f"{about} has neither candidate_id nor url; found {', '.join(names)}.")
        found = read_metadata(about, [key]).filter(pl.col(key).is_in(rows[key].implode()))
        parts.append(
            found.join(rows.select("candidate_id", "url"), on=key, how="inner").select(
                "candidate_id", pl.lit(number, dtype=pl.Int64).alias("file"), pl.col("row").cast(pl.Int64)
            )
        )
    found = pl.concat(parts).sort("candidate_id", "file", "row").unique("candidate_id", keep="first")
    return shape_table(found.sort("candidate_id"), PUBLISHED)


def take_rows(folder: Path, found: pl.DataFrame, encoder: Encoder) -> np.ndarray:
    """Published rows, of unit length again, [N, D] float16.

    Args:
        folder: see `find_published`.
        found: PUBLISHED; the rows come in its order.
        encoder: whose space they must be of.

    Raises:
        BadInput: they are of another width, or not of unit length.
    """
    import numpy as np

    taken = np.zeros((found.height, encoder.dim), dtype=np.float32)
    arrays = embedding_shards(folder)
    for number in found["file"].unique().sort():
        array = map_npy(arrays[number])
        if array.ndim != 2 or array.shape[1] != encoder.dim:
            raise BadInput(
                f"{arrays[number]} holds rows {array.shape[1:]}; '{encoder.name}' makes {encoder.dim} numbers: another "
                "encoder made them."
            )
        here = (found["file"] == number).to_numpy()
        taken[here] = array[found["row"].to_numpy()[here]]
    lengths = np.linalg.norm(taken, axis=1, keepdims=True)
    if not (abs(lengths - 1) <= UNIT_TOLERANCE).all():  # false for NaN
        raise BadInput(f"{folder}: a row has length {lengths.max():.3f}; rows must have length 1.")
    return (taken / np.maximum(lengths, 1e-12)).astype(np.float16)


def check_same_encoder(
    rows: pl.DataFrame, found: pl.DataFrame, folder: Path, encoder: Encoder, images: Path, config: EmbedConfig
) -> float | None:
    """Encode a few pictures anew and compare them with their published rows.

    Args:
        rows: candidate_id, path of stored pictures.
        found: from `find_published`.
        folder: of the published embeddings.
        encoder: the run's.
        images: folder of the paths.
        config: how pictures are embedded.

    Returns:
        The median cosine; None where no picture could be compared.

    Raises:
        BadInput: it is below 0.9: another encoder made the rows, or with other preprocessing.
    """
    import numpy as np

    some = rows.join(found, on="candidate_id", how="inner").sort("candidate_id").head(CHECKED_COUNT)
    table, fresh = embed_images(some, encoder, images, config)
    kept = some.filter(pl.Series(table["status"] == ALIVE))
    if kept.is_empty():
        return None
    published = take_rows(folder, kept, encoder).astype(np.float32)
    median = float(np.median((published * fresh.astype(np.float32)).sum(axis=1)))
    if not median >= MIN_MEDIAN_COSINE:
        raise BadInput(
            f"{folder}: {kept.height} pictures encoded anew with '{encoder.name}' have a median cosine of {median:.3f} "
            f"with their published rows; expected at least {MIN_MEDIAN_COSINE}. Name the encoder they were made with."
        )
    return median


def embed_with_published(
    rows: pl.DataFrame, found: pl.DataFrame, folder: Path, encoder: Encoder, images: Path, config: EmbedConfig
) -> Embedded:
    """As `embed_images`, but rows that are published are taken over; their pictures are decoded for the hashes alone.

    Args:
        rows: candidate_id, path.
        found: from `find_published`.
        folder: of the published embeddings.
        encoder: for the others.
        images: folder of the paths.
        config: how pictures are embedded.
    """
    import numpy as np

    known = rows.join(found, on="candidate_id", how="inner", maintain_order="left")
    fresh, vectors = embed_images(rows.join(found, on="candidate_id", how="anti"), encoder, images, config)
    hashed = hash_images(known, images, config)
    taken = take_rows(folder, known.filter(pl.Series(hashed["status"] == ALIVE)), encoder)
    ok = pl.col("status") == ALIVE
    hashed = hashed.with_columns(row=pl.when(ok).then(ok.cum_sum().cast(pl.Int64) - 1 + len(vectors)))
    table = rows.select("candidate_id").join(
        pl.concat([fresh, shape_table(hashed, EMBEDDINGS)]), on="candidate_id", how="left", maintain_order="left"
    )
    stacked = np.concatenate([vectors, taken])[table["row"].drop_nulls().to_numpy()]
    table = table.with_columns(row=pl.when(ok).then(ok.cum_sum().cast(pl.Int64) - 1))
    return Embedded(shape_table(table, EMBEDDINGS), stacked)
