"""What looking at a downloaded picture costs, milliseconds of a core: decoding it, its facts, its perceptual hash.

Of made pictures in sizes usual on the web, and of real photographs where they are there; against what was stated, and
against both fingerprints of the picture decoded at its full size, as their first version is taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from relaionet.pipeline.images.fingerprints import take_fingerprints, take_phash
from tests.bench.pictures.picture_server import make_pictures
from tests.bench.row import Row

MAX_PIXELS, REPEATS, GOAL_MS = 64_000_000, 5, 1.5
PHOTOS = Path(__file__).resolve().parents[4] / "shared" / "real" / "photos"


def cost_of(look: Callable[[bytes, int], object], pictures: Sequence[bytes]) -> float:
    """Milliseconds of a core per picture, the best of some repeats."""
    look(pictures[0], MAX_PIXELS)
    found = []
    for _ in range(REPEATS):
        started = time.process_time()
        for data in pictures:
            look(data, MAX_PIXELS)
        found.append((time.process_time() - started) / len(pictures) * 1000)
    return min(found)


def measure() -> Iterator[Row]:
    sets = {"download_cpu": make_pictures()}
    if PHOTOS.is_dir():
        sets["download_cpu_photos"] = [path.read_bytes() for path in sorted(PHOTOS.glob("flickr/*.jpg"))[:300]]
        sets["download_cpu_large_photos"] = [path.read_bytes() for path in sorted(PHOTOS.glob("full/*.jpg"))]
    for name, pictures in sets.items():
        kilobytes = sum(map(len, pictures)) / len(pictures) / 1000
        ours = cost_of(take_phash, pictures)
        whole = cost_of(lambda data, most: take_fingerprints(data, most, version=1), pictures)
        unit = f"ms of a core per picture of {kilobytes:.0f} kB"
        yield Row(name=name, ours=ours, peer=GOAL_MS, goal="<=1", unit=f"{unit} (stated: {GOAL_MS:g})")
        yield Row(name=f"{name}_whole", ours=ours, peer=whole, goal="<=0.6", unit=f"{unit} (decoded whole)")
