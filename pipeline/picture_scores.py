"""What the screens ask of a picture's embedding: classifiers that the recipe names, and the encoder's own texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from relaionet.pipeline.embedding_heads import Head, load_head
from relaionet.pipeline.encoders import Encoder
from relaionet.pipeline.picture_kinds import PHOTO, UNSAFE, TextKinds, embed_kinds
from relaionet.pipeline.screen_config import ScreenConfig

if TYPE_CHECKING:
    import numpy as np

SCORES = {
    "unsafe_score": pl.Float32, "watermark_score": pl.Float32, "kind": pl.String, "photo_score": pl.Float32,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Scorers:
    """What is asked of embeddings; each None where the recipe does not ask for it.

    Attributes:
        unsafe: classifier of unsafe pictures.
        watermark: classifier of watermarks.
        unsafe_texts: the same by the encoder's own texts.
        kinds: texts of kinds of pictures.
    """

    unsafe: Head | None = None
    watermark: Head | None = None
    unsafe_texts: TextKinds | None = None
    kinds: TextKinds | None = None

    def score(self, vectors: np.ndarray) -> dict[str, pl.Series]:
        """[N, D] unit rows -> the columns of SCORES, null where not asked."""
        values: dict[str, pl.Series] = {}
        if self.unsafe is not None:
            values["unsafe_score"] = pl.Series(self.unsafe.score(vectors))
        elif self.unsafe_texts is not None:
            values["unsafe_score"] = pl.Series(self.unsafe_texts.probabilities(vectors)[:, 1])
        if self.watermark is not None:
            values["watermark_score"] = pl.Series(self.watermark.score(vectors))
        if self.kinds is not None:
            chances = self.kinds.probabilities(vectors)  # [N, K]
            names = self.kinds.names
            values["kind"] = pl.Series([names[place] for place in chances.argmax(axis=1)], dtype=pl.String)
            values["photo_score"] = pl.Series(chances[:, names.index(PHOTO)])
        nulls = {name: pl.Series([None] * len(vectors), dtype=kind) for name, kind in SCORES.items()}
        return nulls | values


def load_scorers(config: ScreenConfig, encoder: Encoder) -> Scorers:
    """Load what the recipe asks of embeddings.

    Raises:
        BadInput: a head cannot be read or belongs to another encoder.
    """
    heads = {
        name: load_head(asked.head, encoder, fingerprint=asked.head_fingerprint, outputs=asked.head_outputs)
        for name, asked in (("unsafe", config.unsafe), ("watermark", config.watermark))
        if asked.head is not None
    }
    ask_unsafe = config.unsafe.ask_encoder and config.unsafe.head is None
    return Scorers(
        unsafe=heads.get("unsafe"),
        watermark=heads.get("watermark"),
        unsafe_texts=embed_kinds(encoder, UNSAFE) if ask_unsafe else None,
        kinds=embed_kinds(encoder) if config.drawing.ask_encoder else None,
    )
