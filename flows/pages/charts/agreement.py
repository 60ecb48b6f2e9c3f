"""Charts of a review: agreement against the answers given, and pictures by the share of answers that say yes."""

from __future__ import annotations

from typing import Any

import polars as pl

from relaionet.manifests.words import say_count

LEFT, RIGHT, TOP, BOTTOM = 48.0, 426.0, 24.0, 232.0


def draw_time(rows: pl.DataFrame) -> dict[str, Any] | None:
    """Alpha against answers given, with its interval as a band; None with fewer than two points."""
    rows = rows.drop_nulls(["alpha", "low", "high"])
    if rows.height < 2:
        return None
    last = rows["answers"][-1]
    floor = min(0.0, rows.select(pl.min_horizontal(pl.col("low").min(), pl.col("alpha").min())).item())

    def place(answers: float, value: float) -> str:
        x = LEFT + answers / last * (RIGHT - LEFT)
        return f"{x:.1f} {BOTTOM - (value - floor) / (1 - floor) * (BOTTOM - TOP):.1f}"

    up = [place(count, high) for count, high in rows.select("answers", "high").iter_rows()]
    down = [place(count, low) for count, low in rows.reverse().select("answers", "low").iter_rows()]
    ticks = [value / 4 for value in range(5)]
    return {
        "line": " L".join(place(count, alpha) for count, alpha in rows.select("answers", "alpha").iter_rows()),
        "band": " L".join([*up, *down]),
        "ticks": [(float(place(0, value).split()[1]), f"{value:g}") for value in ticks],
        "last": f"{last:,}",
        "zero": float(place(0, 0.0).split()[1]),
    }


def draw_histogram(rows: pl.DataFrame) -> dict[str, Any]:
    """Bars of the selection frequency."""
    most = max(1, *rows["count"].to_list())
    width = (RIGHT - LEFT) / rows.height
    bars = [
        {
            "x": round(LEFT + place * width + 1.5, 1), "width": round(width - 3, 1), "count": count,
            "y": round(BOTTOM - count / most * (BOTTOM - TOP), 1),
            "height": round(count / most * (BOTTOM - TOP), 1),
            "text": f"{say_count(count, 'picture')} with {low:.0%} to {high:.0%} yes",
        }
        for place, (low, high, count) in enumerate(rows.iter_rows())
    ]  # fmt: skip
    return {
        "bars": bars,
        "ticks": [(round(LEFT + (RIGHT - LEFT) * part / 4, 1), f"{part / 4:.0%}") for part in range(5)],
    }
