"""How often each way of telling "the same picture" is wrong, on real photos with known damage.

    python -m tests.measure.verdicts [--photos 400] [--encoder NAME_OR_IMPORT_STRING] [--threads 2]

Needs ../shared/real. Prints a Markdown table for docs/tutorials/rebuild.md: per kind of damage, the share of photos
each way takes for the same picture. Above the line it should be all of them, below it none.
"""

from __future__ import annotations

import argparse
import io
import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from relaionet.pipeline.images.fingerprints import take_fingerprints
from relaionet.pipeline.images.perceptual_hash import phash_distance
from relaionet.pipeline.images.thumbnail_hash import thumbprint_contrast, thumbprint_distances
from relaionet.pipeline.splits.verdicts import VerdictConfig

PHOTOS = (Path(__file__).resolve().parents[3] / "shared" / "real" / "photos").resolve()
Picture = Image.Image
Damage = Callable[[Picture, Picture, int], Picture]  # (photo, another photo, its number) -> what is served now


def encode(image: Picture, form: str = "JPEG", **save: object) -> Picture:
    out = io.BytesIO()
    image.save(out, form, **save)
    return hold(out.getvalue())


def hold(data: bytes) -> Picture:
    """A picture that knows its bytes, from which fingerprints are taken."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image.info = {"bytes": data}
    return image


def scale(image: Picture, factor: float, how: Image.Resampling = Image.Resampling.LANCZOS) -> Picture:
    return image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))), how)


def to_side(image: Picture, side_px: int) -> Picture:
    return scale(image, side_px / min(image.size))


def crop(image: Picture, share: float) -> Picture:
    left, top = round(image.width * share / 2), round(image.height * share / 2)
    return image.crop((left, top, image.width - left, image.height - top))


def patch(image: Picture, other: Picture, share: float, seed: int) -> Picture:
    """A rectangle of the picture's own proportions, replaced by another picture."""
    place = random.Random(seed)
    width, height = round(image.width * share**0.5), round(image.height * share**0.5)
    out = image.copy()
    at = (place.randint(0, image.width - width), place.randint(0, image.height - height))
    out.paste(other.resize((width, height)), at)
    return out


def write(image: Picture, text: str, size_share: float, at: tuple[float, float]) -> Picture:
    out = image.copy()
    place = (at[0] * image.width, at[1] * image.height)
    size = max(8, image.width * size_share)
    ImageDraw.Draw(out).text(place, text, fill=(255, 255, 255), font_size=size, stroke_width=1, stroke_fill=(0, 0, 0))
    return out


def placeholder(image: Picture) -> Picture:
    return encode(write(Image.new("RGB", image.size, (236, 236, 236)), "image removed", 0.1, (0.1, 0.45)))


def turn_hue(image: Picture, degrees: int) -> Picture:
    hue, saturation, value = image.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda x: (x + degrees * 256 // 360) % 256), saturation, value)).convert("RGB")


SAME: dict[str, Damage] = {
    "JPEG quality 95": lambda im, _o, _n: encode(im, quality=95),
    "JPEG quality 50": lambda im, _o, _n: encode(im, quality=50),
    "JPEG quality 20": lambda im, _o, _n: encode(im, quality=20),
    "WebP quality 60": lambda im, _o, _n: encode(im, "WEBP", quality=60),
    "PNG": lambda im, _o, _n: encode(im, "PNG"),
    "enlarged × 1.7": lambda im, _o, _n: encode(scale(im, 1.7), quality=85),
    "shrunk × 0.6, nearest neighbour": lambda im, _o, _n: encode(scale(im, 0.6, Image.Resampling.NEAREST), quality=80),
    "shrunk to 96 px": lambda im, _o, _n: encode(to_side(im, 96), quality=75),
    "shrunk to 64 px": lambda im, _o, _n: encode(to_side(im, 64), quality=60),
    "sharpened": lambda im, _o, _n: encode(im.filter(ImageFilter.UnsharpMask(2, 100, 2)), quality=85),
    "5 % brighter": lambda im, _o, _n: encode(ImageEnhance.Brightness(im).enhance(1.05), quality=85),
    "10 % more contrast": lambda im, _o, _n: encode(ImageEnhance.Contrast(im).enhance(1.1), quality=85),
    "20 % more colour": lambda im, _o, _n: encode(ImageEnhance.Color(im).enhance(1.2), quality=85),
    "1 % cropped": lambda im, _o, _n: encode(crop(im, 0.01), quality=85),
}
UNSURE: dict[str, Damage] = {
    "2 % cropped": lambda im, _o, _n: encode(crop(im, 0.02), quality=85),
    "5 % cropped": lambda im, _o, _n: encode(crop(im, 0.05), quality=85),
    "10 % cropped": lambda im, _o, _n: encode(crop(im, 0.10), quality=85),
    "small mark in a corner": lambda im, _o, _n: encode(write(im, "© example", 0.04, (0.72, 0.93)), quality=85),
    "1 % of it another picture": lambda im, o, n: encode(patch(im, o, 0.01, n), quality=85),
    "15 % of another picture mixed in": lambda im, o, _n: encode(Image.blend(im, o.resize(im.size), 0.15), quality=85),
    "blurred": lambda im, _o, _n: encode(im.filter(ImageFilter.GaussianBlur(min(im.size) / 40)), quality=85),
    "grey": lambda im, _o, _n: encode(im.convert("L"), quality=85),
}
CHANGED: dict[str, Damage] = {
    "another photo": lambda _im, o, _n: encode(o, quality=85),
    "mirrored": lambda im, _o, _n: encode(ImageOps.mirror(im), quality=85),
    "upside down": lambda im, _o, _n: encode(im.rotate(180), quality=85),
    "negative": lambda im, _o, _n: encode(ImageOps.invert(im), quality=85),
    "one flat colour": lambda im, _o, _n: encode(Image.new("RGB", im.size, (136, 120, 128))),
    '"image removed"': lambda im, _o, _n: placeholder(im),
    "PREVIEW written across": lambda im, _o, _n: encode(write(im, "PREVIEW", 0.2, (0.05, 0.4)), quality=85),
    "25 % of it another picture": lambda im, o, n: encode(patch(im, o, 0.25, n), quality=85),
    "12 % of it another picture": lambda im, o, n: encode(patch(im, o, 0.12, n), quality=85),
    "6 % of it another picture": lambda im, o, n: encode(patch(im, o, 0.06, n), quality=85),
    "3 % of it another picture": lambda im, o, n: encode(patch(im, o, 0.03, n), quality=85),
    "30 % of another picture mixed in": lambda im, o, _n: encode(Image.blend(im, o.resize(im.size), 0.3), quality=85),
    "hue turned by 90°": lambda im, _o, _n: encode(turn_hue(im, 90), quality=85),
}


@dataclass(frozen=True)
class Measures:
    """What the verdict rests on, for one pair of pictures."""

    bits: int
    luma: float
    chroma: float
    contrast: float


def describe(image: Picture) -> tuple[str, str]:
    found = take_fingerprints(image.info["bytes"], 10**9)
    return found.phash, found.thumbprint


def measure(before: tuple[str, str], after: tuple[str, str]) -> Measures:
    luma, chroma = thumbprint_distances(before[1], after[1])
    return Measures(phash_distance(before[0], after[0]), luma, chroma, thumbprint_contrast(after[1]))


def ways(config: VerdictConfig) -> dict[str, Callable[[Measures], bool]]:
    """The ways compared: name -> is it taken for the same picture?"""
    return {
        f"hash ≤ {config.max_phash_distance}": lambda m: m.bits <= config.max_phash_distance,
        f"hash ≤ {config.max_phash_distance_alone}": lambda m: m.bits <= config.max_phash_distance_alone,
        "thumbprint": lambda m: m.luma <= config.max_luma_distance and m.chroma <= config.max_chroma_distance,
        "both (used)": lambda m: is_same(m, config),
    }


def is_same(found: Measures, config: VerdictConfig) -> bool:
    return (
        found.bits <= config.max_phash_distance
        and found.contrast >= config.min_contrast
        and found.luma <= config.max_luma_distance
        and found.chroma <= config.max_chroma_distance
    )


def photo_files() -> list[Path]:
    return sorted(file for file in PHOTOS.rglob("*.jpg") if file.parent.name != "again")


def read_photos(count: int) -> list[Picture]:
    files = random.Random(0).sample(photo_files(), min(count, len(photo_files())))
    return [hold(file.read_bytes()) for file in files]


def measure_damage(photos: list[Picture], damage: Damage, threads: int) -> list[tuple[Picture, Measures]]:
    def one(number: int) -> tuple[Picture, Measures]:
        image, other = photos[number], photos[(number + 1) % len(photos)]
        after = damage(image, other, number)
        return after, measure(describe(image), describe(after))

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(len(photos))))


def cosines(encoder: object, photos: list[Picture], after: list[Picture]) -> np.ndarray:
    import torch

    def rows(pictures: list[Picture]) -> np.ndarray:
        batch = [encoder.preprocess(image.convert("RGB")) for image in pictures]  # type: ignore[attr-defined]
        parts = [torch.stack(batch[at : at + 32]) for at in range(0, len(batch), 32)]
        return np.concatenate([encoder.encode_images(part) for part in parts])  # type: ignore[attr-defined]

    return (rows(photos) * rows(after)).sum(axis=1)


def table_lines(photos: list[Picture], encoder: object | None, threads: int) -> Iterator[str]:
    config = VerdictConfig()
    told = ways(config)
    more = [f"embedding ≥ {config.min_cosine:g}", "all three"] if encoder is not None else []
    yield "| what the server sends now | " + " | ".join([*told, *more]) + " |"
    yield "|---|" + "---|" * (len(told) + len(more))
    for title, kinds in (("**the same picture**", SAME), ("**either**", UNSURE), ("**another picture**", CHANGED)):
        yield f"| {title} |" + " |" * (len(told) + len(more))
        for name, damage in kinds.items():
            found = measure_damage(photos, damage, threads)
            taken = [np.array([way(m) for _, m in found]) for way in told.values()]
            if encoder is not None:
                near = cosines(encoder, photos, [image for image, _ in found]) >= config.min_cosine
                taken += [near, near & taken[-1]]
            yield f"| {name} | " + " | ".join(_share(values) for values in taken) + " |"


def _share(values: np.ndarray) -> str:
    count = int(values.sum())
    return "all" if count == len(values) else "none" if count == 0 else f"{count / len(values):.1%}"


def pairs_line() -> str:
    """All pairs of different photos."""
    files, config = photo_files(), VerdictConfig()
    told = []
    for file in files:
        told.append(describe(hold(file.read_bytes())))
    hashes = np.array([int(phash, 16) for phash, _ in told], dtype=np.uint64)
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None, :])[np.triu_indices(len(hashes), 1)]
    return (
        f"{len(bits):,} pairs of {len(files):,} different photos: smallest distance of their hashes {bits.min()} bits; "
        f"{int((bits <= config.max_phash_distance).sum())} pairs at {config.max_phash_distance} or less."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--encoder")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    encoder = None
    if asked.encoder:
        from relaionet.pipeline.embeddings.encoders import load_encoder

        encoder = load_encoder(asked.encoder)
    photos = read_photos(asked.photos)
    print(f"{len(photos)} real photos, {VerdictConfig()}\n")
    for line in table_lines(photos, encoder, asked.threads):
        print(line, flush=True)
    print(f"\n{pairs_line()}")


if __name__ == "__main__":
    main()
