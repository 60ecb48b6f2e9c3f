"""What a stranger's bytes are: decoded within limits, never trusted by name or declared type."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
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


class BrokenImage(ValueError):
    """Bytes that are no image within the limits; the text says why."""


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """Measured on the decoded picture.

    Attributes:
        format: jpeg, png, webp, gif, bmp, tiff or avif.
        width_px: as stored, before any orientation tag is applied.
        height_px: as stored.
    """

    format: str
    width_px: int
    height_px: int


def open_image(data: bytes, max_pixels: int) -> Image.Image:
    """Decode the first frame of a picture.

    Args:
        data: bytes from anywhere.
        max_pixels: width × height at most, checked before decoding.

    Raises:
        BrokenImage: no image, an unknown format, too many pixels, or truncated.
    """
    from PIL import Image, UnidentifiedImageError

    names = [name for name in FORMATS if name != "MPO"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=names)
        except UnidentifiedImageError:
            raise BrokenImage(f"not an image: {_looks_like(data)}") from None
        except Image.DecompressionBombError:
            raise BrokenImage(f"more than {max_pixels} pixels") from None
        except DECODE_ERRORS as error:
            raise BrokenImage(f"cannot be decoded: {_one_line(error)}") from None
        if image.width * image.height > max_pixels:
            raise BrokenImage(f"more than {max_pixels} pixels")
        try:
            image.load()
        except DECODE_ERRORS as error:
            if "truncated" in str(error).lower():
                raise BrokenImage("truncated: the picture ends early") from None
            raise BrokenImage(f"cannot be decoded: {_one_line(error)}") from None
    return image


def read_facts(data: bytes, max_pixels: int) -> ImageFacts:
    """Decode a picture and say what it is.

    Raises:
        BrokenImage: as for `open_image`.
    """
    with open_image(data, max_pixels) as image:
        return ImageFacts(format=FORMATS[str(image.format)], width_px=image.width, height_px=image.height)


def _looks_like(data: bytes) -> str:
    start = data[:512].lstrip().lower()
    if not data:
        return "no bytes"
    if b"<svg" in start:
        return "SVG"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    return "unknown bytes"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
