"""Geometry of the report's charts: where points, ticks and whiskers lie; `charts.html` draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

WIDTH, HEIGHT = 380.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 54.0, 14.0, 30.0, 44.0
LEVEL_GAP = 12.0
STYLES_COUNT = 8
"""Colours, markers and dashes repeat after this many series; all three change together, so colour is never alone."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One scored set.

    Attributes:
        x: on the horizontal axis, in the axis' unit (for ordinal axes: one of the values).
        y: the metric.
        low: lower end of its interval.
        high: upper end.
        text: written beside the point; empty for none.
    """

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points joined by a line in the order given."""

    name: str
    style: int
    points: Sequence[Point]


Against = Callable[[Point, Point], bool]


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A point in pixels; `low` and `high` are the whisker's ends, None where there is none."""

    x: float
    y: float
    low: float | None
    high: float | None
    text: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart ready to be drawn, all positions in pixels of its view box.

    `bands` are (x, y, x, y) of pieces of line to be set off; `levels` are (line, label, name).
    """

    title: str
    x_label: str
    y_label: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    lines: Sequence[tuple[Series, Sequence[Placed]]]
    bands: Sequence[tuple[float, float, float, float]] = ()
    levels: Sequence[tuple[float, float, str]] = ()
    off: Sequence[str] = ()
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = field(default=WIDTH - RIGHT)
    top: float = TOP
    bottom: float = field(default=HEIGHT - BOTTOM)


def format_number(value: float | None) -> str:
    """About four significant digits, as people write them."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3 if size >= 0.01 or size == 0 else 5
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text.replace("-", "−")


def choose_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten) between two values."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def draw_chart(
    series: Sequence[Series], *, title: str, x_label: str, y_label: str, levels: Sequence[tuple[str, float]] = (),
    ordinal: bool = True, height: float = HEIGHT, width: float = WIDTH, is_against: Against | None = None,
) -> Chart:  # fmt: skip
    """Place series in a chart.

    Args:
        series: what to draw; at least one point in all.
        title: for readers who cannot see it.
        x_label: name of the horizontal axis.
        y_label: name of the vertical axis.
        levels: (name, value) of sets with no curve, drawn as horizontal lines where they are near the curves and named
            as off the scale where they are not.
        ordinal: the horizontal axis steps through the distinct values evenly.
        height: of the view box, px.
        width: of the view box, px.
        is_against: whether the piece of line between two points is to be set off.
    """
    right, bottom = width - RIGHT, height - BOTTOM
    points = [point for one in series for point in one.points]
    xs = sorted({point.x for point in points})
    low, high, near = _find_range(points, levels)

    def place_y(value: float) -> float:
        return round(bottom - (value - low) / (high - low) * (bottom - TOP), 1)

    x_low, x_high = xs[0], xs[-1]
    margin = 0.08 * (x_high - x_low) or 1.0

    def place_x(value: float) -> float:
        share = (
            (xs.index(value) + 0.5) / len(xs) if ordinal else (value - x_low + margin) / (x_high - x_low + 2 * margin)
        )
        return round(LEFT + share * (right - LEFT), 1)

    ticks = xs if ordinal else choose_ticks(x_low - margin, x_high + margin)
    bands = [
        (place_x(one.x), place_y(one.y), place_x(two.x), place_y(two.y))
        for part in series
        for one, two in pairwise(part.points)
        if is_against is not None and is_against(one, two)
    ]
    return Chart(
        title=title, x_label=x_label, y_label=y_label, width=width, height=height, right=right, bottom=bottom,
        bands=bands, x_ticks=[(place_x(value), f"{value:g}") for value in ticks],
        y_ticks=[(place_y(value), f"{value:.6g}".replace("-", "−")) for value in choose_ticks(low, high)],
        lines=[(one, [_place(point, place_x, place_y, one.name, y_label) for point in one.points]) for one in series],
        levels=_place_levels([(place_y(value), name) for name, value in near]),
        off=[f"{name} {format_number(value)}" for name, value in levels if (name, value) not in near],
    )  # fmt: skip


def _find_range(
    points: Sequence[Point], levels: Sequence[tuple[str, float]]
) -> tuple[float, float, list[tuple[str, float]]]:
    """Lower and upper end of the vertical axis, and the levels near enough to be drawn."""
    ends = [end for point in points for end in (point.low, point.high, point.y) if end is not None]
    low, high = min(ends), max(ends)
    span = high - low or abs(high) or 1.0
    near = [(name, value) for name, value in levels if low - 0.8 * span <= value <= high + 0.8 * span]
    low, high = min([low, *(value for _, value in near)]), max([high, *(value for _, value in near)])
    return low - 0.06 * span, high + 0.06 * span, near


def _place_levels(levels: Sequence[tuple[float, str]]) -> list[tuple[float, float, str]]:
    """(line, label, name) of each level, labels far enough apart to be read."""
    placed: list[tuple[float, float, str]] = []
    for line, name in sorted(levels):
        label = line - 4 if not placed else max(line - 4, placed[-1][1] + LEVEL_GAP)
        placed.append((line, label, name))
    return placed


def _place(
    point: Point, place_x: Callable[[float], float], place_y: Callable[[float], float], name: str, y_label: str
) -> Placed:
    interval = f" ({format_number(point.low)} to {format_number(point.high)})" if point.low is not None else ""
    return Placed(
        x=place_x(point.x),
        y=place_y(point.y),
        low=None if point.low is None else place_y(point.low),
        high=None if point.high is None else place_y(point.high),
        text=point.text,
        title=f"{name}, {point.text or format(point.x, 'g')}: {y_label} {format_number(point.y)}{interval}",
    )
