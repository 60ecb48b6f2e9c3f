"""What the screens ask of a picture's embedding: classifiers that the recipe names, and the encoder's own texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.embeddings.encoders import Encoder, logit_scale_of
from relaionet.pipeline.screens.config import ScreenConfig
from relaionet.pipeline.screens.heads import Head, load_head

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


PHOTO = "photo"


KINDS: Mapping[str, Sequence[str]] = {
    PHOTO: ("a photo", "a photograph of a real thing", "a snapshot", "a product photo on a white background"),
    "drawing": ("a drawing", "a cartoon", "clip art", "a vector illustration", "a sketch", "a colouring page"),
    "painting": ("a painting", "a watercolour", "an oil painting"),
    "rendering": ("a 3d rendering", "computer graphics", "a scene from a video game"),
    "logo": ("a logo", "an icon", "an emblem"),
    "screenshot": ("a screenshot", "a web page", "a diagram", "a chart", "a map"),
    "text": ("a page of text", "a poster with words", "a book cover", "a sign with the name written on it"),
}


UNSAFE: Mapping[str, Sequence[str]] = {
    "safe": ("a photo", "a photo of an animal", "a photo of a thing", "a photo of people with clothes on", "food"),
    "unsafe": ("a photo of naked people", "pornography", "a photo of gore, a wounded body"),
}


@dataclass(frozen=True, eq=False)
class TextKinds:
    """Kinds of pictures, each by some texts.

    Attributes:
        names: of the K kinds.
        vectors: [T, D] unit rows of all texts.
        kind_of: [T] which kind each text stands for.
        scale: factor from cosines to logits.
    """

    names: tuple[str, ...]
    vectors: np.ndarray
    kind_of: np.ndarray
    scale: float

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """[N, D] unit rows -> [N, K] probabilities: softmax over the kinds' mean logits.

        Source: Radford et al. 2021 (CLIP), section 3.1; the mean over prompts is that of section 3.1.4.
        """
        import numpy as np

        logits = self.scale * (np.asarray(rows, dtype=np.float32) @ self.vectors.T).astype(np.float64)  # [N, T]
        # the mean over a kind's texts, so that a kind does not win by having more of them
        kinds = range(len(self.names))
        means = np.stack([logits[:, self.kind_of == kind].mean(axis=1) for kind in kinds], axis=1)
        odds = np.exp(means - means.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def embed_kinds(encoder: Encoder, kinds: Mapping[str, Sequence[str]] = KINDS) -> TextKinds:
    """Embed the texts of kinds.

    Args:
        encoder: from `load_encoder`.
        kinds: name -> texts.

    Raises:
        BadInput: there are fewer than two kinds, or one has no text.
    """
    import numpy as np

    if len(kinds) < 2 or not all(kinds.values()):
        raise BadInput("kinds of pictures: at least two kinds are needed, each with at least one text.")
    texts = [text for of_kind in kinds.values() for text in of_kind]
    kind_of = [place for place, of_kind in enumerate(kinds.values()) for _ in of_kind]
    rows = np.asarray(encoder.encode_texts(texts), dtype=np.float32)
    return TextKinds(tuple(kinds), rows, np.array(kind_of), logit_scale_of(encoder))
