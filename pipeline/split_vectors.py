"""Embeddings a release holds of its pictures, compared with those of the pictures now served."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import numpy as np

    from relaionet.pipeline.encoders import Encoder


@dataclass(frozen=True, kw_only=True)
class PictureVectors:
    """The pictures the reviewers saw, as unit rows, and the encoder that made them.

    Attributes:
        ids: candidate_id of each row.
        vectors: [N, D] float16 or float32 unit rows.
        encoder: with the fingerprint the rows were made with.
    """

    ids: list[str]
    vectors: np.ndarray
    encoder: Encoder

    @property
    def fingerprint(self) -> str:
        """The encoder's."""
        return self.encoder.fingerprint

    def compare(self, rows: pl.DataFrame, folder: Path, max_pixels: int) -> list[float | None]:
        """Cosine of each picture now served with the one the reviewers saw; None where the release holds no row of it.

        Args:
            rows: candidate_id, image_sha256, expected_sha256 and place, relative to `folder`.
            folder: of the places.
            max_pixels: largest picture decoded, width × height.
        """
        import numpy as np

        from relaionet.pipeline.embed import EmbedConfig, embed_images

        number = {candidate_id: row for row, candidate_id in enumerate(self.ids)}
        todo = rows.filter(
            pl.col("candidate_id").is_in(list(number)) & (pl.col("image_sha256") != pl.col("expected_sha256"))
        )
        config = EmbedConfig(max_pixels=max_pixels, batch_size=16)
        table, vectors = embed_images(
            todo.select("candidate_id", pl.col("place").alias("path")), self.encoder, folder, config
        )
        found = {}
        for candidate_id, row in table.select("candidate_id", "row").drop_nulls().iter_rows():
            expected = self.vectors[number[candidate_id]].astype(np.float32)  # [D]
            found[candidate_id] = float(expected @ vectors[row].astype(np.float32))
        return [found.get(candidate_id) for candidate_id in rows["candidate_id"]]
