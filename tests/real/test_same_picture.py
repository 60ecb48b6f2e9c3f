"""The threshold of `SplitConfig.max_phash_distance`, measured on real photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relaionet.pipeline.perceptual_hash import phash_hex
from relaionet.pipeline.split import SplitConfig

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "real" / "photos"

pytestmark = [pytest.mark.real, pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs ../shared/real")]


def hashes(files: list[Path]) -> np.ndarray:
    texts = []
    for file in files:
        with Image.open(file) as image:
            texts.append(int(phash_hex(image), 16))
    return np.array(texts, dtype=np.uint64)


def test_same_pictures_are_within_the_threshold_and_different_ones_far_beyond() -> None:
    again = hashes(sorted((PHOTOS / "again").glob("*.jpg")))
    photos = hashes(sorted(file for file in PHOTOS.rglob("*.jpg") if file.parent.name != "again"))
    to_photos = np.sort(np.bitwise_count(again[:, None] ^ photos[None, :]), axis=1)
    between = np.bitwise_count(photos[:, None] ^ photos[None, :])[np.triu_indices(len(photos), 1)]
    limit = SplitConfig().max_phash_distance
    assert (len(again), len(photos)) == (40, 1618)
    assert to_photos[:, 0].max() <= 2 <= limit
    assert to_photos[:, 1].min() > limit
    assert (between <= limit).sum() == 0
    assert between.min() >= 12
