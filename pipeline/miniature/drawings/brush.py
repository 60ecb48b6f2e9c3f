"""A pen in unit coordinates: shapes are given in a square from -1 to 1 and land on the canvas at any size or angle."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]] | NDArray[np.float64]


def colour_of(rng: Random, hue: float, saturation: float, value: float, spread: float = 0.05) -> Colour:
    """A random colour near one in HSV (each 0 to 1); `spread` is the half-width in saturation and value."""
    h = (hue + rng.uniform(-0.3, 0.3) * spread) % 1.0
    s = min(1.0, max(0.0, saturation + rng.uniform(-1, 1) * spread))
    v = min(1.0, max(0.0, value + rng.uniform(-1, 1) * spread))
    red, green, blue = colorsys.hsv_to_rgb(h, s, v)
    return int(red * 255), int(green * 255), int(blue * 255)


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor below 1) or moved towards white (above 1, 2 is white)."""
    if factor <= 1:
        return tuple(int(part * factor) for part in colour)  # type: ignore[return-value]
    return tuple(int(part + (255 - part) * (factor - 1)) for part in colour)  # type: ignore[return-value]


def arc(cx: float, cy: float, rx: float, ry: float, start: float = 0, end: float = 360, count: int = 32) -> NDArray:
    """Points [count, 2] along an ellipse from `start` to `end` degrees, 0 to the right, 90 down."""
    angles = np.linspace(math.radians(start), math.radians(end), count)
    return np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], axis=1)


def curve(points: Points, count: int = 16) -> NDArray:
    """Points [count, 2] along the Bezier curve of 3 or 4 control points."""
    control = np.asarray(points, dtype=np.float64)
    t = np.linspace(0, 1, count)[:, None]
    while len(control) < 4:  # raise the degree: a quadratic curve is a cubic one too
        a, b, c = control
        control = np.stack([a, (a + 2 * b) / 3, (c + 2 * b) / 3, c])
    a, b, c, d = control
    result: NDArray = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
    return result


@dataclass(frozen=True, kw_only=True)
class Brush:
    """Draws on one canvas through an affine map.

    Attributes:
        draw: the canvas.
        matrix: [2, 2] from unit coordinates to canvas pixels.
        offset: [2] pixels.
    """

    draw: ImageDraw.ImageDraw
    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    def at(self, x: float, y: float, scale: float = 1.0, turn: float = 0.0, squash: float = 1.0) -> Brush:
        """A brush whose origin is (x, y), turned clockwise by `turn` degrees, with height times `squash`."""
        cos, sin = math.cos(math.radians(turn)) * scale, math.sin(math.radians(turn)) * scale
        inner = np.array([[cos, -sin * squash], [sin, cos * squash]])
        return replace(self, matrix=self.matrix @ inner, offset=self.matrix @ np.array([x, y]) + self.offset)

    def _pixels(self, points: Points) -> list[float]:
        mapped: list[float] = (np.asarray(points, dtype=np.float64) @ self.matrix.T + self.offset).ravel().tolist()
        return mapped

    def shape(self, points: Points, fill: Colour) -> None:
        """A filled polygon."""
        self.draw.polygon(self._pixels(points), fill=fill)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        """A filled rectangle."""
        self.shape([(left, top), (right, top), (right, bottom), (left, bottom)], fill)

    def blob(self, cx: float, cy: float, rx: float, ry: float, fill: Colour, turn: float = 0.0) -> None:
        """A filled ellipse."""
        points = arc(0, 0, rx, ry, count=28)
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        self.shape(points @ np.array([[cos, sin], [-sin, cos]]) + np.array([cx, cy]), fill)

    def line(self, points: Points, width: float, fill: Colour) -> None:
        """A stroke with round joints; `width` in unit coordinates, at least one pixel."""
        scale = math.sqrt(abs(float(np.linalg.det(self.matrix))))
        self.draw.line(self._pixels(points), fill=fill, width=max(1, round(width * scale)), joint="curve")

    def ball(self, cx: float, cy: float, rx: float, ry: float, colour: Colour, light: tuple[float, float]) -> None:
        """An ellipse lit from the direction `light` (-1 to 1 each), dark at its far edge."""
        for step in range(7):
            inside = step / 6
            shift = 0.45 * inside
            self.blob(
                cx + light[0] * rx * shift, cy + light[1] * ry * shift,
                rx * (1 - 0.85 * inside), ry * (1 - 0.85 * inside),
                shade(colour, 0.72 + 0.28 * inside / 0.7 if inside < 0.7 else 1 + 0.8 * (inside - 0.7)),
            )  # fmt: skip
