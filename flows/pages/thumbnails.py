"""Thumbnails of pages: small pictures kept within the page as data URIs, whatever page shows them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.images.decode import BrokenImage
from relaionet.pipeline.images.files import stored_path
from relaionet.pipeline.images.picture import read_picture

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 179_000_000
KEPT_PX = 48  # pictures up to this side keep every pixel
MOSAIC_CELLS = 8  # of the shorter side: colours without content


@dataclass(frozen=True, kw_only=True)
class PagePicture:
    """A picture of a page.

    Attributes:
        image: [H, W, 3] uint8 RGB, or a file Pillow reads.
        alt: what it shows, for readers who cannot see it; escaped.
        note: shown on hover (a caption, an id); escaped.
        mark: shown beneath (a number of this one picture); escaped.
    """

    image: np.ndarray | Path
    alt: str
    note: str = ""
    mark: str = ""


class Thumbnails:
    """Thumbnails of one page; those of files are made once, however often the page shows them.

    Args:
        size_px: longest side.
    """

    def __init__(self, size_px: int) -> None:
        self._size_px = size_px
        self._made: dict[Path, str] = {}

    def __call__(self, picture: PagePicture) -> str:
        """The picture as a data URI.

        Raises:
            BadInput: its file cannot be read as an image.
        """
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
        picture = read_picture(image) if isinstance(image, Path) else Image.fromarray(image).convert("RGB")
    except (OSError, ValueError) as error:
        raise BadInput(f"the report cannot show {image}: {error}.") from None
    small = max(picture.size) <= KEPT_PX
    picture.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
    return _to_uri(picture, "png", optimize=True) if small else _to_uri(picture, "webp", quality=82, method=4)


def show_stored(
    folder: Path | None, path: str | None, size_px: int, *, max_pixels: int = MAX_PIXELS, mosaic: bool = False
) -> str | None:
    """A stored picture as it is shown, small, as the data URI of a JPEG.

    Args:
        folder: of the pictures; None where it is not known.
        path: of the picture in it; None where it has none.
        size_px: longest side.
        max_pixels: width × height at most.
        mosaic: of a few cells, so that nobody has to look at it.

    Returns:
        None where the picture is not known, lies outside the folder, or cannot be read any more.
    """
    if folder is None or path is None:
        return None
    try:
        place = stored_path(folder, path)
        picture = read_picture(place, max_pixels=max_pixels, reduced_side_px=size_px)
    except (OSError, BrokenImage, BadInput):
        return None
    picture.thumbnail((size_px, size_px))
    return _to_uri(_blur(picture) if mosaic else picture, "jpeg", quality=80)


def embed_file(path: Path) -> str | None:
    """A PNG or SVG of ours as a data URI, as it is; None where it is not there."""
    if not path.is_file():
        return None
    return embed_bytes(path.read_bytes(), "svg+xml" if path.suffix == ".svg" else path.suffix.removeprefix("."))


def embed_bytes(data: bytes, kind: str) -> str:
    """The bytes of a picture as a data URI.

    Args:
        data: of the picture.
        kind: `png`, `webp`, `jpeg` or `svg+xml`.
    """
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _to_uri(picture: Image.Image, kind: str, **options: Any) -> str:
    data = io.BytesIO()
    picture.save(data, kind.upper(), **options)
    return embed_bytes(data.getvalue(), kind)


def _blur(picture: Image.Image) -> Image.Image:
    from PIL import Image

    scale = MOSAIC_CELLS / min(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    cells = picture.resize((width, height), Image.Resampling.BOX)
    return cells.resize(picture.size, Image.Resampling.NEAREST)
