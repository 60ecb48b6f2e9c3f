"""Backgrounds of the miniature's pictures, and clutter that is none of its classes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from relaionet.pipeline.miniature.drawings.brush import Brush, Colour, arc, colour_of, shade


def _any_colour(rng: Random) -> Colour:
    return colour_of(rng, rng.random(), rng.uniform(0.05, 0.6), rng.uniform(0.25, 0.95))


def _mix(pen: Brush, top: Colour, bottom: Colour, start: float = -1.6, end: float = 1.6) -> None:
    steps = 24
    for step in range(steps):
        part = step / (steps - 1)
        fill = tuple(int(a + (b - a) * part) for a, b in zip(top, bottom, strict=True))
        y = start + (end - start) * step / steps
        pen.box(-1.6, y, 1.6, end, fill)  # type: ignore[arg-type]


def _studio(pen: Brush, rng: Random) -> None:
    base = _any_colour(rng)
    _mix(pen, shade(base, rng.uniform(0.6, 1.4)), shade(base, rng.uniform(0.7, 1.6)))


def _landscape(pen: Brush, rng: Random) -> None:
    sky = colour_of(rng, rng.choice([0.57, 0.6, 0.05, 0.9]), rng.uniform(0.1, 0.55), rng.uniform(0.55, 1.0), 0.1)
    _mix(pen, sky, shade(sky, rng.uniform(1.1, 1.7)))
    for _ in range(rng.randint(0, 4)):
        x, y, size = rng.uniform(-1, 1), rng.uniform(-0.95, -0.2), rng.uniform(0.1, 0.3)
        for _ in range(4):
            pen.blob(x + rng.uniform(-size, size), y, size * 0.7, size * 0.35, shade(sky, 1.75))
    horizon = rng.uniform(0.1, 0.7)
    ground = colour_of(rng, rng.choice([0.25, 0.3, 0.1, 0.08]), rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.7), 0.1)
    hills = [(-1.6 + 0.4 * i, horizon - rng.uniform(0, 0.25)) for i in range(9)]
    pen.shape([*hills, (1.6, 1.6), (-1.6, 1.6)], shade(ground, 0.8))
    _mix(pen, ground, shade(ground, 0.75), start=horizon)


def _planks(pen: Brush, rng: Random) -> None:
    wood = colour_of(rng, rng.uniform(0.05, 0.1), rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.8), 0.1)
    board = pen.at(0, 0, 1, rng.choice([0, 90, rng.uniform(-30, 30)]))
    count = rng.randint(4, 9)
    for index in range(count):
        y = -1.6 + 3.2 * index / count
        board.box(-1.6, y, 1.6, y + 3.2 / count, shade(wood, rng.uniform(0.82, 1.12)))
        board.line([(-1.6, y), (1.6, y)], 0.02, shade(wood, 0.5))
        for _ in range(3):
            grain = y + rng.uniform(0, 3.2 / count)
            board.line([(-1.6, grain), (1.6, grain + rng.uniform(-0.03, 0.03))], 0.01, shade(wood, 0.75))


def _grass(pen: Brush, rng: Random) -> None:
    green = colour_of(rng, rng.uniform(0.2, 0.36), rng.uniform(0.35, 0.8), rng.uniform(0.25, 0.65), 0.1)
    _mix(pen, shade(green, 1.2), shade(green, 0.7))
    for _ in range(90):
        x, y = rng.uniform(-1.2, 1.2), rng.uniform(-1.1, 1.2)
        pen.line([(x, y), (x + rng.uniform(-0.08, 0.08), y - rng.uniform(0.1, 0.3))], 0.02,
                 shade(green, rng.uniform(0.6, 1.35)))  # fmt: skip


def _wall(pen: Brush, rng: Random) -> None:
    base = _any_colour(rng)
    pen.box(-1.6, -1.6, 1.6, 1.6, shade(base, 0.7))
    height, width = rng.uniform(0.18, 0.35), rng.uniform(0.35, 0.7)
    joint = rng.uniform(0.015, 0.04)
    for row in range(int(3.2 / height) + 1):
        for column in range(int(3.6 / width) + 1):
            x = -1.8 + column * width + (row % 2) * width / 2
            y = -1.6 + row * height
            pen.box(x + joint, y + joint, x + width - joint, y + height - joint, shade(base, rng.uniform(0.9, 1.12)))


def _stripes(pen: Brush, rng: Random) -> None:
    first, second = _any_colour(rng), _any_colour(rng)
    pen.box(-1.6, -1.6, 1.6, 1.6, first)
    cloth = pen.at(0, 0, 1, rng.uniform(0, 180))
    width = rng.uniform(0.1, 0.4)
    for index in range(int(3.2 / width)):
        if index % 2:
            cloth.box(-1.6 + index * width, -1.6, -1.6 + (index + 1) * width, 1.6, second)
        elif rng.random() < 0.5:
            cloth.line([(-1.6, -1.6 + index * width), (1.6, -1.6 + index * width)], 0.03, shade(second, 1.2))


def _bokeh(pen: Brush, rng: Random) -> None:
    dark = colour_of(rng, rng.random(), 0.4, rng.uniform(0.12, 0.5))
    _mix(pen, dark, shade(dark, 0.6))
    for _ in range(rng.randint(8, 22)):
        size = rng.uniform(0.05, 0.22)
        pen.blob(rng.uniform(-1, 1), rng.uniform(-1, 1), size, size, shade(_any_colour(rng), 0.8))


def _water(pen: Brush, rng: Random) -> None:
    blue = colour_of(rng, rng.uniform(0.48, 0.62), rng.uniform(0.3, 0.7), rng.uniform(0.35, 0.85), 0.1)
    _mix(pen, shade(blue, 1.2), shade(blue, 0.75))
    for _ in range(40):
        x, y, size = rng.uniform(-1.2, 1.2), rng.uniform(-1, 1.1), rng.uniform(0.05, 0.3)
        pen.line(arc(x, y, size, 0.04, 180, 360, 8), 0.02, shade(blue, rng.uniform(0.75, 1.5)))


def _street(pen: Brush, rng: Random) -> None:
    sky = colour_of(rng, 0.58, rng.uniform(0.05, 0.4), rng.uniform(0.3, 0.95), 0.1)
    _mix(pen, sky, shade(sky, 1.3))
    x = -1.1
    while x < 1.1:
        width, top = rng.uniform(0.25, 0.6), rng.uniform(-0.7, 0.2)
        house = shade(_any_colour(rng), 0.8)
        pen.box(x, top, x + width, 0.7, house)
        for row in range(int((0.6 - top) / 0.22)):
            for column in range(int(width / 0.16)):
                left = x + 0.05 + column * 0.16
                pen.box(left, top + 0.06 + row * 0.22, left + 0.08, top + 0.17 + row * 0.22, shade(house, 0.6))
        x += width
    pen.box(-1.6, 0.6, 1.6, 1.6, colour_of(rng, 0.6, 0.05, rng.uniform(0.25, 0.5)))


def _leaves(pen: Brush, rng: Random) -> None:
    green = colour_of(rng, rng.uniform(0.15, 0.4), rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.5), 0.1)
    pen.box(-1.6, -1.6, 1.6, 1.6, shade(green, 0.7))
    for _ in range(45):
        size = rng.uniform(0.12, 0.3)
        pen.blob(rng.uniform(-1.1, 1.1), rng.uniform(-1.1, 1.1), size, size * 0.4, shade(green, rng.uniform(0.75, 1.4)),
                 turn=rng.uniform(0, 180))  # fmt: skip


SCENES: tuple[Callable[[Brush, Random], None], ...] = (
    _studio, _studio, _landscape, _landscape, _planks, _grass, _wall, _stripes, _bokeh, _water, _street, _leaves,
)  # fmt: skip


def draw_scene(pen: Brush, rng: Random) -> None:
    """Fill the canvas with one of the backgrounds."""
    rng.choice(SCENES)(pen, rng)


def draw_rubble(pen: Brush, rng: Random, count: int) -> None:
    """Boxes, rods, rings, slabs and scraps: things that belong to none of the miniature's classes."""
    for _ in range(count):
        fill = _any_colour(rng)
        thing = pen.at(rng.uniform(-0.95, 0.95), rng.uniform(-0.95, 0.95), rng.uniform(0.12, 0.4), rng.uniform(0, 360))
        kind = rng.randrange(6)
        if kind == 0:
            thing.box(-0.9, -0.6, 0.9, 0.6, fill)
            thing.box(-0.9, 0.35, 0.9, 0.6, shade(fill, 0.7))
        elif kind == 1:
            thing.line([(-1.2, 0), (1.2, 0)], 0.14, fill)
        elif kind == 2:
            thing.line(arc(0, 0, 0.7, 0.7), 0.2, fill)
        elif kind == 3:
            thing.shape([(-0.8, 0.6), (0, -0.8), (0.8, 0.6)], fill)
        elif kind == 4:
            thing.shape(
                [(rng.uniform(0.4, 1) * x, rng.uniform(0.4, 1) * y) for x, y in arc(0, 0, 1, 1, 0, 330, 8)], fill
            )
        else:
            thing.line([(-0.8, -0.8), (0.8, 0.8)], 0.25, fill)
            thing.line([(-0.8, 0.8), (0.8, -0.8)], 0.25, fill)


def grain(rng: Random, size_px: int, strength: float) -> np.ndarray:
    """Noise [H, W, 3] float32 of about `strength` grey levels: slow blotches of colour and fine grain."""
    noise = np.random.Generator(np.random.PCG64(rng.getrandbits(63)))
    blotch = Image.fromarray((noise.random((6, 6, 3)) * 255).astype(np.uint8))
    slow = np.asarray(blotch.resize((size_px, size_px), Image.Resampling.BICUBIC), dtype=np.float32) - 127.5
    fine = noise.random((64, 64), dtype=np.float32) - 0.5
    tiles = -(-size_px // 64)
    fine = np.tile(fine, (tiles, tiles))[:size_px, :size_px, None]
    result: np.ndarray = strength * (slow / 127.5 * 1.6 + 2.2 * fine)
    return result


def new_brush(image: Image.Image) -> Brush:
    """A brush over a whole square image."""
    half = image.width / 2
    return Brush(draw=ImageDraw.Draw(image), matrix=np.eye(2) * half, offset=np.array([half, half]))
