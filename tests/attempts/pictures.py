"""Picture files made to crash, hang, bloat or deceive a decoder, given to what looks at a picture in this process."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from relaionet.pipeline.images.decode import BrokenImage
from relaionet.pipeline.images.fingerprints import take_fingerprints
from relaionet.pipeline.images.picture import find_oddities, read_as_published, read_picture
from tests.attempts.attempt import Attempt, family
from tests.fakes.web.pictures import (
    encode,
    jpeg,
    jpeg_with_segment,
    many_scans_jpeg,
    png_chunk,
    png_claiming,
    png_with,
    tiff,
    zlib_bomb,
)  # fmt: skip

MAX_PIXELS = 64_000_000
BOMB = zlib.compress(bytes(200 << 20), 9)


def look(_: Path, make: Callable[[], bytes]) -> str:
    """Everything that looks at a picture; what the first of them says."""
    data, said = make(), []
    for reader in (
        lambda: read_picture(data, max_pixels=MAX_PIXELS), lambda: take_fingerprints(data, MAX_PIXELS),
        lambda: take_fingerprints(data, MAX_PIXELS, 1), lambda: read_as_published(data, max_pixels=MAX_PIXELS),
        lambda: find_oddities(data, max_pixels=MAX_PIXELS),
    ):  # fmt: skip
        try:
            found = reader()
        except BrokenImage as error:
            said.append(f"refused: {str(error).partition(':')[0]}")
        else:
            said.append("read" + (f", {'; '.join(found.notes)} left out" if getattr(found, "notes", ()) else ""))
    shown, prints, *_ = said
    return shown if shown.startswith("refused") else prints


def hold(first: str, *parts: bytes) -> Callable[[], bytes]:
    """A file that begins as `first` does."""
    return lambda: bytes.fromhex(first) + b"".join(parts)


def gif(width: int, height: int, frame: tuple[int, int, int, int]) -> bytes:
    """A GIF whose first frame lies anywhere."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + b"," + struct.pack("<HHHHB", *frame, 0) + b"\x02\x02\x44\x01\x00;"


def bmp(width: int, height: int, bits: int, compression: int, colours: int = 0) -> bytes:
    """A BMP that claims anything."""
    about = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 1, 1, colours, 0)
    return b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + about + bytes(46)


def webp(kind: bytes, body: bytes) -> bytes:
    """A WebP of one chunk."""
    chunk = kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def avif(*boxes: tuple[bytes, bytes]) -> bytes:
    """An AVIF of any boxes."""
    all_boxes = ((b"ftyp", b"avif\0\0\0\0avifmif1"), *boxes)
    return b"".join(struct.pack(">I", 8 + len(body)) + name + body for name, body in all_boxes)


def exif(entries: int, kind: int, count: int, next_at: int = 0) -> bytes:
    """EXIF data of entries that claim anything."""
    line = struct.pack("<HHII", 0x0112, kind, count, 8)
    return (
        b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", entries) + line * min(entries, 2000) + struct.pack("<I", next_at)
    )


def profile(size: int, tags: int) -> bytes:
    """An ICC profile that claims anything."""
    head = struct.pack(">I", size) + bytes(8) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(88)
    return head + struct.pack(">I", tags) + b"rXYZ\xff\xff\xff\xff\xff\xff\xff\xff" * min(tags, 100)


def entities() -> bytes:
    """XMP whose text is 81 million letters, if somebody unfolds it."""
    many = b'<!ENTITY a "' + b"a" * 9000 + b'"><!ENTITY b "' + b"&a;" * 9000
    return b"http://ns.adobe.com/xap/1.0/\0<!DOCTYPE x [" + many + b'">]><x>&b;</x>'


def damaged(form: str, seed: int) -> bytes:
    """A good file of which some bytes are others."""
    rng = np.random.default_rng(seed)
    grain = Image.fromarray(rng.integers(0, 256, (150, 200, 3), dtype=np.uint8))
    data = bytearray(encode(grain, form))
    for place in rng.integers(len(data) // 20, len(data), 40):
        data[place] = rng.integers(0, 256)
    return bytes(data)


def png_of(chunks: bytes) -> bytes:
    """A small PNG with these bytes after its header."""
    plain = encode(Image.new("RGB", (9, 9)), "PNG")
    return plain[:33] + chunks + plain[33:]


def flat_png(side: int) -> bytes:
    return encode(Image.new("1", (side, side)), "PNG")


def flat_tiff(side: int, compression: str) -> bytes:
    out = io.BytesIO()
    Image.new("L", (side, side)).save(out, "TIFF", compression=compression)
    return out.getvalue()


SIZES: dict[str, Callable[[], bytes]] = {
    "PNG of 10¹⁰ pixels": lambda: png_claiming(100_000, 100_000),
    "PNG of 2³¹ columns": lambda: png_claiming(2**31 - 1, 1),
    "PNG of no columns": lambda: png_claiming(0, 10),
    "PNG that says 8000 × 8000 and holds nothing": lambda: png_claiming(8000, 8000),
    "PNG of 20,000 × 20,000 in 50 kB": lambda: flat_png(20_000),
    "TIFF of 12,000 × 12,000, packed": lambda: flat_tiff(12_000, "tiff_adobe_deflate"),
    "TIFF of 7,900 × 7,900, LZW": lambda: flat_tiff(7_900, "tiff_lzw"),
    "GIF whose frame lies outside": lambda: gif(10, 10, (60_000, 60_000, 5_000, 5_000)),
    "GIF of 65,535 × 65,535": lambda: gif(65_535, 65_535, (0, 0, 65_535, 65_535)),
    "BMP of 2³¹ × 2³¹": lambda: bmp(2**31 - 1, 2**31 - 1, 24, 0),
    "BMP of a negative width": lambda: bmp(-5, 5, 24, 0),
    "BMP with 2³² colours": lambda: bmp(5, 5, 8, 0, 2**32 - 1),
    "WebP of 16,383 × 16,383": lambda: webp(b"VP8L", b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(40)),
    "AVIF without any item": lambda: avif((b"meta", bytes(4))),
    "AVIF whose box is longer than the file": lambda: avif((b"meta", bytes(4)))[:-6] + b"\xff" * 4,
}  # fmt: skip
METADATA: dict[str, Callable[[], bytes]] = {
    "zTXt of 200 MiB": lambda: png_with(b"zTXt", b"k\0\0" + BOMB),
    "iTXt of 200 MiB": lambda: png_with(b"iTXt", b"k\0\x01\0\0\0" + BOMB),
    "iCCP of 200 MiB": lambda: png_with(b"iCCP", b"k\0\0" + BOMB),
    "tEXt of 8 MiB": lambda: png_with(b"tEXt", b"k\0" + bytes(8 << 20)),
    "zTXt that is no zlib": lambda: png_with(b"zTXt", b"k\0\0" + b"\xff" * 99),
    "zTXt of another method": lambda: png_with(b"zTXt", b"k\0\x09abc"),
    "iTXt without its fields": lambda: png_with(b"iTXt", b"k"),
    "5,000 texts": lambda: png_of(png_chunk(b"tEXt", b"k\0v") * 5000),
    "5,000 texts of 1 MiB": lambda: png_of(
        png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes((1 << 20) - 1), 9)) * 5000
    ),
    "a chunk of 2³¹ bytes": lambda: png_of(b"\x7f\xff\xff\xfftEXt")[:41],
    "EXIF of 65,535 entries": lambda: jpeg_with_segment(0xE1, exif(65_535, 3, 1)),
    "EXIF of 2³² values": lambda: jpeg_with_segment(0xE1, exif(1, 12, 2**32 - 1)),
    "EXIF that leads back to itself": lambda: jpeg_with_segment(0xE1, exif(1, 3, 1, 8)),
    "orientation of an unknown kind": lambda: jpeg_with_segment(0xE1, exif(1, 99, 1)),
    "orientation that is a text": lambda: jpeg_with_segment(0xE1, exif(1, 2, 4)),
    "profile of 4 GB": lambda: jpeg_with_segment(0xE2, b"ICC_PROFILE\0\x01\x01" + profile(2**32 - 1, 3)),
    "profile of 2³² tags": lambda: jpeg_with_segment(0xE2, b"ICC_PROFILE\0\x01\x01" + profile(400, 2**32 - 1)),
    "profile of 250 parts out of order": lambda: jpeg_with_segment(0xE2, b"ICC_PROFILE\0\xff\x01" + bytes(60_000), 250),
    "2,000 comments": lambda: jpeg_with_segment(0xFE, b"x" * 60_000, 2000),
    "XMP of entities that multiply": lambda: jpeg_with_segment(0xE1, entities()),
}  # fmt: skip
TIME: dict[str, Callable[[], bytes]] = {
    "JPEG of 20,000 scans": lambda: many_scans_jpeg(20_000, 2000),
    "JPEG of 300 scans of 36 megapixels": lambda: many_scans_jpeg(300, 6000),
    "JPEG of 40 scans of 36 megapixels": lambda: many_scans_jpeg(40, 6000),
    "PNG whose pixels unpack without end": lambda: zlib_bomb(60),
    "TIFF of 4,000 strips of the same bytes": lambda: tiff([(8, 64)] * 4000),
    "TIFF whose pages lead round in a circle": lambda: tiff([(8, 64)], loop=True),
    "TIFF whose strips lie outside": lambda: tiff([(2**31, 2**31)]),
    "TIFF of one strip of 2³² rows": lambda: tiff([(8, 64)], rows_per_strip=2**32 - 1),
    "TIFF of an unknown compression": lambda: tiff([(8, 64)], compression=60_000),
    "TIFF that holds a JPEG of none": lambda: tiff([(8, 64)], compression=7),
}  # fmt: skip
OTHERS: dict[str, Callable[[], bytes]] = {
    "PostScript that runs": hold("", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file\n"),
    "SVG with a script": hold("", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
    "HTML page": hold("", b"<html><body><img src=x onerror=alert(1)>"),
    "ImageMagick script": hold("", b"push graphic-context\nfill 'url(https://a.test/\"|id\")'\n"),
    "JPEG 2000": hold("0000000c6a5020200d0a870a", bytes(60)),
    "icon": hold("00000100", b"\x01\0\0\0" + bytes(60)),
    "film": hold("00000018667479706d703432", bytes(60)),
    "FLI film": hold("80000000 12af 0100 4001 c800 0800 0300", bytes(120)),
    "Photoshop file": hold("38425053", bytes(60)),
    "ZIP archive": hold("504b0304", bytes(60)),
    "a JPEG after a script": hold("", b"GIF89a=1;/*", jpeg()),
    "no bytes": hold(""),
    "zeros": hold("", bytes(100_000)),
}  # fmt: skip
DAMAGED: dict[str, Callable[[], bytes]] = {
    f"{form}, damaged at 40 places, {seed + 1}": (lambda form=form, seed=seed: damaged(form, seed))
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF") for seed in range(3)
}  # fmt: skip


def attempts(kind: str, inputs: dict[str, Callable[[], bytes]]) -> list[Attempt]:
    expected = "read, or refused with a reason; within bounds, and nothing on the terminal"
    return family(f"pictures: {kind}", expected, look, inputs, show=lambda make: repr(make()[:24]))


ATTEMPTS = [
    *attempts("claims of size", SIZES), *attempts("metadata", METADATA), *attempts("time", TIME),
    *attempts("files of other kinds", OTHERS), *attempts("damage", DAMAGED),
]  # fmt: skip
