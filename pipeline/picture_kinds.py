"""What kind of picture an encoder takes a picture for, by texts: photo, drawing, rendering and others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.encoders import Encoder, logit_scale_of

if TYPE_CHECKING:
    import numpy as np

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
