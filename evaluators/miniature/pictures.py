"""Pictures of the synthetic world at the miniature's 32 pixels, and the seed ranges that keep its uses apart.

| seeds                     | what for                                                                  |
|---------------------------|---------------------------------------------------------------------------|
| 10^9 to 3 * 10^9          | not used here: training and check of the encoder                          |
| 7,000,000,000 + 10^6      | training of the generators and of the classifier                          |
| 7,100,000,000 + 10^6      | held-out pictures that the figures in weights/README.md are of            |
| 8,000,000,000 + 10^9      | fresh pictures of the generator `miniature-world`                         |
| from 2^40                 | not used here: rows, reference and control pictures of a synthetic world  |
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import find_label
from relaionet.manifests.replacing import replacing
from relaionet.pipeline.miniature.drawings.pictures import CLASSES, draw_picture

SIZE_PX = 32
DRAWN_PX = 96  # drawn larger and shrunk, as the pictures of a split are: their grain shrinks too
TRAIN_SEED = 7_000_000_000
HELD_OUT_SEED = 7_100_000_000
WORLD_SEED = 8_000_000_000
SEEDS_COUNT = 1_000_000
CLASS_INDICES = tuple(find_label(wnid).class_index for wnid in CLASSES)


def draw_small(wnid: str, seed: int) -> NDArray[np.uint8]:
    """One picture `[32, 32, 3]` uint8 RGB: drawn at 96 px, shrunk by an antialiased bicubic filter."""
    picture = draw_picture(wnid, seed, DRAWN_PX)
    return np.asarray(picture.resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC))


def draw_pool(per_class: int, first_seed: int, cache: Path | None = None) -> NDArray[np.uint8]:
    """A pool of pictures, the same for the same arguments.

    Args:
        per_class: pictures of each class.
        first_seed: picture i of every class has seed `first_seed + i`.
        cache: `.npy` file the pool is kept in; drawn where it is missing.

    Returns:
        `[20, per_class, 32, 32, 3]` uint8 RGB, classes in sorted-wnid order.

    Raises:
        BadInput: the cache holds a pool of another size.
    """
    shape = (len(CLASSES), per_class, SIZE_PX, SIZE_PX, 3)
    if cache is not None and cache.exists():
        pool = np.load(cache, allow_pickle=False)
        if pool.shape != shape:
            raise BadInput(f"{cache} holds a pool of shape {pool.shape}, expected {shape}; delete it or name another.")
        return pool
    pool = np.empty(shape, np.uint8)
    for row, wnid in enumerate(CLASSES):
        for i in range(per_class):
            pool[row, i] = draw_small(wnid, first_seed + i)
    if cache is not None:
        with replacing(cache) as part, part.open("wb") as file:
            np.save(file, pool)
    return pool
