"""Drawings of the miniature's made things, each in unit coordinates (-1 to 1, y down)."""

from __future__ import annotations

import math
from random import Random

from relaionet.pipeline.miniature.drawings.brush import Brush, Colour, arc, colour_of, curve, shade

DARK: Colour = (28, 26, 30)


def _lattice(pen: Brush, start: tuple[float, float], end: tuple[float, float], wide: float, fill: Colour) -> None:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    beam = pen.at(start[0], start[1], 1, math.degrees(math.atan2(dy, dx)))
    for y in (-wide / 2, wide / 2):
        beam.line([(0, y), (length, y)], 0.035, fill)
    bays = max(2, round(length / (wide * 1.1)))
    zigzag = [(length * i / bays, wide / 2 * (-1) ** i) for i in range(bays + 1)]
    beam.line(zigzag, 0.028, shade(fill, 0.85))


def draw_crane_machine(pen: Brush, rng: Random) -> None:
    """A building crane: a tower with a level jib, or a vehicle with a raised boom."""
    paint = colour_of(rng, rng.choice([0.13, 0.13, 0.07, 0.0, 0.58]), rng.uniform(0.75, 0.95), 0.92, 0.08)
    if rng.random() < 0.6:
        x, top = rng.uniform(-0.35, -0.1), rng.uniform(-0.72, -0.55)
        _lattice(pen, (x, 1.0), (x, top), 0.17, paint)
        _lattice(pen, (x - 0.5, top), (1.0, top), 0.14, paint)
        pen.line([(x - 0.45, top), (x, top - 0.35), (0.75, top)], 0.025, shade(paint, 0.7))
        pen.line([(x, top), (x, top - 0.35)], 0.06, paint)
        pen.box(x - 0.6, top - 0.02, x - 0.38, top + 0.25, (95, 95, 98))
        pen.box(x - 0.02, top + 0.06, x + 0.22, top + 0.26, shade(paint, 0.8))
        pen.box(x + 0.06, top + 0.09, x + 0.19, top + 0.18, (190, 220, 235))
        hook_x, hook_y, start = rng.uniform(0.3, 0.9), rng.uniform(-0.2, 0.6), top
    else:
        hook_x, start = rng.uniform(0.6, 0.9), rng.uniform(-0.95, -0.75)
        hook_y = rng.uniform(-0.4, 0.3)
        _lattice(pen, (-0.45, 0.45), (hook_x, start), 0.16, paint)
        pen.line([(-0.75, 0.35), (hook_x, start)], 0.02, DARK)
        pen.box(-0.95, 0.35, -0.1, 0.7, paint)
        pen.box(-0.45, 0.38, -0.18, 0.55, (180, 215, 230))
        pen.box(-1.0, 0.68, 0.45, 0.8, (70, 70, 74))
        for x in (-0.8, -0.4, 0.0, 0.3):
            pen.blob(x, 0.85, 0.14, 0.14, DARK)
            pen.blob(x, 0.85, 0.06, 0.06, (150, 150, 150))
    pen.line([(hook_x, start), (hook_x, hook_y)], 0.025, DARK)
    pen.blob(hook_x, hook_y, 0.05, 0.06, DARK)
    if rng.random() < 0.6:
        pen.box(hook_x - 0.17, hook_y + 0.1, hook_x + 0.17, hook_y + 0.3, rng.choice([(150, 80, 60), (120, 125, 130)]))
        pen.line([(hook_x - 0.15, hook_y + 0.1), (hook_x, hook_y), (hook_x + 0.15, hook_y + 0.1)], 0.02, DARK)


def draw_soccer_ball(pen: Brush, rng: Random) -> None:
    """A white ball with dark five-sided patches."""
    patch = rng.choice([DARK, DARK, DARK, (30, 40, 110), (150, 25, 35)])
    white = shade((250, 250, 250), rng.uniform(0.9, 1.0))
    pen.ball(0, 0, 0.88, 0.88, shade(white, 0.96), (rng.uniform(-0.5, 0.5), rng.uniform(-0.6, 0.1)))
    shift = (rng.uniform(-0.12, 0.12), rng.uniform(-0.12, 0.12))
    inner = arc(*shift, 0.3, 0.3, 0, 360, 6)[:5]
    pen.shape(inner, patch)
    for index in range(5):
        turn = 72 * index
        direction = (math.cos(math.radians(turn)), math.sin(math.radians(turn)))
        corner = (shift[0] + 0.58 * direction[0], shift[1] + 0.58 * direction[1])
        pen.line([inner[index], corner], 0.035, (90, 90, 95))
        rim = arc(0, 0, 0.88, 0.88, turn - 19, turn + 19, 8)
        pen.shape([corner, *rim], patch)
        after = (math.cos(math.radians(turn + 36)) * 0.66, math.sin(math.radians(turn + 36)) * 0.66)
        pen.line([arc(0, 0, 0.8, 0.8, turn + 19, turn + 19, 1)[0], after], 0.03, (90, 90, 95))
        pen.line([arc(0, 0, 0.8, 0.8, turn + 53, turn + 53, 1)[0], after], 0.03, (90, 90, 95))


def draw_umbrella(pen: Brush, rng: Random) -> None:
    """An open canopy with panels, a shaft and a hooked handle."""
    first = colour_of(rng, rng.random(), rng.uniform(0.5, 0.95), rng.uniform(0.45, 0.95), 0.05)
    second = rng.choice(
        [shade(first, 0.75), shade(first, 0.85), (245, 242, 235), colour_of(rng, rng.random(), 0.7, 0.8)]
    )
    handle = rng.choice([DARK, (110, 70, 40), (190, 190, 195)])
    pen.line([(0, -0.5), (0, 0.78)], 0.05, handle)
    pen.line(arc(0.12, 0.78, 0.12, 0.16, 180, 0, 10), 0.07, handle)
    panels, height = rng.choice([5, 6, 7, 8]), rng.uniform(0.62, 0.85)
    edges = [-math.cos(math.pi * i / panels) * 0.95 for i in range(panels + 1)]
    for index in range(panels):
        left, right = edges[index], edges[index + 1]
        middle = (left + right) / 2
        dome_left = curve([(0, 0.05 - height), (left, 0.05 - height), (left, 0.05)], 10)
        dome_right = curve([(right, 0.05), (right, 0.05 - height), (0, 0.05 - height)], 10)
        scallop = curve([(left, 0.05), (middle, -0.09), (right, 0.05)], 8)
        pen.shape([*dome_left, *scallop, *dome_right], first if index % 2 == 0 else second)
    pen.line([(0, 0.05 - height), (0, -0.08 - height)], 0.05, handle)


def draw_clock(pen: Brush, rng: Random) -> None:
    """A dial with ticks and two hands, round or square."""
    frame = colour_of(rng, rng.random(), rng.choice([0.0, 0.2, 0.7]), rng.uniform(0.15, 0.85), 0.05)
    face = rng.choice([(250, 248, 240), (255, 255, 255), (238, 228, 200), (225, 235, 240), (40, 42, 48)])
    ink = (240, 240, 240) if face[0] < 100 else DARK
    if rng.random() < 0.25:
        pen.box(-0.92, -0.92, 0.92, 0.92, frame)
        pen.box(-0.8, -0.8, 0.8, 0.8, face)
    else:
        pen.blob(0, 0, 0.95, 0.95, frame)
        pen.blob(0, 0, 0.8, 0.8, face)
    long_ticks = rng.random() < 0.6
    for index in range(12):
        tick = pen.at(0, 0, 1, 30 * index)
        start = 0.6 if index % 3 == 0 else 0.66
        if long_ticks:
            tick.line([(start, 0), (0.74, 0)], 0.07 if index % 3 == 0 else 0.045, ink)
        else:
            tick.blob(0.68, 0, 0.055, 0.055, ink)
    hour, minute = rng.uniform(0, 360), rng.uniform(0, 360)
    pen.at(0, 0, 1, hour).shape([(-0.1, -0.06), (0.42, -0.03), (0.42, 0.03), (-0.1, 0.06)], ink)
    pen.at(0, 0, 1, minute).shape([(-0.12, -0.045), (0.64, -0.02), (0.64, 0.02), (-0.12, 0.045)], ink)
    if rng.random() < 0.5:
        pen.at(0, 0, 1, rng.uniform(0, 360)).line([(-0.15, 0), (0.65, 0)], 0.02, (200, 40, 40))
    pen.blob(0, 0, 0.06, 0.06, ink)


def draw_balloon(pen: Brush, rng: Random) -> None:
    """A hot-air balloon: striped envelope, ropes, basket."""
    hues = [rng.random() for _ in range(rng.randint(2, 4))]
    colours = [colour_of(rng, hue, rng.uniform(0.65, 0.95), rng.uniform(0.7, 0.97)) for hue in hues]
    if rng.random() < 0.4:
        colours[1] = (250, 245, 235)
    panels = rng.choice([5, 7, 9])
    edges = [-math.cos(math.pi * i / panels) for i in range(panels + 1)]
    mouth = rng.uniform(0.16, 0.24)
    for index in range(panels):
        left, right = edges[index], edges[index + 1]
        side = [curve([(0, -1.0), (x * 0.98, -1.0), (x * 1.0, -0.25), (x * mouth, 0.48)], 18) for x in (left, right)]
        pen.shape([*side[0], *side[1][::-1]], shade(colours[index % len(colours)], 1.0 - 0.22 * abs(left + right) / 2))
    for x in (-mouth, mouth):
        pen.line([(x, 0.48), (x * 0.75, 0.74)], 0.022, DARK)
    basket = colour_of(rng, 0.08, 0.6, 0.45, 0.08)
    pen.shape([(-0.17, 0.72), (0.17, 0.72), (0.14, 0.98), (-0.14, 0.98)], basket)
    pen.line([(-0.18, 0.74), (0.18, 0.74)], 0.05, shade(basket, 0.7))


def draw_yawl(pen: Brush, rng: Random) -> None:
    """A sailing boat with one or two masts on a strip of water."""
    hull = rng.choice([(245, 245, 245), (150, 80, 45), (30, 50, 100), (150, 30, 35), (40, 90, 80)])
    sail = rng.choice([(252, 250, 244), (246, 236, 214), (235, 238, 245), (200, 70, 60), (225, 170, 80)])
    water = colour_of(rng, rng.uniform(0.5, 0.6), 0.6, rng.uniform(0.45, 0.75), 0.08)
    pen.line([(0.0, 0.5), (0.0, -1.0)], 0.04, (90, 65, 45))
    belly = rng.uniform(0.0, 0.2)
    pen.shape([(0.04, -0.92), *curve([(0.04, -0.92), (0.45 + belly, -0.2), (0.72, 0.36)], 10), (0.04, 0.36)], sail)
    pen.shape([(-0.04, -0.85), *curve([(-0.04, -0.85), (-0.35 - belly, -0.1), (-0.78, 0.38)], 10), (-0.06, 0.3)],
              shade(sail, 0.86))  # fmt: skip
    if rng.random() < 0.4:
        pen.line([(0.72, 0.5), (0.72, -0.25)], 0.035, (90, 65, 45))
        pen.shape([(0.74, -0.2), (1.05, 0.36), (0.74, 0.36)], shade(sail, 0.93))
    pen.shape([(-0.95, 0.44), (0.98, 0.44), *curve([(0.9, 0.6), (0.7, 0.86), (-0.5, 0.84)], 8)], hull)
    pen.line([(-0.93, 0.47), (0.96, 0.47)], 0.05, shade(hull, 0.7))
    waves = [(-1.15 + 0.1 * i, 0.78 + 0.035 * (-1) ** i) for i in range(24)]
    pen.shape([*waves, (1.15, 1.0), (-1.15, 1.0)], water)


def draw_traffic_light(pen: Brush, rng: Random) -> None:
    """A dark case with a red, a yellow and a green lamp, some of them lit."""
    case = rng.choice([(35, 38, 40), (50, 52, 50), (205, 165, 40), (30, 60, 45)])
    pen.box(-0.07, 0.6, 0.07, 1.3, (100, 102, 105))
    if rng.random() < 0.5:
        pen.box(-0.46, -0.98, 0.46, 0.78, rng.choice([(15, 15, 18), (240, 240, 240)]))
    pen.box(-0.36, -0.88, 0.36, 0.68, case)
    lit = rng.choice([0, 0, 1, 2, 2])
    lamps = ((0.0, 0.9), (0.13, 0.9), (rng.uniform(0.36, 0.45), 0.8))
    for index, (hue, saturation) in enumerate(lamps):
        y = -0.62 + 0.52 * index
        pen.blob(0, y, 0.25, 0.25, (12, 12, 14))
        value = 0.98 if index == lit else rng.uniform(0.3, 0.45)
        lamp = colour_of(rng, hue, saturation, value, 0.03)
        pen.blob(0, y, 0.21, 0.21, lamp)
        if index == lit:
            pen.blob(-0.03, y - 0.03, 0.11, 0.11, shade(lamp, 1.5))
        pen.line(arc(0, y, 0.26, 0.24, 190, 350, 10), 0.06, shade(case, 0.6))


def draw_school_bus(pen: Brush, rng: Random) -> None:
    """A yellow bus seen from the side."""
    yellow = colour_of(rng, rng.uniform(0.115, 0.14), 0.92, 0.97, 0.05)
    glass = rng.choice([(60, 75, 90), (160, 200, 220), (95, 120, 135)])
    pen.shape([(-1.0, -0.42), (-0.96, -0.5), (0.58, -0.5), (0.64, -0.4), (0.66, -0.02), (0.98, 0.04), (1.0, 0.42),
               (-1.0, 0.42)], yellow)  # fmt: skip
    pen.box(-0.98, -0.5, 0.6, -0.44, shade(yellow, 1.5))
    count = rng.randint(5, 7)
    for index in range(count):
        left = -0.92 + 1.15 * index / count
        pen.box(left, -0.34, left + 0.85 / count, -0.06, glass)
    pen.box(0.3, -0.34, 0.5, 0.36, shade(glass, 0.8))
    pen.shape([(0.55, -0.34), (0.61, -0.34), (0.64, -0.04), (0.55, -0.04)], glass)
    for y in (0.05, 0.2):
        pen.line([(-1.0, y), (0.28, y)], 0.045, DARK)
    pen.box(0.9, 0.1, 0.98, 0.2, (255, 250, 210))
    if rng.random() < 0.5:
        pen.shape(arc(-0.2, 0.12, 0.11, 0.11, 22, 382, 9), (200, 30, 30))
    for x in (-0.62, 0.68):
        pen.blob(x, 0.43, 0.2, 0.2, DARK)
        pen.blob(x, 0.43, 0.09, 0.09, (175, 175, 178))


def draw_candle(pen: Brush, rng: Random) -> None:
    """One to three wax sticks with a flame each."""
    for index in range(count := rng.choice([1, 1, 2, 3])):
        wax = colour_of(rng, rng.random(), rng.choice([0.05, 0.1, 0.6]), rng.uniform(0.75, 0.97), 0.05)
        x = (index - (count - 1) / 2) * 0.55
        top, wide = rng.uniform(-0.35, 0.05), rng.uniform(0.13, 0.24)
        for step in range(3):
            pen.blob(x, top - 0.3, 0.3 - 0.07 * step, 0.42 - 0.09 * step, shade((255, 170, 70), 1.0 + 0.15 * step))
        if rng.random() < 0.5:
            pen.blob(x, 0.92, wide * 1.9, 0.1, rng.choice([(150, 120, 60), (90, 90, 95), (180, 180, 185)]))
        pen.box(x - wide, top, x + wide, 0.92, wax)
        pen.box(x + wide * 0.3, top, x + wide, 0.92, shade(wax, 0.8))
        pen.blob(x, top, wide, 0.06, shade(wax, 1.3))
        for drip in (-0.6, 0.4):
            pen.line([(x + wide * drip, top), (x + wide * drip, top + rng.uniform(0.1, 0.4))], 0.06, shade(wax, 1.2))
        pen.line([(x, top), (x, top - 0.14)], 0.035, DARK)
        lean = rng.uniform(-0.08, 0.08)
        for size, fill in ((1.0, (255, 150, 30)), (0.65, (255, 225, 90)), (0.35, (255, 252, 225))):
            side = curve(
                [(0, 0), (0.17 * size, -0.1 * size), (0.08 * size + lean, -0.3 * size), (lean, -0.48 * size)], 8
            )
            flame = pen.at(x, top - 0.08)
            flame.shape([*side, *[(2 * lean * step / 7 - px, py) for step, (px, py) in enumerate(side)][::-1]], fill)


def draw_pizza(pen: Brush, rng: Random) -> None:
    """A round pie with toppings, cut in slices, or one slice."""
    crust = colour_of(rng, 0.085, 0.6, 0.78, 0.06)
    cheese = colour_of(rng, rng.uniform(0.1, 0.13), 0.6, 0.95, 0.06)
    toppings = [(170, 35, 30), (40, 35, 30), (70, 120, 45), (200, 60, 40), (235, 225, 200)]
    rng.shuffle(toppings)
    if rng.random() < 0.3:
        pen.shape([(0, 0.95), (-0.75, -0.62), (0.75, -0.62)], (190, 60, 30))
        pen.shape([(0, 0.88), (-0.68, -0.6), (0.68, -0.6)], cheese)
        pen.line(curve([(-0.76, -0.6), (0, -0.95), (0.76, -0.6)], 12), 0.24, crust)
        spots = [(-0.3, -0.35), (0.3, -0.3), (0.0, 0.0), (0.05, -0.5), (-0.12, 0.3), (0.17, 0.2)]
    else:
        pen.blob(0, 0, 0.95, 0.95, crust)
        pen.blob(0, 0, 0.82, 0.82, (190, 60, 30))
        pen.blob(0, 0, 0.77, 0.77, cheese)
        if rng.random() < 0.6:
            for turn in range(0, 180, 45):
                pen.at(0, 0, 1, turn).line([(-0.9, 0), (0.9, 0)], 0.03, shade(crust, 0.65))
        spots = [(r * math.cos(a), r * math.sin(a)) for i in range(rng.randint(9, 15))
                 for a, r in [(i * 2.4 + rng.uniform(-0.2, 0.2), 0.18 + 0.5 * math.sqrt(i / 15))]]  # fmt: skip
    for index, (x, y) in enumerate(spots):
        fill = toppings[0] if index % 2 == 0 else toppings[1 + index % 3]
        size = 0.12 if index % 2 == 0 else 0.07
        pen.blob(x, y, size, size * rng.uniform(0.7, 1.0), shade(fill, 0.75), turn=rng.uniform(0, 90))
        pen.blob(x, y - 0.015, size * 0.8, size * 0.65, fill)
