"""Small picture files of every oddity that readings differ in; the same bytes on every machine."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageCms

WIDTH, HEIGHT = 48, 32


def smooth(channels: int) -> np.ndarray:
    """[H, W, channels] uint8, another slope in each channel, so that no turn leaves it as it is."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [(5 * x + 3 * y) % 256, (7 * y + x) % 256, (2 * x * y // 7) % 256, (255 - 5 * x - y) % 256]
    return np.stack(planes[:channels], axis=-1).astype(np.uint8)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_orientation(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


def odd_files() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each."""
    rgb, rgba = Image.fromarray(smooth(3)), Image.fromarray(smooth(4))
    grey = Image.fromarray(smooth(1)[:, :, 0])
    wide = smooth(1)[:, :, 0].astype(np.uint16) * 257
    for number in (2, 3, 4, 5, 6, 7, 8):
        yield f"orientation {number}", encode(rgb, "PNG", exif=with_orientation(number))
    yield "plain", encode(rgb, "PNG")
    yield "alpha, turned", encode(rgba, "PNG", exif=with_orientation(6))
    yield "grey with alpha", encode(rgba.convert("LA"), "PNG")
    yield "palette", encode(rgb.quantize(16, dither=Image.Dither.NONE), "PNG")
    yield "palette with a clear colour", encode(rgb.quantize(16, dither=Image.Dither.NONE), "PNG", transparency=3)
    yield "clear colour", encode(rgb, "PNG", transparency=tuple(smooth(3)[4, 7].tolist()))
    yield "16 bit grey", encode(Image.fromarray(wide), "PNG")
    yield "16 bit grey, TIFF", encode(Image.fromarray(wide), "TIFF")
    yield "32 bit grey", encode(Image.fromarray(wide.astype(np.int32) * 5), "TIFF")
    yield "bilevel", encode(grey.point(lambda value: 255 * (value > 99)).convert("1"), "PNG")
    yield "CMYK", encode(Image.frombytes("CMYK", (WIDTH, HEIGHT), smooth(4).tobytes()), "TIFF")
    yield (
        "animated",
        encode(rgb.quantize(8), "GIF", save_all=True, append_images=[rgb.rotate(180).quantize(8)], transparency=2),
    )
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield "profile", encode(rgb, "PNG", icc_profile=profile)
    yield "grey JPEG", encode(grey.resize((4 * WIDTH, 4 * HEIGHT)), "JPEG", quality=90)
    yield (
        "grey JPEG of two views",
        encode(grey.resize((4 * WIDTH, 4 * HEIGHT)), "MPO", save_all=True, append_images=[grey.rotate(180)]),
    )
