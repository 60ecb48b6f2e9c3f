"""Pictures of a folder or of WebDataset shards into an embedding store, as clip-retrieval's `clip_inference` does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.tables.embeddings import EMBEDDED
from relaionet.manifests.tables.schema import shape_table
from relaionet.pipeline.embeddings.batches import Decoded, Embedded, embed_batches
from relaionet.pipeline.embeddings.embed import decode_picture, input_side_px
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.embeddings.store import write_embeddings
from relaionet.pipeline.images.webdataset import Sample, Shard, read_samples

if TYPE_CHECKING:
    import numpy as np

VERSION = "2"


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """How a folder or WebDataset shards are embedded.

    Attributes:
        per_shard_count: pictures of a folder in one shard; a tar file is one.
        batch_size: pictures per forward pass; None takes 16 on a CPU and 256 on a GPU.
        threads: threads that decode, and on a CPU also encode; None takes one per core.
        max_pixels: largest picture decoded, width × height.
        reduced_ratio: decode a JPEG at a half, a quarter or an eighth of its size where its short side stays this many
            times the encoder's input; 0 always decodes it whole.
    """

    per_shard_count: int = 10_000
    batch_size: int | None = None
    threads: int | None = None
    max_pixels: int = 64_000_000
    reduced_ratio: float = 1.5


def embed_samples(
    shard: Shard, encoder: Encoder, config: DatasetConfig, store: Path,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Embed one shard and write it to the store; pictures pass through memory a few batches at a time.

    Args:
        shard: from `find_shards`.
        encoder: from `load_encoder`.
        config: what is embedded how, and rows per shard.
        store: folder of the embeddings, in clip-retrieval's layout.
        progress: called with the number of pictures just done.

    Returns:
        EMBEDDED, a row per picture, in the order of the shard.

    Raises:
        BadInput: a file cannot be read.
        Corrupt: the archive is damaged.
    """
    import numpy as np

    side = round(config.reduced_ratio * input_side_px(encoder)) or None

    def decode(sample: Sample) -> Decoded:
        data = sample.data
        if data is None:
            return Decoded(None, sample.fault)
        return decode_picture(data, encoder, config.max_pixels, hashes=False, reduced_side_px=side)

    vectors: list[np.ndarray] = [np.zeros((0, encoder.dim), dtype=np.float16)]
    rows: list[dict[str, Any]] = []
    for batch in embed_batches(
        read_samples(shard), decode, encoder, batch_size=config.batch_size, threads=config.threads
    ):
        vectors.append(batch.vectors.astype(np.float16))
        rows += _about(batch)
        if progress:
            progress(len(batch.items))
    table = pl.DataFrame(rows, schema={**EMBEDDED.schema, "caption": pl.String}, infer_schema_length=None)
    ok = pl.col("status") == "ok"
    table = table.with_columns(row=pl.when(ok).then(ok.cum_sum().cast(pl.Int64) - 1))
    write_embeddings(store, int(shard.name), np.concatenate(vectors), table.filter(ok).with_columns(_ids(table, ok)))
    return shape_table(table.drop("caption"), EMBEDDED)


def _about(batch: Embedded[Sample]) -> list[dict[str, Any]]:
    return [
        {
            "image_path": sample.image_path, "url": sample.url, "caption": sample.caption, "row": None,
            "status": "ok" if reason is None else "broken", "reason": reason,
        }
        for sample, reason in zip(batch.items, batch.reasons, strict=True)
    ]  # fmt: skip


def _ids(table: pl.DataFrame, ok: pl.Expr) -> pl.Series:
    """What a row is called elsewhere: the sha256 of its URL, or of its path where it has none, or shares one."""
    own = pl.when(pl.col("url").is_first_distinct()).then("url")
    names = table.filter(ok).select(pl.coalesce(own, "image_path")).to_series()
    return pl.Series("candidate_id", [hashlib.sha256(name.encode()).hexdigest() for name in names], dtype=pl.String)
