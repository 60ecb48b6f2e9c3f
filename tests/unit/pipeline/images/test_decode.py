from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from relaionet.manifests.tables.releases import FINGERPRINT_VERSIONS
from relaionet.pipeline.images.decode import FORMATS, BrokenImage, ImageFacts, read_facts
from relaionet.pipeline.images.fingerprints import take_fingerprints
from relaionet.pipeline.images.picture import read_picture
from tests.depth import deep
from tests.unit.pipeline.images.odd_files import odd_files

LIMIT_PIXELS = 1_000_000


def encode(mode: str = "RGB", format: str = "JPEG", size: tuple[int, int] = (40, 30), **save: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 40).convert(mode).save(out, format, **save)
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "format"),
    [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("I;16", "PNG"),
     ("RGB", "WEBP"), ("P", "GIF"), ("RGB", "BMP"), ("RGB", "TIFF"), ("RGB", "AVIF")],
)  # fmt: skip
def test_formats_are_known_by_their_bytes(mode: str, format: str) -> None:
    facts = read_facts(encode(mode, format), LIMIT_PIXELS)
    assert facts == ImageFacts(format=FORMATS[format], width_px=40, height_px=30)


def test_an_animation_counts_as_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "green", "white")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    assert read_facts(out.getvalue(), LIMIT_PIXELS) == ImageFacts(
        format="gif", width_px=8, height_px=8, is_animated=True
    )
    assert read_picture(out.getvalue()).getpixel((0, 0)) == frames[0].getpixel((0, 0))


@pytest.mark.parametrize(("format", "dtype"), [("PNG", np.uint16), ("TIFF", np.uint16), ("TIFF", np.int32)])
def test_grey_of_more_than_8_bits_keeps_its_greys(format: str, dtype: type) -> None:
    grey = np.linspace(0, 255, 40 * 30).reshape(30, 40).astype(np.uint8)
    wide = (grey.astype(np.int64) * (257 if dtype == np.uint16 else 2**23)).astype(dtype)
    out = io.BytesIO()
    Image.fromarray(wide).save(out, format)
    shown = np.asarray(read_picture(out.getvalue()).convert("L")).astype(int)
    assert np.abs(shown - (grey if dtype == np.uint16 else grey // 2)).max() <= 1


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no bytes"),
        (b"\x1f\x8b\x08" + bytes(9), "gzip"),
        (b"not here", "text"),
        (b'{"error": 1}', "JSON"),
        (b"%PDF-1.7", "PDF"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(30), "a film"),
        (b"  <!DOCTYPE html><html></html>", "HTML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "not an image|cannot be decoded"),
        (encode(size=(300, 200))[:2000], "truncated"),
        (encode(format="PNG", size=(300, 200))[:2000], "truncated|cannot be decoded"),
        (encode("1", "PNG", size=(2000, 1000)), "more than 1000000 pixels"),
    ],
)
def test_what_is_no_image_says_why(data: bytes, why: str) -> None:
    with pytest.raises(BrokenImage, match=why):
        read_facts(data, LIMIT_PIXELS)


GOOD = [encode(format=format) for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")]
GOOD += [one.data for one in odd_files() if len(one.data) < 30_000]


@settings(max_examples=deep(150), deadline=None)
@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=12),
    st.integers(0, 5000),
    st.sampled_from(FINGERPRINT_VERSIONS),
)
def test_damaged_bytes_are_facts_or_broken_never_a_crash(
    data: bytes, hits: list[tuple[int, int]], length: int, version: int
) -> None:
    damaged = bytearray(data)
    for place, value in hits:
        damaged[place % len(damaged)] = value
    try:
        facts = take_fingerprints(bytes(damaged[: max(1, length)]), LIMIT_PIXELS, version).facts
    except BrokenImage:
        return
    assert facts.format in FORMATS.values()
    assert 0 < facts.width_px * facts.height_px <= LIMIT_PIXELS
