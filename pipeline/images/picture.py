"""How every consumer gets its pictures: one function that reads them, and one value per consumer that says how.

What a consumer sees of a file (turned upright or as stored, transparent parts on white or not at all, colours as they
stand or in sRGB) is said here and nowhere else. A picture is always the first frame of its file.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relaionet.pipeline.images.decode import BrokenImage, open_any, open_image, scale_wide_grey

if TYPE_CHECKING:
    from PIL import Image

ORIENTATION_TAG = 0x0112

Alpha = Literal["as stored", "dropped", "pasted on white", "laid over white"]
Mode = Literal["as stored", "RGB", "L"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How one consumer reads pictures.

    Attributes:
        is_guarded: only formats of `decode.FORMATS`, whole, with a stated number of pixels at most; else whatever
            Pillow opens, as it opens it.
        scales_wide_grey: grey values of 16 or 32 bits are scaled to 8; else Pillow cuts them off at 255.
        is_upright: the EXIF orientation is applied.
        is_in_srgb: the ICC profile in the file is applied.
        alpha: what becomes of transparency. Dropped, the colours beneath it appear. The two ways onto white differ
            in rounding, and in what they take for transparent.
        mode: Pillow's mode of the result.
        max_pixels: width × height at most; None where the caller states it, or Pillow's own limit holds.
        max_side_px: of the longer side; None has no limit.
        reduced_side_px: decode a JPEG at a half, a quarter or an eighth of its size where its sides stay at least this
            long; None decodes it whole, unless the caller says otherwise.
    """

    is_guarded: bool
    scales_wide_grey: bool
    is_upright: bool = False
    is_in_srgb: bool = False
    alpha: Alpha = "as stored"
    mode: Mode = "as stored"
    max_pixels: int | None = None
    max_side_px: int | None = None
    reduced_side_px: int | None = None


# facts (format, sides), and what several of the readings below are then shaped from
AS_STORED = Reading(is_guarded=True, scales_wide_grey=True)
FOR_ENCODER = Reading(is_guarded=True, scales_wide_grey=True, alpha="dropped", mode="RGB")
FOR_PHASH = Reading(is_guarded=True, scales_wide_grey=True, is_upright=True)
FOR_THUMBNAIL_HASH = Reading(is_guarded=True, scales_wide_grey=True, is_upright=True, alpha="dropped", mode="RGB")
# small grey prints, by which duplicates and references are laid over each other
FOR_PRINTS = Reading(is_guarded=True, scales_wide_grey=True, is_upright=True, alpha="dropped", mode="L")
FOR_SCREENS = Reading(is_guarded=True, scales_wide_grey=True, is_upright=True, alpha="pasted on white", mode="RGB")
FOR_TEXT_READING = Reading(is_guarded=True, scales_wide_grey=True, is_upright=True, alpha="dropped", mode="RGB")
FOR_PAGES = Reading(is_guarded=True, scales_wide_grey=True, is_upright=True, alpha="dropped", mode="RGB")
FOR_EVALUATION_PAGES = Reading(is_guarded=False, scales_wide_grey=False, alpha="dropped", mode="RGB")
FOR_REVIEW = Reading(
    is_guarded=False, scales_wide_grey=False, is_upright=True, is_in_srgb=True, alpha="laid over white", mode="RGB",
)  # fmt: skip
# the picture as it is shown, for notebooks (`relaionet.Split`)
AS_SHOWN = Reading(
    is_guarded=True, scales_wide_grey=True, is_upright=True, is_in_srgb=True, alpha="laid over white", mode="RGB",
    max_pixels=200_000_000,
)  # fmt: skip
FOR_EVALUATION = Reading(
    is_guarded=False, scales_wide_grey=False, alpha="dropped", mode="RGB", max_pixels=200_000_000
)  # fmt: skip
# pictures that generators made
FOR_SAMPLES = Reading(is_guarded=False, scales_wide_grey=False, alpha="dropped", mode="RGB", max_side_px=4096)
FOR_RATERS = Reading(is_guarded=False, scales_wide_grey=False, alpha="dropped", mode="RGB")
# bytes this project encoded itself a moment ago
OWN = Reading(is_guarded=False, scales_wide_grey=False)


class TooLarge(BrokenImage):
    """A picture with more pixels than its reading allows.

    Attributes:
        width_px: as stored.
        height_px: as stored.
    """

    def __init__(self, width_px: int, height_px: int) -> None:
        super().__init__(f"{width_px} × {height_px} pixels")
        self.width_px, self.height_px = width_px, height_px


def read_picture(
    source: bytes | Path, reading: Reading, *, max_pixels: int | None = None, reduced_side_px: int | None = None
) -> Image.Image:
    """Decode a picture as a consumer gets it.

    Args:
        source: bytes from anywhere, or a file.
        reading: of the consumer.
        max_pixels: width × height at most, instead of the reading's; guarded readings that state none need it.
        reduced_side_px: instead of the reading's.

    Raises:
        BrokenImage: no picture within the limits; `TooLarge` where its sides are known and a reading without a guard
            limits them.
        OSError: the file cannot be read; without a guard also what Pillow says of bytes that are no picture, as it
            does by SyntaxError and ValueError.
    """
    if reading.is_guarded:
        return shape_picture(open_picture(source, reading, max_pixels, reduced_side_px), reading)
    with open_any(source) as image:
        _check_sides(image, reading, max_pixels)
        side = reduced_side_px or reading.reduced_side_px
        if side is not None and image.format == "JPEG":
            image.draft(None, (side, side))  # decodes a huge one at a fraction of its size
        image.load()
        return shape_picture(scale_wide_grey(image) if reading.scales_wide_grey else image, reading)


def open_picture(
    source: bytes | Path, reading: Reading, max_pixels: int | None = None, reduced_side_px: int | None = None
) -> Image.Image:
    """Decode a picture as a guarded reading does, but not shaped yet, for whoever shapes it in more than one way.

    Args:
        source: bytes from anywhere, or a file.
        reading: a guarded one.
        max_pixels: width × height at most, instead of the reading's.
        reduced_side_px: instead of the reading's.

    Raises:
        BrokenImage: no picture within the limits.
        OSError: the file cannot be read.
        ValueError: nobody states a number of pixels.
    """
    limit = max_pixels or reading.max_pixels
    if limit is None:
        raise ValueError("a guarded reading needs max_pixels.")
    data = source.read_bytes() if isinstance(source, Path) else source
    return open_image(
        data, limit, reduced_side_px or reading.reduced_side_px, scales_wide_grey=reading.scales_wide_grey
    )


def _check_sides(image: Image.Image, reading: Reading, max_pixels: int | None) -> None:
    limit = max_pixels or reading.max_pixels
    too_many = limit is not None and image.width * image.height > limit
    if too_many or (reading.max_side_px is not None and max(image.size) > reading.max_side_px):
        raise TooLarge(image.width, image.height)


def shape_picture(image: Image.Image, reading: Reading) -> Image.Image:
    """A decoded picture as a consumer gets it.

    Args:
        image: any mode; it may have been shaped before.
        reading: of the consumer.
    """
    if reading.is_upright:
        image = make_upright(image)
    if reading.is_in_srgb:
        image = _in_srgb(image)
    if reading.alpha == "laid over white":
        image = _lay_over_white(image)
    elif reading.alpha == "pasted on white":
        image = _paste_on_white(image)
    return image if reading.mode == "as stored" else image.convert(reading.mode)


def make_upright(image: Image.Image) -> Image.Image:
    """The picture as it is shown: its EXIF orientation applied, which servers that re-encode do for good.

    Args:
        image: decoded, any mode; returned as it is where it has no orientation.
    """
    from PIL import ImageOps

    try:
        turned = image.getexif().get(ORIENTATION_TAG, 1) != 1
    except (OSError, SyntaxError, ValueError, LookupError, TypeError):  # EXIF data that is none
        return image
    return ImageOps.exif_transpose(image) if turned else image


def _in_srgb(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    try:
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        made = ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return made or image


def _lay_over_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    if not image.has_transparency_data:
        return image
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)


def find_alpha(image: Image.Image) -> Image.Image | None:
    """The opacity of each pixel, mode L; None where the picture has no transparency.

    Args:
        image: decoded, any mode.
    """
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return None
    return image.convert("RGBA").getchannel("A")


def _paste_on_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    alpha = find_alpha(image)
    if alpha is None:
        return image
    ground = Image.new("RGB", image.size, (255, 255, 255))
    ground.paste(image.convert("RGBA").convert("RGB"), mask=alpha)
    return ground
