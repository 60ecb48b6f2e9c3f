from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.picture import show_picture
from relaionet.pipeline.images.thumbnail_hash import (
    HEX_DIGITS,
    thumbprint_contrast,
    thumbprint_distances,
    thumbprint_hex,
)

prints = st.binary(min_size=HEX_DIGITS // 2, max_size=HEX_DIGITS // 2).map(bytes.hex)


@given(left=prints, right=prints)
def test_distances_are_distances(left: str, right: str) -> None:
    assert thumbprint_distances(left, left) == (0, 0)
    assert thumbprint_distances(left, right) == thumbprint_distances(right, left)
    luma, chroma = thumbprint_distances(left, right)
    assert 0 <= luma <= 255
    assert 0 <= chroma <= 255


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "1", "LA"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 5), (640, 480)])
def test_any_picture_has_one(mode: str, size: tuple[int, int]) -> None:
    text = thumbprint_hex(Image.new(mode, size))
    assert len(text) == HEX_DIGITS == 768
    assert thumbprint_contrast(text) == 0


def test_one_cell_is_seen_and_the_scale_is_that_of_the_picture() -> None:
    image = Image.new("RGB", (160, 160), (100, 100, 100))
    patched = image.copy()
    patched.paste((180, 180, 180), (80, 80, 90, 90))
    luma, chroma = thumbprint_distances(thumbprint_hex(image), thumbprint_hex(patched))
    assert 40 < luma <= 80
    assert chroma <= 2
    red = Image.new("RGB", (160, 160), (180, 66, 100))
    assert thumbprint_distances(thumbprint_hex(image), thumbprint_hex(red))[1] > 20


def test_orientation_is_applied_as_servers_apply_it() -> None:
    grid = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(grid).resize((160, 120), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    turned = image.copy()
    turned.info["exif"] = exif.tobytes()
    turned._exif = exif  # type: ignore[attr-defined]
    shown = image.transpose(Image.Transpose.ROTATE_270)
    assert show_picture(turned).size == shown.size
    assert thumbprint_hex(show_picture(turned)) == thumbprint_hex(shown)
    assert phash_hex(show_picture(turned)) == phash_hex(shown)
    assert show_picture(image) is image


@pytest.mark.parametrize("wrong", ["", "00", "zz" * 384, "00" * 383])
def test_what_is_no_thumbprint_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"hex"):
        thumbprint_distances(wrong, wrong)
