"""What a stranger's bytes are: decoded within limits, never trusted by name or declared type.

Consumers read pictures through `picture.read_picture`, which says how each of them sees one.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

# Pillow's name -> ours, which is also the file extension; formats that run programs (EPS) are not among them
FORMATS = {
    "JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tiff",
    "AVIF": "avif",
}  # fmt: skip
# what Pillow's decoders raise on hostile bytes
DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RuntimeError, EOFError,
    MemoryError, struct.error, zlib.error,
)  # fmt: skip

TOO_MUCH_MEMORY = "decoding takes too much memory"


class BrokenImage(ValueError):
    """Bytes that are no image within the limits; the text says why."""


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """Measured on the decoded picture.

    Attributes:
        format: jpeg, png, webp, gif, bmp, tiff or avif.
        width_px: as stored, before any orientation tag is applied.
        height_px: as stored.
        is_animated: more frames follow the first one, which is the picture.
    """

    format: str
    width_px: int
    height_px: int
    is_animated: bool = False


def open_image(
    data: bytes, max_pixels: int, reduced_side_px: int | None = None, *, scales_wide_grey: bool = True
) -> Image.Image:
    """Decode the first frame of a picture.

    Args:
        data: bytes from anywhere.
        max_pixels: width × height at most, checked before decoding.
        reduced_side_px: decode a JPEG at a half, a quarter or an eighth of its size (several times faster) where its
            short side stays at least this long; None always decodes it whole.
        scales_wide_grey: bring grey values of 16 or 32 bits to 8.

    Raises:
        BrokenImage: no image, an unknown format, too many pixels, or truncated.
    """
    from PIL import Image, UnidentifiedImageError

    names = [name for name in FORMATS if name != "MPO"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image: Image.Image = Image.open(io.BytesIO(data), formats=names)
        except UnidentifiedImageError:
            raise BrokenImage(f"not an image: {_looks_like(data)}") from None
        except Image.DecompressionBombError:
            raise BrokenImage(f"more than {max_pixels} pixels") from None
        except DECODE_ERRORS as error:
            raise BrokenImage(f"cannot be decoded: {_one_line(error)}") from None
        if image.width * image.height > max_pixels:
            raise BrokenImage(f"more than {max_pixels} pixels")
        if reduced_side_px is not None:
            image.draft(None, (reduced_side_px, reduced_side_px))  # of other formats nothing changes
        try:
            image.load()
            if scales_wide_grey:
                image = scale_wide_grey(image)
        except DECODE_ERRORS as error:
            if "truncated" in str(error).lower():
                raise BrokenImage("truncated: the picture ends early") from None
            if isinstance(error, MemoryError):
                raise BrokenImage(TOO_MUCH_MEMORY) from None
            raise BrokenImage(f"cannot be decoded: {_one_line(error)}") from None
    return image


def open_any(source: bytes | Path) -> Image.Image:
    """Open a picture of any format Pillow knows, with Pillow's own limits; it is decoded when it is first used.

    Args:
        source: bytes, or a file, which stays open until the picture is closed.

    Raises:
        BrokenImage: so many pixels that Pillow refuses it.
        OSError: no picture, or the file cannot be read.
    """
    from PIL import Image

    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except Image.DecompressionBombError as error:
        raise BrokenImage(str(error)) from None


def scale_wide_grey(image: Image.Image) -> Image.Image:
    """A grey picture of 16 or 32 bits in 8, which Pillow's own conversion would cut off at 255; others as they are.

    Args:
        image: decoded, any mode.
    """
    import numpy as np
    from PIL import Image

    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.int64)  # [H, W]
    if image.mode.startswith("I;16") or values.max(initial=0) > 255:
        values >>= 8 if values.max(initial=0) <= 0xFFFF else 24
    grey = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    grey.format, grey.info = image.format, image.info
    return grey


def read_facts(data: bytes, max_pixels: int) -> ImageFacts:
    """Decode a picture and say what it is.

    Raises:
        BrokenImage: as for `open_image`.
    """
    with open_image(data, max_pixels) as image:
        return facts_of(image, data)


def facts_of(image: Image.Image, data: bytes) -> ImageFacts:
    """What a decoded picture is.

    Args:
        image: from `open_image`.
        data: the bytes it was made of.
    """
    name = str(image.format)
    return ImageFacts(
        format=FORMATS[name], width_px=image.width, height_px=image.height, is_animated=_is_animated(data, name)
    )


def _is_animated(data: bytes, name: str) -> bool:
    from PIL import Image

    if name not in ("GIF", "PNG", "WEBP", "AVIF"):  # several pages or a second view are no animation
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=[name]) as image:
                return bool(getattr(image, "is_animated", False))
        except (*DECODE_ERRORS, Image.DecompressionBombError):
            return False


def _looks_like(data: bytes) -> str:
    start = data[:512].lstrip().lower()
    if not data:
        return "no bytes"
    if b"<svg" in start:
        return "SVG"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in start:
        return "an HTML page"
    for beginning, name in (
        (b"\x1f\x8b", "gzip"), (b"pk\x03\x04", "a ZIP archive"), (b"%pdf", "a PDF"), (b"<?xml", "XML"), (b"{", "JSON"),
        (b"%!ps", "PostScript"), (b"\x00\x00\x01\x00", "an icon"), (b"\x00\x00\x00\x0cjp", "JPEG 2000"),
    ):  # fmt: skip
        if start.startswith(beginning):
            return name
    if data[4:8] == b"ftyp":
        return "HEIF" if data[8:12] in (b"heic", b"heix", b"mif1", b"heif") else "a film"
    try:
        text = data[:512].decode("utf-8")
    except UnicodeDecodeError:
        return "unknown bytes"
    return "text" if all(char.isprintable() or char.isspace() for char in text) else "unknown bytes"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
