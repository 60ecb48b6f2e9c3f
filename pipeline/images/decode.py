"""What a stranger's bytes are: decoded within limits, never trusted by name or declared type.

Consumers read pictures through `picture.read_picture`, which gives each of them the picture as it is shown.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from relaionet.manifests.escape import message_of
from relaionet.pipeline.images.colour import MAX_PROFILE_BYTES, PROFILE_NOTE
from relaionet.pipeline.images.png_chunks import SIGNATURE, trim_chunks

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
MAX_BYTES = 200_000_000
PILLOW = re.compile(r"PIL\b")
# each scan of a progressive JPEG goes over the whole picture; encoders make about ten, a hostile file thousands
START_OF_SCAN, MAX_SCANS, MAX_SCANNED_PIXELS = b"\xff\xda", 50, 500_000_000


class BrokenImage(ValueError):
    """Bytes that are no image within the limits; the text says why."""


class TooLarge(BrokenImage):
    """A picture of more pixels than its reader allows.

    Attributes:
        width_px: as stored.
        height_px: as stored.
    """

    def __init__(self, width_px: int, height_px: int, max_pixels: int) -> None:
        super().__init__(f"more than {max_pixels} pixels ({width_px} × {height_px})")
        self.width_px, self.height_px = width_px, height_px


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


@dataclass(frozen=True, kw_only=True)
class StoredPicture:
    """The first frame of a picture, decoded and not yet turned, managed or flattened.

    Attributes:
        image: any mode; smaller than the picture where it was decoded at reduced scale.
        data: the bytes it was made of.
        width_px: as stored, at full scale.
        height_px: as stored, at full scale.
        is_wide: the file holds 16 bits a channel.
        notes: what was left out of the decode, in words.
    """

    image: Image.Image
    data: bytes
    width_px: int
    height_px: int
    is_wide: bool
    notes: tuple[str, ...]

    @property
    def facts(self) -> ImageFacts:
        """What the file is."""
        name = str(self.image.format)
        return ImageFacts(
            format=FORMATS[name], width_px=self.width_px, height_px=self.height_px,
            is_animated=_is_animated(self.data, name),
        )  # fmt: skip


def open_image(
    source: bytes | Path, max_pixels: int, reduced_side_px: int | None = None, *, max_bytes: int = MAX_BYTES,
    is_decoded: bool = True,
) -> StoredPicture:  # fmt: skip
    """Decode the first frame of a picture.

    Args:
        source: bytes from anywhere, or a file.
        max_pixels: width × height at most, checked before decoding.
        reduced_side_px: decode a JPEG at a half, a quarter or an eighth of its size (several times faster) where its
            short side stays at least this long; None always decodes it whole.
        max_bytes: length at most.
        is_decoded: False only reads what the file says ahead of its pixels.

    Raises:
        BrokenImage: no image, an unknown format, too many bytes, pixels or scans, or truncated.
        OSError: the file cannot be read.
    """
    data = source if isinstance(source, bytes) else _read_bounded(source, max_bytes)
    if len(data) > max_bytes:
        raise BrokenImage(f"longer than {max_bytes:,} bytes")
    silence_decoders()
    trimmed = trim_chunks(data)
    image = _identify(trimmed.data, data, max_pixels)
    width_px, height_px = image.size
    profile = image.info.get("icc_profile")
    notes = trimmed.notes + ((PROFILE_NOTE,) if profile and len(profile) > MAX_PROFILE_BYTES else ())
    if reduced_side_px is not None:
        image.draft(None, (reduced_side_px, reduced_side_px))  # of other formats nothing changes
    if is_decoded:
        _load(image)
    is_wide = image.mode.startswith("I") or (data.startswith(SIGNATURE) and data[24:25] == b"\x10")
    return StoredPicture(image=image, data=data, width_px=width_px, height_px=height_px, is_wide=is_wide, notes=notes)


def _read_bounded(file: Path, max_bytes: int) -> bytes:
    with file.open("rb") as stream:
        return stream.read(max_bytes + 1)


def _identify(data: bytes, whole: bytes, max_pixels: int) -> Image.Image:
    """The picture, not decoded yet."""
    from PIL import Image, UnidentifiedImageError

    _register_formats()
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=[name for name in FORMATS if name != "MPO"])
    except UnidentifiedImageError:
        raise BrokenImage(f"not an image: {_looks_like(whole)}") from None
    except Image.DecompressionBombError:
        raise BrokenImage(f"more than {max_pixels} pixels") from None
    except DECODE_ERRORS as error:
        raise BrokenImage(f"cannot be decoded: {_one_line(error)}") from None
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise TooLarge(image.width, image.height, max_pixels)
    scans = data.count(START_OF_SCAN) if image.format in ("JPEG", "MPO") else 0
    if scans > MAX_SCANS and scans * pixels > MAX_SCANNED_PIXELS:
        raise BrokenImage(f"a JPEG of {scans} scans, which takes minutes to decode")
    return image


@cache
def _register_formats() -> None:
    """Load the decoders of our formats: Pillow would look for one it does not have yet in all of its forty modules."""
    from PIL import AvifImagePlugin, Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401  they register themselves

    Image.preinit()  # the others


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except DECODE_ERRORS as error:
        raise explain_failure(error) from None


def explain_failure(error: BaseException) -> BrokenImage:
    """What a decoder's own error says of a file."""
    if isinstance(error, BrokenImage):
        return error
    if isinstance(error, MemoryError):
        return BrokenImage(TOO_MUCH_MEMORY)
    if "truncated" in str(error).lower():
        return BrokenImage("truncated: the picture ends early")
    return BrokenImage(f"cannot be decoded: {_one_line(error)}")


def silence_decoders() -> None:
    """Keep Pillow and the libraries it brings from writing to the terminal what they think of a stranger's file."""
    ours = ("ignore", None, Warning, PILLOW, 0)
    if ours not in warnings.filters:  # for good: a filter that comes and goes is no good among threads
        warnings.filters.insert(0, ours)  # type: ignore[attr-defined]
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    _silence_libtiff()


@cache
def _silence_libtiff() -> None:
    """Keep libtiff, which Pillow brings, from writing to the terminal; what it finds wrong is raised all the same."""
    from PIL import features

    if not features.check("libtiff"):
        return
    for path in _mapped_libraries("libtiff"):
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(path)
            for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
                setter = getattr(library, name)
                setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
                setter(None)


def _mapped_libraries(name: str) -> list[str]:
    """Files of libraries this process has loaded, where the system says so (Linux)."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return sorted({line.split(maxsplit=5)[5] for line in lines if name in line and line.count("/")})


def read_facts(source: bytes | Path, max_pixels: int) -> ImageFacts:
    """Decode a picture and say what it is.

    Raises:
        BrokenImage: as for `open_image`.
    """
    return open_image(source, max_pixels).facts


def _is_animated(data: bytes, name: str) -> bool:
    from PIL import Image

    if name not in ("GIF", "PNG", "WEBP", "AVIF"):  # several pages or a second view are no animation
        return False
    try:
        with Image.open(io.BytesIO(trim_chunks(data).data), formats=[name]) as image:
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
    return message_of(error)
