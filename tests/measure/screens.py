"""What the screens find and what they take wrongly, on real photos with known damage.

    python -m tests.measure.screens [--photos 200]

Needs ../shared/real. Prints the tables of docs/guides/screens.md: per kind of damage the share of photos found as the
same picture by their hash alone and laid over each other; the nearest pairs of different photos; pictures taken for
drawn.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from relaionet.pipeline.images.perceptual_hash import phash_distance, phash_hex
from relaionet.pipeline.screens.config import DrawingConfig
from relaionet.pipeline.screens.pixel_measures import measure_picture
from relaionet.pipeline.screens.registration import match_prints, take_print
from relaionet.pipeline.screens.same_pictures import SamePictureConfig
from tests.measure.verdicts import encode, patch, photo_files, to_side, write

Picture = Image.Image
SAME = SamePictureConfig()
NEAREST = 4


def cropped(image: Picture, kept: float, seed: int) -> Picture:
    place = random.Random(seed)
    width, height = round(image.width * kept), round(image.height * kept)
    left, top = place.randint(0, image.width - width), place.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def framed(image: Picture, share: float) -> Picture:
    return ImageOps.expand(image, round(min(image.size) * share), (255, 255, 255))


DAMAGE: dict[str, Callable[[Picture, Picture, int], Picture]] = {
    "cropped to 95 % of each side": lambda im, _o, n: cropped(im, 0.95, n),
    "cropped to 90 %": lambda im, _o, n: cropped(im, 0.90, n),
    "cropped to 80 %": lambda im, _o, n: cropped(im, 0.80, n),
    "cropped to 70 %": lambda im, _o, n: cropped(im, 0.70, n),
    "mirrored": lambda im, _o, _n: ImageOps.mirror(im),
    "mirrored and cropped to 90 %": lambda im, _o, n: ImageOps.mirror(cropped(im, 0.90, n)),
    "white frame of 10 %": lambda im, _o, _n: framed(im, 0.10),
    "a caption along the bottom": lambda im, _o, _n: write(im, "a cat on the mat, 2021", 0.06, (0.05, 0.9)),
    "PREVIEW written across": lambda im, _o, _n: write(im, "PREVIEW", 0.2, (0.05, 0.4)),
    "12 % of it another picture": lambda im, o, n: patch(im, o, 0.12, n),
    "grey": lambda im, _o, _n: im.convert("L"),
    "half as much contrast again": lambda im, _o, _n: ImageEnhance.Contrast(im).enhance(1.5),
    "40 % brighter": lambda im, _o, _n: ImageEnhance.Brightness(im).enhance(1.4),
    "shrunk to 96 px, JPEG quality 15": lambda im, _o, _n: encode(to_side(im, 96), quality=15),
    "turned by 3°": lambda im, _o, _n: cropped(im.rotate(3, Image.Resampling.BICUBIC), 0.9, 0),
}


def print_of(image: Picture) -> np.ndarray:
    return np.frombuffer(take_print(image), dtype=np.uint8)


def bits_of(one: Picture, two: Picture) -> int:
    """Of the hashes, straight or mirrored."""
    return min(phash_distance(phash_hex(one), phash_hex(each)) for each in (two, ImageOps.mirror(two)))


def damage_lines(photos: list[Picture]) -> Iterator[str]:
    yield f"| damage | hash ≤ 6 bits | hash ≤ {SAME.hash_bits} bits | laid over | least detail of 95 in 100 |"
    yield "|---|---|---|---|---|"
    prints = np.stack([print_of(photo) for photo in photos])
    for name, damage in DAMAGE.items():
        after = [encode(damage(photo, photos[number - 1], number).convert("RGB"), quality=85)
                 for number, photo in enumerate(photos)]  # fmt: skip
        bits = np.array([bits_of(*pair) for pair in zip(photos, after, strict=True)])
        found = match_prints(prints, np.stack([print_of(image) for image in after]))
        detail = np.nan_to_num(found.detail)
        same = (np.nan_to_num(found.correlation) >= SAME.min_correlation) & (detail >= SAME.min_detail)
        shares = [f"{value:.0%}" for value in ((bits <= 6).mean(), (bits <= SAME.hash_bits).mean(), same.mean())]
        yield f"| {name} | {' | '.join(shares)} | {np.quantile(detail, 0.05):.2f} |"


def different_lines(files: list[Path]) -> Iterator[str]:
    """Pairs of different photos, each with those whose prints are nearest by plain correlation."""
    prints = np.stack([print_of(Image.open(file)) for file in files])
    values = prints.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
    cosines = values @ values.T
    np.fill_diagonal(cosines, -1)
    near = np.argsort(-cosines, axis=1)[:, :NEAREST]
    pairs = np.unique(np.sort(np.stack([np.repeat(np.arange(len(files)), NEAREST), near.ravel()], 1), axis=1), axis=0)
    found = match_prints(prints[pairs[:, 0]], prints[pairs[:, 1]])
    high = np.nan_to_num(found.correlation) >= SAME.min_correlation
    wrong = high & (np.nan_to_num(found.detail) >= SAME.min_detail)
    yield (
        f"{len(pairs):,} pairs of {len(files):,} different photos, each with the {NEAREST} most like it: {high.sum()} "
        f"reach correlation {SAME.min_correlation:g}; the highest detail of any is {np.nanmax(found.detail):.2f} (of "
        f"those, {found.detail[high].max(initial=-1):.2f}); {wrong.sum()} taken for the same."
    )


def shapes(seed: int) -> Picture:
    place = random.Random(seed)
    image = Image.new("RGB", (300, 300), tuple(place.randint(150, 255) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(place.randint(3, 9)):
        left, top, side = place.randint(0, 250), place.randint(0, 250), place.randint(20, 150)
        colour = tuple(place.randint(0, 255) for _ in range(3))
        (draw.ellipse if place.random() < 0.5 else draw.rectangle)((left, top, left + side, top + side), fill=colour)
    return encode(image, quality=place.randint(50, 95))


def drawing_lines(photos: list[Picture]) -> Iterator[str]:
    config = DrawingConfig()
    for name, pictures in (("real photos", photos), ("pictures of flat shapes", [shapes(n) for n in range(100)])):
        told = [measure_picture(image) for image in pictures]
        drawn = [m.flat_frac >= config.min_flat_frac and m.palette_frac >= config.min_palette_frac for m in told]
        yield f"{len(pictures)} {name}: {np.mean(drawn):.1%} look drawn."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=200)
    asked = parser.parse_args()
    files = photo_files()
    photos = [Image.open(file).convert("RGB") for file in random.Random(0).sample(files, min(asked.photos, len(files)))]
    for lines in (damage_lines(photos), different_lines(files), drawing_lines(photos)):
        for line in lines:
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
