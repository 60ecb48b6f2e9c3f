from __future__ import annotations

import io

import imagehash
import numpy as np
import pytest
from PIL import Image

from relaionet.pipeline.images.perceptual_hash import HASH_BITS, phash_distance, phash_hex


def smooth(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((320, 240), Image.Resampling.BICUBIC)


def test_hash_is_imagehash_written_as_16_hex_digits() -> None:
    for seed in range(5):
        text = phash_hex(smooth(seed))
        assert len(text) == 16
        assert imagehash.hex_to_hash(text) == imagehash.phash(smooth(seed))


def test_same_picture_is_near_and_another_is_far() -> None:
    small = io.BytesIO()
    smooth(1).resize((100, 75)).save(small, "JPEG", quality=50)
    again = phash_distance(phash_hex(smooth(1)), phash_hex(Image.open(small)))
    other = phash_distance(phash_hex(smooth(1)), phash_hex(smooth(2)))
    assert again <= 4
    assert other >= 12


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1", "I;16"])
def test_every_mode_and_the_smallest_size_have_a_hash(mode: str) -> None:
    assert len(phash_hex(Image.new(mode, (1, 1)))) == 16


def test_distance_counts_bits() -> None:
    assert phash_distance("0" * 16, "f" * 16) == HASH_BITS
    assert phash_distance("00000000000000ff", "00000000000000fe") == 1
    assert phash_distance("abc", "abc") == 0
    with pytest.raises(ValueError, match=r"hex|base 16"):
        phash_distance("zz", "00")
