"""Positions leave a file, its pixels do not; files are made by Pillow, positions read back by other means."""

from __future__ import annotations

import io
import struct
import zlib

import exifread
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.images.location import strip_position
from relaionet.pipeline.images.location_exif import clear_position
from tests.depth import deep

# values nobody writes by chance: their bytes must be gone from the file
LATITUDE = ((48, 1), (51, 1), (123457, 4001))
SECRET_RATIONAL = struct.pack("<II", 123457, 4001)
MAKER = b"Nikon\x00secretmakerbytes" * 4
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description exif:GPSLatitude="48,51.4N" '
    b'photoshop:City="Paris"/></rdf:RDF></x:xmpmeta>'
)
HARMLESS_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:rights="CC BY"/></x:xmpmeta>'


def exif(*, gps: bool = True, maker: bool = True, orientation: int = 6) -> Image.Exif:
    values = Image.Exif()
    values[0x0112], values[0x8298], values[0x013B] = orientation, "CC BY 4.0", "A. Author"
    if gps:
        inner = values.get_ifd(0x8825)
        inner[1], inner[2], inner[29] = "N", tuple(a / b for a, b in LATITUDE), "2020:01:01"
    if maker:
        values.get_ifd(0x8769)[0x927C] = MAKER
        values.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    return values


def noise(mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((50, 34), 60).convert(mode)


def encode(format: str, mode: str = "RGB", **save: object) -> bytes:
    out = io.BytesIO()
    if format == "TIFF" and "exif" in save:  # Pillow leaves directories out of a TIFF unless they are told like this
        values = save.pop("exif")
        tags = ImageFileDirectory_v2()
        for tag, value in values.items():
            tags[tag] = value
        for tag in (0x8825, 0x8769):
            if values.get_ifd(tag):
                tags[tag] = dict(values.get_ifd(tag))
        save["tiffinfo"] = tags
    noise(mode).save(out, format, **save)
    return out.getvalue()


def pixels(data: bytes) -> list[bytes]:
    with Image.open(io.BytesIO(data)) as image:
        return [frame.convert("RGBA").tobytes() for frame in ImageSequence.Iterator(image)]


def first_pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGBA").tobytes()


def read_exif(data: bytes) -> Image.Exif:
    with Image.open(io.BytesIO(data)) as image:
        return image.getexif()


EXIF_FORMATS = [("JPEG", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 50}), ("AVIF", {}),
                ("TIFF", {})]  # fmt: skip


@pytest.mark.parametrize(("format", "save"), EXIF_FORMATS)
def test_gps_and_maker_notes_leave_the_exif_and_nothing_else_does(format: str, save: dict) -> None:
    data = encode(format, exif=exif(), **save)
    assert read_exif(data).get_ifd(0x8825)
    assert b"secretmakerbytes" in data
    clean = strip_position(data)
    assert pixels(clean) == pixels(data)
    left = read_exif(clean)
    assert not left.get_ifd(0x8825)
    assert 0x8825 not in left
    assert 0x927C not in left.get_ifd(0x8769)
    assert b"secretmaker" not in clean
    assert (left.get(0x0112, 6), left[0x8298], left[0x013B]) == (6, "CC BY 4.0", "A. Author")
    assert not any("GPS" in tag or "MakerNote" in tag for tag in exifread.process_file(io.BytesIO(clean)))
    assert strip_position(clean) is clean


@pytest.mark.parametrize(("format", "save"), EXIF_FORMATS)
def test_the_position_itself_is_no_longer_among_the_bytes(format: str, save: dict) -> None:
    values = exif()
    gps = values.get_ifd(0x8825)
    gps[2] = tuple(a / b for a, b in LATITUDE)
    data = encode(format, exif=values, **save)
    with Image.open(io.BytesIO(data)) as image:
        written = image.getexif().get_ifd(0x8825)[2]
    packed = [struct.pack(order + "II", part.numerator, part.denominator) for part in written for order in "<>"]
    assert any(part in data for part in packed)
    clean = strip_position(data)
    long = [part for part in packed if 0 not in (part[1], part[2])] or packed
    assert not any(part in clean for part in long)


@pytest.mark.parametrize(("format", "save"), EXIF_FORMATS)
def test_what_holds_no_position_stays_byte_for_byte(format: str, save: dict) -> None:
    data = encode(format, exif=exif(gps=False, maker=False), **save)
    assert strip_position(data) is data
    plain = encode(format, **save)
    assert strip_position(plain) is plain


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_xmp_that_names_a_place_leaves_and_other_xmp_stays(format: str) -> None:
    def with_xmp(text: bytes) -> bytes:
        if format == "PNG":
            info = PngInfo()
            info.add_itxt("XML:com.adobe.xmp", text.decode(), zip=True)
            return encode(format, pnginfo=info)
        if format == "TIFF":
            tags = ImageFileDirectory_v2()
            tags[700] = text
            return encode(format, tiffinfo=tags)
        return encode(format, xmp=text)

    data = with_xmp(XMP)
    clean = strip_position(data)
    assert pixels(clean) == pixels(data)
    assert b"GPSLatitude" not in clean
    assert b"Paris" not in clean
    with Image.open(io.BytesIO(clean)) as image:
        image.load()
        assert b"GPS" not in str(image.info).encode()
    harmless = with_xmp(HARMLESS_XMP)
    assert strip_position(harmless) is harmless


def test_png_texts_in_all_their_forms() -> None:
    info = PngInfo()
    info.add_text("Comment", "GPS Latitude: 48.8583, 2.2945", zip=True)
    info.add_text("Description", "taken at 48.8583, 2.2945")
    info.add_text("Raw profile type exif", "\nexif\n 10\n45786966\n")
    info.add_text("Raw profile type APP1", "\nexif\n 10\n45786966\n", zip=True)
    info.add_itxt("Title", "Where: latitude 48", zip=False)
    info.add_text("Software", "painter")
    info.add(b"prVt", b"GPS or who knows")
    data = encode("PNG", pnginfo=info) + b"hidden behind the end"
    clean = strip_position(data)
    assert pixels(clean) == pixels(data)
    with Image.open(io.BytesIO(clean)) as image:
        image.load()
        assert image.text == {"Software": "painter"}
    assert b"prVt" not in clean
    assert clean.endswith(struct.pack(">I", zlib.crc32(b"IEND")))


def test_a_text_bomb_in_a_png_is_not_unpacked() -> None:
    body = b"Comment\x00\x00" + zlib.compress(bytes(60_000_000), 9)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    data = encode("PNG")
    clean = strip_position(data[:-12] + chunk + data[-12:])
    assert clean == data


def insert_segment(data: bytes, marker: int, body: bytes) -> bytes:
    return data[:2] + struct.pack(">HH", 0xFF00 | marker, len(body) + 2) + body + data[2:]


@pytest.mark.parametrize(
    ("marker", "body", "stays"),
    [
        (0xED, b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x0a\x1c\x02\x5a\x00\x05Paris", False),
        (0xED, b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x0a\x1c\x02\x74\x00\x05CC BY", True),
        (0xE1, b"http://ns.adobe.com/xmp/extension/\x00" + bytes(40) + b"half a packet", False),
        (0xE6, b"GoPro\x00GPMF", False),
        (0xE2, b"MPF\x00" + bytes(20), False),
        (0xEC, b"Ducky\x00\x01\x00\x04\x00\x00\x00\x50\x00\x00", True),
        (0xFE, b"CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 90", True),
        (0xFE, b"GPS 48.8583, 2.2945", False),
        (0xFE, "Länge und Latitude".encode("utf-16"), False),
    ],
)
def test_jpeg_segments(marker: int, body: bytes, stays: bool) -> None:
    plain = encode("JPEG", quality=90, progressive=True)
    data = insert_segment(plain, marker, body)
    assert strip_position(data) == (data if stays else plain)


def test_pictures_hidden_behind_a_jpeg_leave_and_padding_stays() -> None:
    out = io.BytesIO()
    noise().save(out, "MPO", save_all=True, append_images=[noise("L").convert("RGB")], exif=exif())
    clean = strip_position(out.getvalue())
    assert first_pixels(clean) == first_pixels(out.getvalue())
    assert clean.count(b"\xff\xd9") < out.getvalue().count(b"\xff\xd9")
    with Image.open(io.BytesIO(clean)) as image:
        assert image.format == "JPEG"
    plain = encode("JPEG")
    padded = plain + bytes(10)
    assert strip_position(padded) is padded
    assert strip_position(plain + b"....ftypmp42 \xa9xyz+48.8583+002.2945/") == plain


def test_broken_exif_leaves_but_the_picture_stays_upright() -> None:
    data = encode("JPEG", exif=exif())
    at = data.index(b"Exif\x00\x00") + 6
    order = "<" if data[at : at + 2] == b"II" else ">"
    place = data.index(struct.pack(order + "HHI", 0x8825, 4, 1)) + 8
    broken = bytearray(data)
    struct.pack_into(order + "I", broken, place, 0x7FFFFFF0)
    clean = strip_position(bytes(broken))
    assert pixels(clean) == pixels(data)
    assert dict(read_exif(clean)) == {0x0112: 6}


def test_a_tiff_whose_position_lies_in_its_pixels_is_refused() -> None:
    data = bytearray(encode("TIFF", exif=exif(maker=False)))
    with Image.open(io.BytesIO(bytes(data))) as image:
        strip = image.tag_v2[273][0]
    place = data.index(struct.pack("<HHI", 0x8825, 4, 1)) + 8
    data[strip : strip + 2] = struct.pack("<H", 1)
    struct.pack_into("<I", data, place, strip)
    with pytest.raises(BadInput, match="shares bytes"):
        strip_position(bytes(data))


def test_geotiff_and_bigtiff() -> None:
    tags = ImageFileDirectory_v2()
    tags.tagtype[34737] = 2
    tags[34737] = "WGS 84 / UTM zone 31N"
    data = encode("TIFF", tiffinfo=tags)
    clean = strip_position(data)
    assert b"UTM" in data
    assert b"UTM" not in clean
    assert pixels(clean) == pixels(data)
    out = io.BytesIO()
    noise().save(out, "TIFF", big_tiff=True, exif=exif(maker=False))
    if out.getvalue()[2] == 43:
        big = strip_position(out.getvalue())
        assert 0x8825 not in read_exif(big)
        assert pixels(big) == pixels(out.getvalue())


def test_animations_keep_every_frame() -> None:
    frames = [noise() for _ in range(3)]
    for format, save in (("GIF", {"comment": b"GPS 1"}), ("WEBP", {"exif": exif()}), ("PNG", {"exif": exif()})):
        out = io.BytesIO()
        frames[0].save(out, format, save_all=True, append_images=frames[1:], **save)
        clean = strip_position(out.getvalue())
        assert clean != out.getvalue()
        assert b"GPS" not in clean
        assert pixels(clean) == pixels(out.getvalue())
        assert len(pixels(clean)) == 3


def test_gif_blocks() -> None:
    data = encode("GIF", mode="P")
    xmp = b"\x21\xff\x0bXMP DataXMP" + bytes([len(XMP[:200])]) + XMP[:200] + b"\x00"
    at = 13 + (3 << (data[10] & 7) + 1)
    assert strip_position(data) is data
    assert strip_position(data[:at] + xmp + data[at:]) == data


def test_user_data_boxes_of_an_avif_are_blank() -> None:
    data = encode("AVIF")
    udta = struct.pack(">I", 32) + b"udta" + b"\xa9xyz+48.8583+002.2945/   "
    clean = strip_position(data + udta)
    assert len(clean) == len(data + udta)
    assert b"48.8583" not in clean
    assert pixels(clean) == pixels(data)


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\x00", b"<svg/>", b"II*\x00"])
def test_what_cannot_be_followed_is_bad_input(data: bytes) -> None:
    with pytest.raises(BadInput):
        strip_position(data)


GOOD = [encode(format, exif=exif()) for format in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")] + [encode("GIF", mode="P")]


@settings(max_examples=deep(200), deadline=None)
@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
    st.integers(1, 10_000),
)
def test_damaged_files_are_cleaned_or_refused_never_a_crash(
    data: bytes, hits: list[tuple[int, int]], length: int
) -> None:
    damaged = bytearray(data)
    for place, value in hits:
        damaged[place % len(damaged)] = value
    try:
        clean = strip_position(bytes(damaged[:length]))
    except BadInput:
        return
    assert len(clean) <= len(data) + 64


@settings(max_examples=deep(100), deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"II*\x00\x08\x00\x00\x00", b"MM\x00*\x00\x00\x00\x08"]))
def test_any_tiff_structure_ends(body: bytes, header: bytes) -> None:
    try:
        assert len(clear_position(header + body)) == len(header + body)
    except BadInput:
        return


def test_colour_models_keep_their_pixels() -> None:
    for mode in ("L", "CMYK"):
        data = encode("JPEG", mode=mode, exif=exif())
        with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(strip_position(data))) as after:
            assert before.mode == after.mode == mode
            assert np.array_equal(np.asarray(before), np.asarray(after))
