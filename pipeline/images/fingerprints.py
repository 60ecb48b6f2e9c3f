"""Fingerprints of a picture: a perceptual hash and a thumbnail hash, in every version that releases hold.

version 1   of the whole picture, upright, transparency dropped, colours as they stand
version 2   of the picture as it is shown; a JPEG is decoded at a half, a quarter or an eighth of its size, and what is
            still large is brought to a whole part of its size by means of boxes; its sides stay at least 128 px

A release says of each row which version its fingerprints are, and is verified by that version for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from relaionet.manifests.tables.releases import FINGERPRINT_VERSIONS
from relaionet.pipeline.images.decode import DECODE_ERRORS, ImageFacts, StoredPicture, explain_failure, open_image
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.picture import ORIENTATION_TAG, scale_wide_grey, show_picture
from relaionet.pipeline.images.thumbnail_hash import thumbprint_hex

if TYPE_CHECKING:
    from PIL import Image

VERSION = max(FINGERPRINT_VERSIONS)
REDUCED_SIDE_PX = 128


@dataclass(frozen=True, kw_only=True)
class Fingerprints:
    """What a picture is, and by what it is known again.

    Attributes:
        facts: of its file.
        phash: 16 hex digits.
        thumbprint: 768 hex digits.
        notes: what was left out of the decode, in words.
    """

    facts: ImageFacts
    phash: str
    thumbprint: str
    notes: tuple[str, ...] = ()


def take_fingerprints(source: bytes | Path, max_pixels: int, version: int = VERSION) -> Fingerprints:
    """Decode a picture and take its fingerprints.

    Args:
        source: bytes from anywhere, or a file.
        max_pixels: width × height at most.
        version: one of `FINGERPRINT_VERSIONS`.

    Raises:
        BrokenImage: no picture within the limits.
        OSError: the file cannot be read.
        ValueError: there is no such version.
    """
    if version not in FINGERPRINT_VERSIONS:
        raise ValueError(f"fingerprints of version {version}: expected one of {FINGERPRINT_VERSIONS}.")
    stored = open_image(source, max_pixels, REDUCED_SIDE_PX if version > 1 else None)
    try:
        shown = _show(stored, version)
        phash, thumbprint = phash_hex(shown), thumbprint_hex(shown)
    except DECODE_ERRORS as error:
        raise explain_failure(error) from None
    return Fingerprints(facts=stored.facts, phash=phash, thumbprint=thumbprint, notes=stored.notes)


def take_phash(data: bytes, max_pixels: int) -> tuple[ImageFacts, str]:
    """The facts of a picture and the perceptual hash of the newest version alone, in half the time of all of them.

    Args:
        data: bytes from anywhere.
        max_pixels: width × height at most.

    Raises:
        BrokenImage: no picture within the limits.
    """
    stored = open_image(data, max_pixels, REDUCED_SIDE_PX)
    return stored.facts, phash_hex(_show(stored, VERSION))


def _show(stored: StoredPicture, version: int) -> Image.Image:
    if version > 1:
        shown = show_picture(stored)
        factor = min(shown.size) // REDUCED_SIDE_PX
        return shown.reduce(factor) if factor > 1 else shown
    image = stored.image
    return _turn(scale_wide_grey(image)[0] if image.mode.startswith("I") else image, of=image)


def _turn(image: Image.Image, *, of: Image.Image) -> Image.Image:
    from PIL import ImageOps

    try:
        number = of.getexif().get(ORIENTATION_TAG, 1)
    except (OSError, SyntaxError, ValueError, LookupError, TypeError):  # EXIF data that is none
        return image
    image.info = of.info
    return ImageOps.exif_transpose(image) if number != 1 else image
