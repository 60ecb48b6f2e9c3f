"""Pictures without the place they were taken at: what must be done to bytes before they leave this machine.

Positions stand in EXIF (a GPS directory, makers' notes), in XMP, in IPTC, in comments, in pictures hidden behind the
picture. They are taken out without touching a pixel's code: the picture decodes to the same values as before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.images.location_exif import clear_position, names_position
from relaionet.pipeline.images.location_heif import clear_boxes

EXIF_HEADER = b"Exif\x00\x00"
XMP_HEADERS = (b"http://ns.adobe.com/xap/1.0/\x00", b"http://ns.adobe.com/xmp/extension/\x00")
ORIENTATION_TAG = 0x0112
MAX_TEXT_BYTES = 4_000_000
# all that a decoder may need; a chunk of another kind is taken out, as nobody knows what it holds
PNG_CHUNKS = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST pHYs sPLT tIME acTL fcTL fdAT".split()
)
WEBP_CHUNKS = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
WEBP_EXIF_FLAG, WEBP_XMP_FLAG = 0x08, 0x04


def strip_position(data: bytes) -> bytes:
    """Take out of an image file all that may say where the picture was taken.

    Args:
        data: a whole JPEG, PNG, WebP, TIFF, AVIF, HEIF, GIF or BMP file.

    Returns:
        The file without positions, every pixel's code as it was; `data` itself (the same bytes, so the same sha256)
        where there was nothing to take out. Orientation, colour profile, author and copyright stay where they can.

    Raises:
        BadInput: another format, or a structure that cannot be followed, so that nothing can be promised; decode the
            picture and encode it anew, or leave it out.
    """
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _same(b"".join(_jpeg_parts(data)), data)
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _same(data[:8] + b"".join(_png_parts(data)), data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _same(_strip_webp(data), data)
        if data.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
            return clear_position(data)
        if data[4:8] == b"ftyp":
            return clear_boxes(data)
        if data.startswith((b"GIF87a", b"GIF89a")):
            return _same(b"".join(_gif_parts(data)), data)
        if data.startswith(b"BM"):  # has no place for it
            return data
    except (struct.error, IndexError):
        raise BadInput("the image file ends in the middle of its structure.") from None
    raise BadInput("positions can be taken out of JPEG, PNG, WebP, TIFF, AVIF, HEIF, GIF and BMP only.")


def _same(new: bytes, old: bytes) -> bytes:
    return old if new == old else new


def _clean_exif(exif: bytes) -> bytes:
    """EXIF without positions; where it cannot be followed, nothing of it but the orientation, or nothing at all."""
    try:
        return clear_position(exif)
    except BadInput:
        turned = _orientation(exif)
        return (
            b""
            if turned in (0, 1)
            else struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, ORIENTATION_TAG, 3, 1, turned, 0, 0)
        )


def _orientation(exif: bytes) -> int:
    """The orientation in the first directory of broken EXIF, 1 to 8; 0 where there is none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 10:
        return 0
    at = struct.unpack_from(order + "I", exif, 4)[0]
    count = struct.unpack_from(order + "H", exif, at)[0] if at + 2 <= len(exif) else 0
    for place in range(at + 2, min(at + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, place)
        if tag == ORIENTATION_TAG and kind == 3:
            return int(value) if 1 <= value <= 8 else 0
    return 0


# JPEG


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    """Segments that stay, up to the end of the first picture; what stands behind it (other pictures, films) goes."""
    yield data[:2]
    at = 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if data[at] != 0xFF:
            raise BadInput("the JPEG's structure is broken.")
        marker = data[at + 1]
        if marker == 0xD9:
            hidden = data[at + 2 :].strip(b"\x00\xff\r\n ")
            yield data[at : at + 2] if hidden else data[at:]  # padding may stay
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            end = at + 2
        else:
            end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
            if end > len(data):
                raise BadInput("the JPEG's structure is broken.")
        yield _jpeg_segment(marker, data[at:end])
        at = end
        if marker == 0xDA:
            end = _scan_end(data, at)
            yield data[at:end]
            at = end
            if at >= len(data):  # decoders show a picture without its end marker
                return


def _scan_end(data: bytes, at: int) -> int:
    """Where the entropy-coded bytes of a scan end: at the next marker that is no restart."""
    while (at := data.find(b"\xff", at)) != -1 and at + 1 < len(data):
        if data[at + 1] == 0xFF:
            at += 1
        elif data[at + 1] == 0 or 0xD0 <= data[at + 1] <= 0xD7:
            at += 2
        else:
            return at
    return len(data)


def _jpeg_segment(marker: int, segment: bytes) -> bytes:
    """A segment as it may stay; empty where it may not."""
    body = segment[4:]
    if marker == 0xE1 and body.startswith(EXIF_HEADER):
        cleaned = _clean_exif(body[len(EXIF_HEADER) :])
        whole = EXIF_HEADER + cleaned
        return struct.pack(">HH", 0xFFE1, len(whole) + 2) + whole if cleaned else b""
    if marker == 0xE1 and body.startswith(XMP_HEADERS):
        # a packet cut into several segments may have its words cut too
        return b"" if body.startswith(XMP_HEADERS[1]) or names_position(body[len(XMP_HEADERS[0]) :]) else segment
    if marker == 0xED:
        return b"" if _irb_tells(body) else segment
    if marker == 0xFE:
        return b"" if names_position(body) else segment
    known = {0xE0: (b"JFIF", b"JFXX"), 0xE2: (b"ICC_PROFILE",), 0xEC: (b"Ducky",), 0xEE: (b"Adobe",)}
    if 0xE0 <= marker <= 0xEF:
        return segment if body.startswith(known.get(marker, ())) else b""
    return segment


def _irb_tells(body: bytes) -> bool:
    """True where Photoshop's resource blocks may hold a place: IPTC's city, country and so on, XMP, EXIF."""
    places = (b"\x1c\x02\x1a", b"\x1c\x02\x1b", b"\x1c\x02\x5a", b"\x1c\x02\x5c", b"\x1c\x02\x5f", b"\x1c\x02\x64",
              b"\x1c\x02\x65", b"8BIM\x04\x22", b"8BIM\x04\x23", b"8BIM\x04\x24")  # fmt: skip
    return any(place in body for place in places) or names_position(body)


# PNG


def _png_parts(data: bytes) -> Iterator[bytes]:
    at = 8
    while at < len(data):
        length = struct.unpack_from(">I", data, at)[0]
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            raise BadInput("the PNG ends in the middle of a chunk.")
        body = data[at + 8 : end - 4]
        if kind == b"eXIf":
            cleaned = _clean_exif(body)
            if cleaned:
                yield data[at:end] if cleaned == body else _png_chunk(kind, cleaned)
        elif kind in PNG_CHUNKS or (kind in (b"tEXt", b"zTXt", b"iTXt") and not _png_text_tells(kind, body)):
            yield data[at:end]
        if kind == b"IEND":
            return
        at = end


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png_text_tells(kind: bytes, body: bytes) -> bool:
    keyword, _, rest = body.partition(b"\x00")
    if keyword.lower().startswith(b"raw profile type") and keyword.lower().split()[-1] not in (b"icc", b"icm"):
        return True  # EXIF, IPTC or XMP in hexadecimal digits
    packed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\x01")
    if packed:
        start = rest[1:] if kind == b"zTXt" else rest[2:].split(b"\x00", 2)[-1]
        unpacker = zlib.decompressobj()
        try:
            rest = unpacker.decompress(start, MAX_TEXT_BYTES)
        except zlib.error:
            return True
        if unpacker.unconsumed_tail:  # longer than anyone reads
            return True
    return names_position(keyword + b" " + rest)


# WebP


def _strip_webp(data: bytes) -> bytes:
    parts: list[tuple[bytes, bytes]] = []
    at, end = 12, min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while at + 8 <= end:
        kind, length = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if at + 8 + length > len(data):
            raise BadInput("the WebP ends in the middle of a chunk.")
        body = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
        if kind == b"EXIF":
            header = EXIF_HEADER if body.startswith(EXIF_HEADER) else b""  # some writers put it there
            cleaned = _clean_exif(body[len(header) :])
            body = header + cleaned if cleaned else b""
        elif kind == b"XMP ":
            body = b"" if names_position(body) else body
        elif kind not in WEBP_CHUNKS:
            body = b""
        if body or kind in WEBP_CHUNKS:
            parts.append((kind, body))
    kinds = {kind for kind, _ in parts}
    lost = (0 if b"EXIF" in kinds else WEBP_EXIF_FLAG) | (0 if b"XMP " in kinds else WEBP_XMP_FLAG)
    whole = b"".join(
        kind + struct.pack("<I", len(body)) + (bytes([body[0] & ~lost]) + body[1:] if kind == b"VP8X" else body)
        + bytes(len(body) % 2)
        for kind, body in parts
    )  # fmt: skip
    return b"RIFF" + struct.pack("<I", 4 + len(whole)) + b"WEBP" + whole


# GIF


def _gif_parts(data: bytes) -> Iterator[bytes]:
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    yield data[:at]
    while at < len(data) and data[at] != 0x3B:
        start = at
        if data[at] == 0x21:
            at += 2
        elif data[at] == 0x2C:
            at += 10 + (3 << (data[at + 9] & 7) + 1 if data[at + 9] & 0x80 else 0) + 1
        else:
            raise BadInput("the GIF's structure is broken.")
        while length := data[at]:
            at += 1 + length
        at += 1
        block = data[start:at]
        if block[:2] == b"\x21\xfe":
            kept = not names_position(block)
        else:
            kept = block[:2] != b"\x21\xff" or block[3:14] in (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
        if kept:
            yield block
    yield b"\x3b"
