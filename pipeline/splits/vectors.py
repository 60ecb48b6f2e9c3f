"""Embeddings a release holds of its pictures, compared with those of the pictures now served."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.containers.parquet_table import read_guarded
from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.release import VECTORS_FILE, Release
from relaionet.manifests.tables import PICTURE_VECTORS, shape_table

if TYPE_CHECKING:
    import numpy as np

    from relaionet.pipeline.embeddings.encoders import Encoder


# rounding to float16 moves the length of a unit row by less
MAX_NORM_ERROR = 0.01


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

        from relaionet.pipeline.embeddings.embed import EmbedConfig, embed_images

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


def make_vectors(ids: list[str], vectors: np.ndarray, encoder: Encoder) -> pl.DataFrame:
    """PICTURE_VECTORS to ship with a release.

    Args:
        ids: candidate_id of each row.
        vectors: [N, D] unit rows.
        encoder: that made them.
    """
    import numpy as np

    rows = np.asarray(vectors, dtype=np.float16).astype(np.float32)
    table = pl.DataFrame(
        {"candidate_id": ids, "vector": pl.Series(rows.tolist(), dtype=pl.List(pl.Float32))},
        schema_overrides={"candidate_id": pl.String},
    )
    told = table.with_columns(encoder=pl.lit(encoder.name), fingerprint=pl.lit(encoder.fingerprint))
    return shape_table(told, PICTURE_VECTORS)


def read_vectors(release: Release, encoder: Encoder) -> PictureVectors:
    """The embeddings a release ships, to be compared with those of an encoder on this machine.

    Args:
        release: from `check_release`.
        encoder: the one the release names.

    Raises:
        BadInput: the release ships none, or another encoder made them.
    """
    import numpy as np

    if VECTORS_FILE not in release.info.files:
        raise BadInput(f"{release.info.full_name} ships no embeddings ({VECTORS_FILE}); leave --encoder out.")
    table = shape_table(read_guarded(release.path / VECTORS_FILE)[0], PICTURE_VECTORS)
    made = set(table.select("encoder", "fingerprint").unique().iter_rows())
    if made != {(encoder.name, encoder.fingerprint)}:
        told = ", ".join(sorted(f"'{name}' ({fingerprint:.12})" for name, fingerprint in made)) or "none"
        raise BadInput(
            f"the embeddings of {release.info.full_name} were made by {told}; --encoder gives '{encoder.name}' "
            f"({encoder.fingerprint:.12}), whose vectors mean something else."
        )
    if set(table["vector"].list.len()) != {encoder.dim}:
        raise BadInput(f"{release.path / VECTORS_FILE}: rows are not of the encoder's {encoder.dim} dimensions.")
    # not through Python's lists, which take ten times the room
    vectors = table["vector"].explode().to_numpy().astype(np.float32).reshape(-1, encoder.dim)  # [N, D]
    if not (np.abs(np.linalg.norm(vectors, axis=1) - 1) < MAX_NORM_ERROR).all():  # false for NaN, which nulls become
        raise BadInput(f"{release.path / VECTORS_FILE}: a row is no unit vector.")
    return PictureVectors(ids=table["candidate_id"].to_list(), vectors=vectors, encoder=encoder)
