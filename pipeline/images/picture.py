"""The picture as shown: one way in which every consumer gets its pictures.

A picture is the first frame of its file, decoded within limits, in sRGB, on white where it is transparent, 8 bits a
channel, upright. Encoders, hashes, screens, reviewers, pages, exports and evaluations all see those pixels.

The one other way is `read_as_published`: how published evaluation code reads files, for protocols that repeat it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relaionet.pipeline.images.colour import to_srgb
from relaionet.pipeline.images.decode import DECODE_ERRORS, StoredPicture, explain_failure, open_image

if TYPE_CHECKING:
    from PIL import Image

# a new one where any picture's pixels change; results made of pictures hold it in their digests
VERSION = "2"
ORIENTATION_TAG = 0x0112
# where nobody says otherwise: Pillow itself refuses little more
MAX_PIXELS = 178_000_000
# ways in which a file's stored pixels differ from what is shown
Oddity = Literal["turned", "transparent", "wide", "managed"]
_TURNS = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE",
    8: "ROTATE_90",
}  # fmt: skip


def read_picture(
    source: bytes | Path, *, max_pixels: int = MAX_PIXELS, reduced_side_px: int | None = None
) -> Image.Image:
    """Decode a picture as it is shown.

    Args:
        source: bytes from anywhere, or a file.
        max_pixels: width × height at most.
        reduced_side_px: decode a JPEG at a half, a quarter or an eighth of its size where its sides stay at least this
            long; None decodes it whole.

    Returns:
        RGB, upright, without metadata.

    Raises:
        BrokenImage: no picture within the limits.
        OSError: the file cannot be read.
    """
    return show_picture(open_image(source, max_pixels, reduced_side_px))


def read_as_published(source: bytes | Path, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a picture as published evaluation code does: as it is stored, by Pillow's own conversion to RGB.

    It is not turned upright, its colour profile is ignored, its transparency dropped (the colours beneath it appear),
    and grey values of 16 bits are cut off at 255.

    Args:
        source: bytes from anywhere, or a file.
        max_pixels: width × height at most.

    Returns:
        RGB.

    Raises:
        BrokenImage: no picture within the limits.
        OSError: the file cannot be read.

    Source: `Image.open(file).convert("RGB")` of torch-fidelity 0.4, clean-fid 0.1 and pytorch-fid 0.3.
    """
    image = open_image(source, max_pixels).image
    try:
        return image.convert("RGB")
    except DECODE_ERRORS as error:
        raise explain_failure(error) from None


def find_oddities(source: bytes | Path, *, max_pixels: int = MAX_PIXELS) -> frozenset[Oddity]:
    """Ways in which a picture as it is shown differs from its file as it is stored, from what the file says ahead.

    Args:
        source: bytes from anywhere, or a file.
        max_pixels: width × height at most.

    Raises:
        BrokenImage: no picture within the limits.
        OSError: the file cannot be read.
    """
    image = open_image(source, max_pixels, is_decoded=False).image
    found: dict[Oddity, bool] = {
        "turned": _orientation(image) in _TURNS,
        "transparent": image.has_transparency_data,
        "wide": image.mode.startswith("I") or image.mode == "F",
        "managed": bool(image.info.get("icc_profile")) or image.mode in ("CMYK", "LAB"),
    }
    return frozenset(name for name, is_so in found.items() if is_so)


def show_picture(picture: StoredPicture | Image.Image) -> Image.Image:
    """A decoded picture as it is shown.

    Args:
        picture: from `open_image`, or any picture of Pillow's. One that is shown already stays as it is.

    Returns:
        RGB, upright.

    Raises:
        BrokenImage: its colours, its palette or its transparency make no sense.
    """
    image, is_wide = (picture.image, picture.is_wide) if isinstance(picture, StoredPicture) else (picture, False)
    try:
        return _show(image, is_wide)
    except DECODE_ERRORS as error:
        raise explain_failure(error) from None


def _show(image: Image.Image, is_wide: bool) -> Image.Image:
    image.load()  # Pillow itself turns a TIFF upright, and says so no sooner
    turn = _TURNS.get(_orientation(image))
    colours, alpha = _split_alpha(image, is_wide)
    gamma = None if "srgb" in image.info else image.info.get("gamma")
    shown = _lay_on_white(to_srgb(colours, image.info.get("icc_profile"), gamma), alpha)
    if turn is not None:
        from PIL import Image

        shown = shown.transpose(Image.Transpose[turn])
    if shown is not image:
        shown.info = {}  # what was applied must not be applied again
    return shown


def measure_clear(picture: StoredPicture) -> float:
    """Which share of a picture's pixels is transparent rather than not, 0 to 1.

    Args:
        picture: from `open_image`.
    """
    _, alpha = _split_alpha(picture.image, picture.is_wide)
    return 0.0 if alpha is None else sum(alpha.histogram()[:128]) / (alpha.width * alpha.height)


def _orientation(image: Image.Image) -> int:
    """Of its EXIF data alone, as in browsers: XMP and texts that say something else do not count."""
    from PIL import Image

    try:
        # a TIFF is its own EXIF data, and is upright once it is loaded
        exif = image.getexif() if image.format == "TIFF" else Image.Exif()
        if image.format != "TIFF":
            exif.load(image.info.get("exif") or b"")
        return int(exif.get(ORIENTATION_TAG, 1))
    except DECODE_ERRORS:
        return 1  # EXIF data that is none


def _split_alpha(image: Image.Image, is_wide: bool) -> tuple[Image.Image, Image.Image | None]:
    """Colours (L, 1, RGB, CMYK, LAB, YCbCr or HSV) and opacity (L; None where nothing is transparent)."""
    clear = image.info.get("transparency")
    if image.mode.startswith("I") or image.mode == "F":
        return scale_wide_grey(image, clear if isinstance(clear, int) else None)
    if image.mode in ("RGB", "L") and clear is not None and not isinstance(clear, bytes):
        return image, _find_clear(image, clear, is_wide)
    if image.mode in ("LA", "La"):
        grey, alpha = image.convert("LA").split()
        return grey, _unless_opaque(alpha)
    if image.mode in ("RGBA", "RGBa", "PA") or (image.mode == "P" and image.has_transparency_data):
        *colours, alpha = image.convert("RGBA").split()
        from PIL import Image

        return Image.merge("RGB", colours), _unless_opaque(alpha)
    return (image.convert("RGB") if image.mode in ("P", "RGBX") else image), None


def scale_wide_grey(image: Image.Image, clear: int | None = None) -> tuple[Image.Image, Image.Image | None]:
    """Grey values of 16 or 32 bits or floating point in 8, which Pillow's own conversion would cut off at 255.

    Args:
        image: mode I, I;16 or F; floating point means 0 to 1 where nothing is brighter.
        clear: the value that stands for transparency.

    Returns:
        The picture in L, and its opacity (L; None where nothing is transparent).
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(image)  # [H, W]
    alpha = None if clear is None else Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))
    if image.mode == "F":
        values = np.nan_to_num(values.astype(np.float64))
        values = values * (255 if values.max(initial=0) <= 1 else 1)
    values = values.astype(np.int64)
    highest = values.max(initial=0)
    if image.mode.startswith("I;16") or highest > 255:
        values = values >> (8 if highest <= 0xFFFF else 24)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8)), alpha


def _find_clear(image: Image.Image, clear: int | tuple[int, ...], is_wide: bool) -> Image.Image:
    """Opacity of a picture that has one transparent colour."""
    import numpy as np
    from PIL import Image

    colour = np.atleast_1d(np.asarray(clear))
    colour = colour >> (8 if is_wide or colour.max() > 255 else 0)
    values = np.asarray(image).reshape(image.height, image.width, -1)
    return Image.fromarray(np.where((values == colour).all(axis=-1), 0, 255).astype(np.uint8))


def _unless_opaque(alpha: Image.Image) -> Image.Image | None:
    return None if alpha.getextrema() == (255, 255) else alpha


def _lay_on_white(image: Image.Image, alpha: Image.Image | None) -> Image.Image:
    from PIL import Image

    if alpha is None:
        return image
    return Image.composite(image, Image.new("RGB", image.size, (255, 255, 255)), alpha)
