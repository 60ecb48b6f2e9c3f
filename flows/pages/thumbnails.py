"""Thumbnails of pages, made once each and kept within the page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np

from relaionet.flows.pages.evaluation.contents import Picture
from relaionet.manifests.errors import BadInput


class _Thumbnails:
    """Thumbnails of files are made once, however often the page shows them."""

    def __init__(self, size_px: int) -> None:
        self._size_px = size_px
        self._made: dict[Path, str] = {}

    def __call__(self, picture: Picture) -> str:
        if isinstance(picture.image, np.ndarray):
            return make_thumbnail(picture.image, self._size_px)
        if picture.image not in self._made:
            self._made[picture.image] = make_thumbnail(picture.image, self._size_px)
        return self._made[picture.image]


def make_thumbnail(image: np.ndarray | Path, size_px: int) -> str:
    """A picture as a data URI: PNG where it is small enough to keep every pixel, else WebP.

    Args:
        image: [H, W, 3] uint8 RGB or a file.
        size_px: longest side.

    Raises:
        BadInput: the file cannot be read as an image.
    """
    from PIL import Image

    try:
        picture = Image.fromarray(image) if isinstance(image, np.ndarray) else Image.open(image)
        picture = picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput(f"the report cannot show {image}: {error}.") from None
    small = max(picture.size) <= 48
    picture.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
    kind, options = ("png", {"optimize": True}) if small else ("webp", {"quality": 82, "method": 4})
    data = io.BytesIO()
    picture.save(data, kind.upper(), **options)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
