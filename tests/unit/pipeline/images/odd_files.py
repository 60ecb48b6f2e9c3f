"""Small picture files of every oddity that programs read differently, each with what it shows.

What a file shows is known from how it was made, not from a decoder: it is drawn as it is to be seen, and stored oddly.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

WIDTH, HEIGHT = 96, 64
TURNED_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip


class OddFile(NamedTuple):
    """A file and what is seen of it.

    Attributes:
        name: says what is odd.
        data: its bytes.
        shown: [H, W, 3] uint8, as it is to be seen.
        tolerance: grey levels by which the mean of the differences may exceed zero (lossy files, other arithmetic).
    """

    name: str
    data: bytes
    shown: np.ndarray
    tolerance: float = 0.0


def smooth(channels: int) -> np.ndarray:
    """[H, W, channels] uint8, another slope in each channel, so that no turn leaves it as it is."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [2 * x + y // 2, 3 * y + x // 2, (x * y) // 25, 255 - 2 * x - y // 2]
    return np.stack(planes[:channels], axis=-1).clip(0, 255).astype(np.uint8)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_orientation(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def insert_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    return png[:33] + chunk(name, body) + png[33:]


def wide_png(values: np.ndarray, kind: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16 bits: [H, W, C] uint16, colour type 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA."""
    height, width = values.shape[:2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    more = b"".join(chunk(*one) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:].astype(np.float64) / 255
    return (rgba[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)


def grey_to_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)


@cache
def swapped_profile() -> bytes:
    """A profile that says that red is green, green is blue and blue is red: nobody overlooks that it was applied."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    places = {}
    for number in range(struct.unpack(">I", data[128:132])[0]):
        at = 132 + 12 * number
        places[bytes(data[at : at + 4])] = at
    tags = [bytes(data[places[name] + 4 : places[name] + 12]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    for name, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), tags[1:] + tags[:1], strict=True):
        data[places[name] + 4 : places[name] + 12] = value
    return bytes(data)


@cache
def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def odd_files() -> Iterator[OddFile]:
    """Each of them."""
    yield from _turned()
    yield from _transparent()
    yield from _deep()
    yield from _coloured()
    yield from _framed()
    yield from _overgrown()


def _turned() -> Iterator[OddFile]:
    shown = smooth(3)
    for number, back in TURNED_BACK.items():
        stored, exif = Image.fromarray(shown).transpose(back), with_orientation(number)
        yield OddFile(f"orientation {number}", encode(stored, "PNG", exif=exif), shown)
    for number, kind, options in ((6, "JPEG", {"quality": 97, "subsampling": 0}), (8, "WEBP", {"lossless": True})):
        stored = Image.fromarray(shown).transpose(TURNED_BACK[number])
        yield OddFile(f"orientation, {kind}", encode(stored, kind, exif=with_orientation(number), **options), shown, 2)
    stored = Image.fromarray(shown).transpose(TURNED_BACK[6])
    yield OddFile("orientation, TIFF", encode(stored, "TIFF", exif=with_orientation(6)), shown)
    yield OddFile(
        "orientation 9, which is none", encode(Image.fromarray(shown), "PNG", exif=with_orientation(9)), shown
    )
    yield OddFile(
        "EXIF that is none", insert_chunk(encode(Image.fromarray(shown), "PNG"), b"eXIf", b"MM\0*junk"), shown
    )


def _transparent() -> Iterator[OddFile]:
    rgba = smooth(4)
    image, shown = Image.fromarray(rgba), on_white(rgba)
    yield OddFile("alpha", encode(image, "PNG"), shown, 0.5)
    yield OddFile("alpha, WebP", encode(image, "WEBP", lossless=True, exact=True), shown, 0.5)
    yield OddFile("alpha, TIFF", encode(image, "TIFF"), shown, 0.5)
    stored = image.transpose(TURNED_BACK[6])
    yield OddFile("alpha, turned", encode(stored, "PNG", exif=with_orientation(6)), shown, 0.5)
    grey = np.dstack([rgba[..., :1]] * 3 + [rgba[..., 3:]])
    yield OddFile("grey with alpha", encode(Image.fromarray(rgba[..., [0, 3]], "LA"), "PNG"), on_white(grey), 0.5)
    palette = Image.fromarray(rgba[..., :3]).quantize(16, dither=Image.Dither.NONE)
    opaque, numbers = np.asarray(palette.convert("RGB")), np.asarray(palette)
    yield OddFile("palette", encode(palette, "PNG"), opaque)
    clear = np.where((numbers == 3)[..., None], 255, opaque).astype(np.uint8)
    yield OddFile("palette with a clear colour", encode(palette, "PNG", transparency=3), clear)
    half = bytes([255] * 3 + [128] + [255] * 12)
    halved = np.where((numbers == 3)[..., None], (opaque * (128 / 255) + 255 * (127 / 255)).round(), opaque)
    yield OddFile(
        "palette with a half clear colour", encode(palette, "PNG", transparency=half), halved.astype(np.uint8), 1
    )
    colour = tuple(rgba[40, 70, :3].tolist())
    gone = (rgba[..., :3] == rgba[40, 70, :3]).all(axis=-1)
    shown = np.where(gone[..., None], 255, rgba[..., :3]).astype(np.uint8)
    yield OddFile("clear colour", encode(Image.fromarray(rgba[..., :3]), "PNG", transparency=colour), shown)
    silhouette = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    silhouette[10:50, 20:60, 3] = 255
    yield OddFile("black on nothing", encode(Image.fromarray(silhouette), "PNG"), on_white(silhouette))


def _deep() -> Iterator[OddFile]:
    grey = smooth(1)[..., 0]
    wide, shown = grey.astype(np.uint16) * 257, grey_to_rgb(grey)
    yield OddFile("16 bit grey", encode(Image.fromarray(wide), "PNG"), shown)
    yield OddFile("16 bit grey, TIFF", encode(Image.fromarray(wide), "TIFF"), shown)
    yield OddFile("16 bit grey with alpha", wide_png(np.dstack([wide, np.full_like(wide, 65535)]), 4), shown)
    rgba = smooth(4).astype(np.uint16) * 257
    yield OddFile("16 bit RGB", wide_png(rgba[..., :3], 2), smooth(3))
    yield OddFile("16 bit RGBA", wide_png(rgba, 6), on_white(smooth(4)), 0.5)
    tail = struct.pack(">H", int(wide[40, 70]))
    gone = grey_to_rgb(np.where(grey == grey[40, 70], 255, grey).astype(np.uint8))
    yield OddFile("16 bit grey with a clear value", wide_png(wide[..., None], 0, (b"tRNS", tail)), gone)
    colour = smooth(3)
    at = struct.pack(">HHH", *(int(value) * 257 for value in colour[40, 70]))
    lost = np.where((colour == colour[40, 70]).all(-1)[..., None], 255, colour).astype(np.uint8)
    yield OddFile("16 bit RGB with a clear colour", wide_png(rgba[..., :3], 2, (b"tRNS", at)), lost)
    yield OddFile("32 bit grey", encode(Image.fromarray(grey.astype(np.int32) << 23), "TIFF"), grey_to_rgb(grey // 2))
    yield OddFile("floating point", encode(Image.fromarray(grey.astype(np.float32) / 255), "TIFF"), shown, 1)
    bilevel = Image.fromarray(grey).point(lambda value: 255 * (value > 99)).convert("1")
    yield OddFile("bilevel", encode(bilevel, "PNG"), grey_to_rgb(np.where(grey > 99, 255, 0).astype(np.uint8)))
    yield OddFile(
        "bilevel fax, TIFF",
        encode(bilevel, "TIFF", compression="group4"),
        grey_to_rgb(np.asarray(bilevel) * np.uint8(255)),
    )


def _coloured() -> Iterator[OddFile]:
    shown = smooth(3)
    rgb = Image.fromarray(shown)
    yield OddFile("profile sRGB", encode(rgb, "PNG", icc_profile=srgb_profile()), shown)
    # stored as (r, g, b), shown as (b, r, g)
    swapped = shown[..., [2, 0, 1]]
    yield OddFile("profile of other colours", encode(rgb, "PNG", icc_profile=swapped_profile()), swapped, 4)
    jpeg = encode(rgb, "JPEG", quality=97, subsampling=0, icc_profile=swapped_profile())
    yield OddFile("profile of other colours, JPEG", jpeg, swapped, 5)
    rgba = smooth(4)
    laid = on_white(np.dstack([swapped, rgba[..., 3]]))
    yield OddFile("profile and alpha", encode(Image.fromarray(rgba), "PNG", icc_profile=swapped_profile()), laid, 4)
    yield OddFile("profile that is none", encode(rgb, "PNG", icc_profile=b"no profile at all" * 20), shown)
    grey = Image.fromarray(shown[..., 0])
    yield OddFile(
        "profile of RGB on grey", encode(grey, "PNG", icc_profile=srgb_profile()), grey_to_rgb(shown[..., 0]), 1
    )
    four = np.dstack([255 - shown, np.zeros((HEIGHT, WIDTH, 1), np.uint8)])
    cmyk = Image.frombytes("CMYK", (WIDTH, HEIGHT), four.tobytes())
    yield OddFile("CMYK", encode(cmyk, "TIFF"), shown, 1)
    yield OddFile("CMYK, JPEG", encode(cmyk, "JPEG", quality=97, subsampling=0), shown, 2)
    lab = ImageCms.profileToProfile(
        rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    yield OddFile("Lab", encode(lab, "TIFF"), shown, 3)
    yield OddFile("YCbCr", encode(rgb.convert("YCbCr"), "TIFF"), shown, 2)
    linear = (255 * (shown / 255.0) ** 2.2).round().astype(np.uint8)
    stored = insert_chunk(encode(Image.fromarray(linear), "PNG"), b"gAMA", struct.pack(">I", 100_000))
    yield OddFile("linear light by gAMA", stored, shown, 3)


def _framed() -> Iterator[OddFile]:
    shown = smooth(3)
    rgb = Image.fromarray(shown)
    palette = rgb.quantize(16, dither=Image.Dither.NONE)
    first = np.asarray(palette.convert("RGB"))
    later = {"save_all": True, "append_images": [palette.rotate(180)]}
    yield OddFile("animated GIF", encode(palette, "GIF", **later), first)
    clear = np.where((np.asarray(palette) == 2)[..., None], 255, first).astype(np.uint8)
    yield OddFile("animated GIF with a clear colour", encode(palette, "GIF", transparency=2, **later), clear)
    frames = {"save_all": True, "append_images": [rgb.rotate(180)]}
    yield OddFile("animated WebP", encode(rgb, "WEBP", lossless=True, **frames), shown)
    yield OddFile("animated PNG", encode(rgb, "PNG", **frames), shown)
    yield OddFile("two pages, TIFF", encode(rgb, "TIFF", **frames), shown)
    yield OddFile("two views, MPO", encode(rgb, "MPO", quality=97, subsampling=0, **frames), shown, 2)
    yield OddFile("AVIF", encode(rgb, "AVIF", quality=95, subsampling="4:4:4"), shown, 3)
    yield OddFile("progressive JPEG", encode(rgb, "JPEG", quality=97, subsampling=0, progressive=True), shown, 2)
    yield OddFile(
        "grey JPEG", encode(rgb.convert("L"), "JPEG", quality=97), grey_to_rgb(np.asarray(rgb.convert("L"))), 2
    )
    yield OddFile("BMP", encode(rgb, "BMP"), shown)


def _overgrown() -> Iterator[OddFile]:
    shown = smooth(3)
    rgb = Image.fromarray(shown)
    plain = encode(rgb, "PNG")
    text = zlib.compress(b"x" * (4 << 20), 9)
    yield OddFile("text of 4 MiB", insert_chunk(plain, b"zTXt", b"Comment\0\0" + text), shown)
    yield OddFile("text of 4 MiB, iTXt", insert_chunk(plain, b"iTXt", b"Comment\0\x01\0\0\0" + text), shown)
    yield OddFile("profile of 4 MiB", insert_chunk(plain, b"iCCP", b"x\0\0" + text), shown)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "harmless")
    yield OddFile("text", encode(rgb, "PNG", pnginfo=info), shown)
    segments = b"".join(
        b"\xff\xe2" + struct.pack(">H", 2 + 14 + 60_000) + b"ICC_PROFILE\0" + bytes([number, 200]) + bytes(60_000)
        for number in range(1, 201)
    )
    jpeg = encode(rgb, "JPEG", quality=97, subsampling=0)
    yield OddFile("profile of 12 MB, JPEG", jpeg[:2] + segments + jpeg[2:], shown, 2)
