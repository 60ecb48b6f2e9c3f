"""The bytes of a synthetic world: pictures as servers send them, whole, re-encoded, cut and corrupt."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

from PIL import Image

from relaionet.manifests.labels import find_label
from relaionet.pipeline.images.picture import read_picture
from relaionet.pipeline.miniature.drawings.pictures import (
    CLASSES,
    draw_clutter,
    draw_pair,
    draw_picture,
    draw_word,
    rng_of,
)
from relaionet.pipeline.miniature.rows import Row

HTML = b"<!DOCTYPE html><html><head><title>Not here</title></head><body><h1>This picture has moved</h1></body></html>"


def encode_picture(image: Image.Image, rng: Random) -> bytes:
    """Bytes of a picture as the web keeps it: mostly JPEG of some quality, some PNG, WebP or grey."""
    if rng.random() < 0.06:
        image = image.convert("L")
    if rng.random() < 0.25:  # a little wider or taller than square
        sides = (image.width, round(image.height * rng.uniform(0.86, 0.99)))
        image = image.resize(sides if rng.random() < 0.5 else sides[::-1], Image.Resampling.BICUBIC)
    kind = rng.choices(["JPEG", "PNG", "WEBP"], weights=[0.88, 0.05, 0.07])[0]
    buffer = io.BytesIO()
    if kind == "PNG":
        image.save(buffer, format="PNG")
    else:
        image.save(buffer, format=kind, quality=rng.randint(55, 93))
    return buffer.getvalue()


def copy_picture(data: bytes, size_px: int, rng: Random) -> bytes:
    """The same picture with other bytes: rescaled to `size_px` on its longer side and re-encoded as JPEG."""
    image = read_picture(data)
    factor = size_px / max(image.size)
    sides = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    buffer = io.BytesIO()
    image.convert("L" if image.mode == "L" else "RGB").resize(sides, Image.Resampling.LANCZOS).save(
        buffer, format="JPEG", quality=rng.randint(50, 85)
    )
    return buffer.getvalue()


def leaked_reference(row: Row, count: int) -> int:
    """Which of `count` reference pictures (class after class, again and again) a leak shows: one of the row's class."""
    return CLASSES.index(str(row.wnid)) + len(CLASSES) * (row.group % (count // len(CLASSES)))


def draw_row(row: Row) -> Image.Image:
    """The picture a row shows, at the row's size."""
    wnid = str(row.wnid)
    if row.kind == "word":
        return draw_word(find_label(wnid).name, row.seed, row.size_px)
    if row.kind == "clutter":
        return draw_clutter(row.seed, row.size_px)
    if row.kind == "pair":
        return draw_pair((wnid, str(row.other_wnid)), row.seed, row.size_px)
    if row.kind == "placeholder":
        grey = rng_of("placeholder", row.seed).randint(200, 250)
        return Image.new("RGB", (row.size_px, row.size_px), (grey, grey, grey))
    return draw_picture(wnid, row.seed, row.size_px)


def make_bytes(row: Row, originals: dict[str, bytes], references: list[Path]) -> bytes:
    """What the row's address serves in the first epoch.

    Args:
        row: one that has bytes.
        originals: bytes by row name, for copies.
        references: pictures that leaks come from.
    """
    rng = rng_of("bytes", row.name)
    if row.copy_of is not None:
        return copy_picture(originals[row.copy_of], row.size_px, rng)
    if row.fault == "leak":
        return copy_picture(references[leaked_reference(row, len(references))].read_bytes(), rng.randint(96, 150), rng)
    if row.fault == "html":
        return HTML + b"<!-- " + row.name.encode() + b" -->"
    data = encode_picture(draw_row(row), rng)
    if row.fault == "truncated":
        return data[: int(len(data) * rng.uniform(0.3, 0.7))]
    if row.fault == "corrupt":
        middle = bytearray(data[: len(data) // 3])
        for place in range(2 if rng.random() < 0.5 else 0, len(middle)):
            middle[place] = rng.randrange(256)
        return bytes(middle)
    return data


def make_later_bytes(row: Row, data: bytes) -> bytes | None:
    """What the row's address serves in the second epoch where that differs; None where it is the same or gone."""
    rng = rng_of("later", row.name)
    if row.later == "same_picture":
        return copy_picture(data, int(row.size_px * rng.uniform(0.75, 0.97)), rng)
    if row.later == "changed":
        return encode_picture(draw_picture(str(row.wnid), row.seed + 1, row.size_px), rng)
    return None
