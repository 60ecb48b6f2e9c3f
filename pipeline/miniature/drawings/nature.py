"""Drawings of the miniature's animals, plants and the volcano, each in unit coordinates (-1 to 1, y down)."""

from __future__ import annotations

import math
from random import Random

from relaionet.pipeline.miniature.drawings.brush import Brush, Colour, arc, colour_of, curve, shade

DARK: Colour = (28, 26, 30)


def _light(rng: Random) -> tuple[float, float]:
    return rng.uniform(-0.6, 0.6), rng.uniform(-0.7, -0.1)


def _leaf(pen: Brush, x: float, y: float, size: float, turn: float, fill: Colour) -> None:
    leaf = pen.at(x, y, size, turn)
    leaf.shape([*curve([(0, 0), (0.5, -0.5), (1, 0)]), *curve([(1, 0), (0.5, 0.4), (0, 0)])], fill)
    leaf.line([(0, 0), (0.85, -0.02)], 0.05, shade(fill, 0.7))


def draw_crane_bird(pen: Brush, rng: Random) -> None:
    """A tall wading bird: long legs, long neck, drooping tail, red crown."""
    body = colour_of(rng, 0.6, rng.choice([0.02, 0.05, 0.18]), rng.choice([0.97, 0.9, 0.68]), 0.04)
    dark = rng.choice([DARK, shade(body, 0.35)])
    leg = rng.choice([DARK, (70, 60, 60), (150, 90, 80)])
    for shift, bend in ((-0.06, rng.uniform(-0.12, 0.12)), (0.08, rng.uniform(-0.2, 0.2))):
        pen.line([(shift, 0.2), (shift + bend, 0.6), (shift + bend * 0.4, 1.0)], 0.045, leg)
        pen.line([(shift + bend * 0.4 - 0.1, 1.0), (shift + bend * 0.4 + 0.12, 1.0)], 0.04, leg)
    pen.shape([(-0.2, 0.0), *curve([(-0.4, 0.0), (-0.9, 0.1), (-0.8, 0.5)]), (-0.35, 0.3), (0.1, 0.25)], dark)
    pen.blob(-0.05, 0.08, 0.48, 0.24, body, turn=-12)
    pen.shape([*curve([(-0.5, 0.12), (0.0, -0.2), (0.3, 0.05)]), (-0.1, 0.28)], shade(body, 0.88))
    if rng.random() < 0.25:  # feeding: the head is near the ground
        neck = curve([(0.3, 0.0), (0.75, -0.3), (0.75, 0.35), (0.68, 0.7)])
    else:
        top = rng.uniform(-0.95, -0.7)
        neck = curve([(0.28, 0.02), (0.75, -0.1), (0.2, -0.45), (rng.uniform(0.35, 0.6), top)])
    pen.line(neck, 0.12, body)
    pen.line(neck[6:13], 0.1, dark)
    x, y = neck[-1]
    down = 1.0 if y > 0 else 0.25
    pen.shape([(x, y - 0.06), (x + 0.38, y + 0.28 * down), (x, y + 0.06)], rng.choice([(90, 90, 70), (170, 140, 60)]))
    pen.blob(x, y, 0.11, 0.09, body)
    pen.blob(x, y - 0.06, 0.09, 0.05, (205, 30, 35))
    pen.blob(x + 0.03, y - 0.01, 0.02, 0.02, DARK)


def draw_goldfish(pen: Brush, rng: Random) -> None:
    """A round orange fish with a flowing tail."""
    body = colour_of(rng, rng.uniform(0.02, 0.1), 0.95, 0.97, 0.06)
    fin = shade(body, rng.uniform(1.1, 1.45))
    spread = rng.uniform(0.4, 0.7)
    tail = [(-0.35, 0), *curve([(-0.6, -0.3), (-0.9, -spread - 0.1), (-1.0, -spread)]), (-0.75, 0.0)]
    pen.shape(tail, fin)
    pen.shape([(x, -y) for x, y in tail], shade(fin, 0.93))
    pen.shape([(-0.25, -0.25), *curve([(-0.3, -0.35), (-0.1, -0.85), (0.2, -0.6)]), (0.3, -0.3)], fin)
    height = rng.uniform(0.36, 0.52)
    pen.blob(0.12, 0.0, 0.62, height, body)
    pen.shape([*arc(0.12, 0.0, 0.6, height, 10, 170, 16)], shade(body, rng.uniform(1.15, 1.5)))
    for column in range(4):
        for row in range(-1, 2):
            x = -0.25 + column * 0.17
            pen.line(arc(x, row * 0.16 - 0.02, 0.08, 0.08, -80, 80, 8), 0.02, shade(body, 0.8))
    pen.shape([(0.15, 0.15), (-0.15, 0.6), (0.3, 0.3)], fin)
    pen.line(arc(0.45, 0, 0.14, 0.26, 110, 250, 10), 0.03, shade(body, 0.7))
    pen.blob(0.53, -0.1, 0.1, 0.1, (250, 245, 230))
    pen.blob(0.55, -0.1, 0.055, 0.055, DARK)


def draw_ladybug(pen: Brush, rng: Random) -> None:
    """A red half-ball with black spots seen from above."""
    red = colour_of(rng, rng.uniform(0.985, 1.03), 0.93, 0.85, 0.07)
    for side in (-1, 1):
        for y in (-0.35, 0.05, 0.45):
            pen.line([(side * 0.5, y), (side * 0.85, y - 0.12), (side * 0.98, y + 0.1)], 0.06, DARK)
        pen.line(curve([(side * 0.12, -0.75), (side * 0.2, -1.0), (side * 0.4, -0.98)], 8), 0.04, DARK)
    pen.blob(0, -0.62, 0.36, 0.26, DARK)
    for side in (-1, 1):
        pen.blob(side * 0.2, -0.68, 0.09, 0.07, (240, 240, 230))
    pen.ball(0, 0.12, 0.72, 0.74, red, (_light(rng)[0], -0.5))
    pen.line([(0, -0.6), (0, 0.85)], 0.04, DARK)
    size = rng.uniform(0.11, 0.17)
    for y, x in ((-0.3, 0.3), (0.1, 0.45), (0.15, 0.15), (0.5, 0.3))[: rng.randint(3, 4)]:
        pen.blob(-x, y, size, size, DARK)
        pen.blob(x, y, size, size, DARK)


def _segments(pen: Brush, peel: Colour, flesh: Colour, count: int, ry: float) -> None:
    pen.blob(0, 0, 0.8, 0.8 * ry, peel)
    pen.blob(0, 0, 0.72, 0.72 * ry, (250, 240, 205))
    for index in range(count):
        start = 360 * index / count + 4
        edge = arc(0, 0, 0.65, 0.65 * ry, start, start + 360 / count - 8, 8)
        pen.shape([tuple(edge.mean(axis=0) * 0.12), *edge], flesh)


def draw_orange(pen: Brush, rng: Random) -> None:
    """A round orange, whole with dimples or cut open."""
    peel = colour_of(rng, rng.uniform(0.065, 0.095), 0.96, 0.97, 0.04)
    if rng.random() < 0.3:
        _segments(pen, peel, shade(peel, 1.15), rng.randint(8, 11), 1.0)
        return
    pen.ball(0, 0, 0.8, rng.uniform(0.74, 0.8), peel, _light(rng))
    for _ in range(24):
        angle, radius = rng.uniform(0, 2 * math.pi), 0.7 * math.sqrt(rng.random())
        pen.blob(radius * math.cos(angle), radius * math.sin(angle), 0.022, 0.022, shade(peel, 0.82))
    pen.blob(0.05, -0.55, 0.08, 0.05, (70, 110, 40))
    if rng.random() < 0.6:
        _leaf(pen, 0.05, -0.58, rng.uniform(0.4, 0.6), rng.uniform(-50, 10), colour_of(rng, 0.3, 0.7, 0.5, 0.1))


def draw_lemon(pen: Brush, rng: Random) -> None:
    """A yellow oval with a nub at each end, or a yellow slice."""
    peel = colour_of(rng, rng.uniform(0.14, 0.165), 0.88, 0.97, 0.06)
    if rng.random() < 0.3:
        _segments(pen, peel, shade(peel, 1.35), rng.randint(8, 10), 0.92)
        return
    light = _light(rng)
    pen.blob(0.78, 0, 0.2, 0.13, shade(peel, 0.85))
    pen.blob(-0.78, 0, 0.15, 0.12, shade(peel, 0.78))
    pen.shape([*curve([(-0.85, 0), (-0.4, -0.75), (0.4, -0.75), (0.92, 0)]),
               *curve([(0.92, 0), (0.4, 0.75), (-0.4, 0.75), (-0.85, 0)])], shade(peel, 0.78))  # fmt: skip
    pen.ball(0, 0, 0.72, 0.5, peel, light)
    if rng.random() < 0.5:
        _leaf(pen, -0.85, 0, rng.uniform(0.4, 0.6), rng.uniform(120, 250), colour_of(rng, 0.3, 0.7, 0.5, 0.1))


def draw_banana(pen: Brush, rng: Random) -> None:
    """One to four yellow crescents joined at the stem."""
    yellow = colour_of(rng, rng.uniform(0.135, 0.16), 0.82, 0.97, 0.07)
    tip = colour_of(rng, rng.choice([0.08, 0.2]), 0.6, 0.35, 0.08)
    count = rng.randint(1, 4)
    for index in range(count):
        fruit = pen.at(-0.1, -0.1 + 0.12 * index, 1, (index - (count - 1) / 2) * rng.uniform(11, 18))
        deep = rng.uniform(0.72, 0.95)
        outer = curve([(-0.9, -0.35), (-0.6, deep), (0.5, deep), (0.95, -0.3)], 20)
        inner = curve([(0.85, -0.36), (0.45, deep - 0.55), (-0.4, deep - 0.55), (-0.78, -0.4)], 20)
        fruit.shape([*outer, *inner], yellow)
        fruit.shape([*outer[2:18], *curve([outer[17], (0.4, deep - 0.22), (-0.4, deep - 0.22), outer[2]], 14)],
                    shade(yellow, 0.84))  # fmt: skip
        fruit.blob(0.89, -0.34, 0.07, 0.06, tip)
        fruit.line([(-0.84, -0.37), (-0.95, -0.6)], 0.13, shade(tip, 1.2))
        for _ in range(rng.choice([0, 0, 2, 5])):
            x, y = outer[rng.randint(5, 15)]
            fruit.blob(x * 0.9, y - 0.1, 0.04, 0.02, tip)


def draw_strawberry(pen: Brush, rng: Random) -> None:
    """A red heart-shaped fruit with pale seeds and a green crown."""
    red = colour_of(rng, rng.uniform(0.97, 1.01), 0.92, 0.88, 0.06)
    wide = rng.uniform(0.75, 1.05)
    side = curve([(0, -0.55), (wide, -0.8), (wide * 0.85, 0.25), (0, 0.95)], 18)
    pen.shape([*side, *[(-x, y) for x, y in side[::-1]]], shade(red, 0.82))
    pen.shape([*(side * 0.9), *[(-x * 0.8, y) for x, y in side[::-1] * 0.9]], red)
    pen.blob(-0.22, -0.25, 0.14, 0.22, shade(red, 1.3), turn=20)
    seed = rng.choice([(250, 225, 120), (255, 240, 180), (120, 20, 20)])
    for row, count in enumerate((4, 5, 4, 3, 2)):
        for column in range(count):
            x = (column - (count - 1) / 2) * 0.27 * wide
            pen.blob(x, -0.38 + row * 0.25, 0.032, 0.05, seed)
    green = colour_of(rng, rng.uniform(0.27, 0.34), 0.75, 0.55, 0.1)
    for turn in range(-160, 0, 32):
        _leaf(pen, 0, -0.58, rng.uniform(0.4, 0.6), turn + rng.uniform(-8, 8) + 15, green)
    pen.line([(0, -0.6), (rng.uniform(-0.15, 0.15), -0.95)], 0.07, shade(green, 0.8))


def draw_mushroom(pen: Brush, rng: Random) -> None:
    """A cap on a stem, sometimes red with white spots, sometimes brown, sometimes two."""
    kind = rng.choice(["red", "brown", "pale", "brown"])
    cap = {"red": colour_of(rng, 0.0, 0.85, 0.78, 0.08), "brown": colour_of(rng, 0.07, 0.6, 0.52, 0.12),
           "pale": colour_of(rng, 0.1, 0.25, 0.86, 0.08)}[kind]  # fmt: skip
    stem = colour_of(rng, 0.11, 0.14, 0.92, 0.06)
    for index in range(rng.choice([1, 1, 2])):
        plant = pen if index == 0 else pen.at(rng.choice([-0.6, 0.6]), 0.45, 0.55, rng.uniform(-15, 15))
        wide, foot = rng.uniform(0.16, 0.26), rng.uniform(0.2, 0.34)
        plant.shape([(-wide, 0), (wide, 0), (foot, 0.95), (-foot, 0.95)], stem)
        plant.shape([(0, 0), (wide, 0), (foot, 0.95), (foot * 0.2, 0.95)], shade(stem, 0.86))
        plant.blob(0, 0.02, 0.82, 0.17, shade(stem, 0.72))
        for gill in range(-6, 7, 2):
            plant.line([(0, 0.0), (gill * 0.125, 0.05)], 0.02, shade(stem, 0.55))
        height = rng.uniform(0.7, 1.0)
        plant.shape([*arc(0, 0.02, 0.86, height, 180, 360), *arc(0, 0.02, 0.86, 0.08, 0, 180, 12)], cap)
        plant.shape([*arc(-0.2, -0.1, 0.45, height * 0.7, 190, 330, 16)], shade(cap, 1.15))
        if kind == "red" or rng.random() < 0.15:
            for x, y in ((-0.45, -0.25), (0.0, -0.5), (0.4, -0.3), (-0.1, -0.15), (0.62, -0.1), (-0.68, -0.08)):
                plant.blob(x, y * height, rng.uniform(0.06, 0.12), rng.uniform(0.05, 0.09), (248, 244, 232))


def draw_daisy(pen: Brush, rng: Random) -> None:
    """White ray petals around a yellow disc."""
    petal = rng.choice([(252, 252, 248), (248, 246, 255), (253, 240, 246), (255, 250, 235)])
    count, wide = rng.randint(11, 20), rng.uniform(0.1, 0.15)
    stem = colour_of(rng, 0.29, 0.65, 0.5, 0.12)
    if rng.random() < 0.7:
        pen.line(curve([(0, 0), (0.1, 0.7), (rng.uniform(-0.5, 0.5), 1.3)], 10), 0.07, stem)
    length = rng.uniform(0.38, 0.46)
    for index in range(count):
        turn = 360 * index / count + rng.uniform(-4, 4)
        pen.at(0, 0, 1, turn).blob(0.5, 0, length, wide, shade(petal, rng.choice([0.86, 0.93, 1.0])))
    core = colour_of(rng, rng.uniform(0.11, 0.15), 0.9, 0.95, 0.05)
    pen.ball(0, 0, 0.27, 0.27, core, _light(rng))
    for _ in range(10):
        pen.blob(rng.uniform(-0.16, 0.16), rng.uniform(-0.16, 0.16), 0.025, 0.025, shade(core, 0.75))


def draw_volcano(pen: Brush, rng: Random) -> None:
    """A broad cone with an open crater, lava, and a plume of smoke."""
    rock = colour_of(rng, rng.uniform(0.02, 0.1), rng.uniform(0.1, 0.4), rng.uniform(0.25, 0.45), 0.05)
    smoke = rng.choice([(225, 222, 222), (120, 115, 118), (75, 70, 74), (190, 170, 160)])
    erupting = rng.random() < 0.75
    drift = rng.uniform(-0.35, 0.35)
    for step in range(9):
        rise = step / 8
        x = drift * rise * 1.6 + rng.uniform(-0.1, 0.1)
        size = 0.12 + 0.26 * rise
        pen.blob(x, -0.35 - 0.65 * rise, size, size * 0.8, shade(smoke, rng.uniform(0.85, 1.1)))
    crater = rng.uniform(0.16, 0.26)
    left = curve([(-crater, -0.3), (-0.4, 0.35), (-1.25, 0.9)], 12)
    right = curve([(1.25, 0.9), (0.4, 0.35), (crater, -0.3)], 12)
    pen.shape([*left, *right], rock)
    pen.shape([(0.0, -0.3), (crater, -0.3), *right[::-1], (0.3, 0.9)], shade(rock, 0.72))
    if rng.random() < 0.35:
        pen.shape(
            [(-crater, -0.3), (crater, -0.3), left[4] * (-1, 1), (0.1, 0.0), (-0.1, 0.1), left[4]], (240, 242, 250)
        )
    lava = colour_of(rng, rng.uniform(0.01, 0.09), 0.95, 0.98, 0.04)
    pen.blob(0, -0.3, crater, 0.06, lava if erupting else shade(rock, 0.45))
    if erupting:
        for _ in range(rng.randint(1, 3)):
            end = rng.uniform(-0.6, 0.6)
            pen.line(curve([(rng.uniform(-0.1, 0.1), -0.3), (end * 0.1, 0.1), (end, rng.uniform(0.3, 0.85))], 10),
                     rng.uniform(0.05, 0.11), lava)  # fmt: skip
        for _ in range(rng.randint(0, 7)):
            pen.blob(rng.uniform(-0.35, 0.35), rng.uniform(-0.75, -0.35), 0.035, 0.035, lava)
