"""Real photos damaged on purpose, found again by their hashes alone, without an encoder; none taken for another.

The shares are those of docs/guides/screens.md, with room for the sample: what a hash of 12 bits proposes and the two
laid over each other confirm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageOps

from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.screens.same_pictures import Pictures, SamePictureConfig, find_same
from tests.measure.screens import DAMAGE, print_of
from tests.measure.verdicts import PHOTOS, encode, read_photos

pytestmark = pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs the real photos at ../shared/real")
COUNT = 80
# damage -> share found, at least and at most
FOUND = {
    "cropped to 95 % of each side": (0.9, 1), "cropped to 90 %": (0.25, 0.65), "cropped to 80 %": (0, 0.1),
    "cropped to 70 %": (0, 0.05), "mirrored": (0.97, 1), "mirrored and cropped to 90 %": (0.25, 0.65),
    "white frame of 10 %": (0, 0.15), "a caption along the bottom": (0.95, 1), "PREVIEW written across": (0.9, 1),
    "12 % of it another picture": (0.4, 0.75), "grey": (0.97, 1), "half as much contrast again": (0.97, 1),
    "40 % brighter": (0.92, 1), "shrunk to 96 px, JPEG quality 15": (0.97, 1), "turned by 3°": (0.3, 0.75),
}  # fmt: skip


def of_images(images: Sequence[Image.Image]) -> Pictures:
    return Pictures(
        phashes=[phash_hex(image) for image in images],
        mirrored=[phash_hex(ImageOps.mirror(image)) for image in images],
        prints=np.stack([print_of(image) for image in images]),
        vectors=None,
    )


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return read_photos(COUNT)


@pytest.fixture(scope="module")
def known(photos: list[Image.Image]) -> Pictures:
    return of_images(photos)


def test_every_kind_of_damage_has_its_share() -> None:
    assert FOUND.keys() == DAMAGE.keys()


@pytest.mark.parametrize("name", FOUND)
def test_damaged_photos_are_found_by_hash_as_often_as_is_said(
    photos: list[Image.Image], known: Pictures, name: str
) -> None:
    after = [encode(DAMAGE[name](photo, photos[number - 1], number).convert("RGB"), quality=85)
             for number, photo in enumerate(photos)]  # fmt: skip
    pairs = find_same(of_images(after), known, SamePictureConfig())
    assert (pairs["left"] == pairs["right"]).all(), "another photo was taken for a damaged one"
    least, most = FOUND[name]
    assert least <= pairs.height / COUNT <= most
    assert (pairs["bits"] <= SamePictureConfig().hash_bits).all()
    assert (pairs["is_mirrored"] != ("mirrored" in name)).sum() <= 0.05 * COUNT
