"""Picture files as strangers may serve them: unusual ones that must decode rightly, and hostile ones that must not."""

from __future__ import annotations

import functools
import io
import struct
import zlib

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 96, 64


def base_picture() -> Image.Image:
    """The picture all good files show: smooth, with no symmetry, so that a turn or a wrong frame is seen."""
    grid = np.random.default_rng(7).integers(30, 226, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def encode(image: Image.Image, format: str, **save: object) -> bytes:
    """Bytes of a picture."""
    out = io.BytesIO()
    image.save(out, format, **save)
    return out.getvalue()


def jpeg() -> bytes:
    """The base picture, plain."""
    return encode(base_picture(), "JPEG", quality=92)


def rotated_jpeg() -> bytes:
    """Stored lying, with the EXIF orientation that sets it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(base_picture().transpose(Image.Transpose.ROTATE_90), "JPEG", quality=92, exif=exif)


def sixteen_bit_png() -> bytes:
    """Grey in 16 bits."""
    grey = np.asarray(base_picture().convert("L")).astype(np.uint16) * 257
    return encode(Image.fromarray(grey), "PNG")


def animation(format: str, frames_count: int = 3) -> bytes:
    """The base picture, then others."""
    others = [Image.new("RGB", (WIDTH, HEIGHT), (number % 256, 0, 0)) for number in range(1, frames_count)]
    more = {"lossless": True} if format == "WEBP" else {}
    return encode(base_picture(), format, save_all=True, append_images=others, duration=10, **more)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(kind: bytes, body: bytes) -> bytes:
    """The base picture as PNG with one more chunk before its pixels."""
    data = encode(base_picture(), "PNG")
    return data[:33] + png_chunk(kind, body) + data[33:]


def png_claiming(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")


@functools.cache
def zlib_bomb(megabytes: int = 60) -> bytes:
    """Zeros, packed about a thousand times smaller."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes)) + packer.flush()


def jpeg_with_segment(marker: int, body: bytes, times: int = 1) -> bytes:
    """The base picture with further segments."""
    data = jpeg()
    return data[:2] + (struct.pack(">HH", 0xFF00 | marker, len(body) + 2) + body) * times + data[2:]


def many_scans_jpeg(scans_count: int, side_px: int) -> bytes:
    """A progressive JPEG whose last scan is repeated: small to send, long to decode."""
    data = encode(Image.new("L", (side_px, side_px), 128), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * scans_count + data[-2:]


def tiff(strips: list[tuple[int, int]], *, loop: bool = False, rows_per_strip: int = 1, compression: int = 1) -> bytes:
    """A grey 64 × 64 TIFF whose strips (offset, length) are anything."""
    count = len(strips)
    entries = [
        (256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1),
        (273, 4, count, 0), (277, 3, 1, 1), (278, 4, 1, rows_per_strip), (279, 4, count, 0),
    ]  # fmt: skip
    values = 8 + 2 + 12 * len(entries) + 4
    places = {273: values, 279: values + 4 * count}
    body = b"".join(
        struct.pack("<HHII", tag, kind, many, places.get(tag, value) if count > 1 or tag not in places else
                    strips[0][tag == 279])
        for tag, kind, many, value in entries
    )  # fmt: skip
    arrays = b"".join(struct.pack("<I", one[side]) for side in (0, 1) for one in strips)
    return (
        b"II*\x00" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", 8 if loop else 0) + arrays
        + bytes(2000)
    )  # fmt: skip
