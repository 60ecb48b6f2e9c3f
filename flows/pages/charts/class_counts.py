"""Charts of the classes' counts: rows per class in falling order, and published counts against ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from relaionet.manifests.words import say_count

LEFT, RIGHT, TOP, BOTTOM = 54.0, 426.0, 32.0, 256.0


def _number(value: object) -> float:
    """A polars aggregate as a number, 0 where there was nothing to aggregate."""
    return float(value) if isinstance(value, int | float) else 0.0


def _scale(low: float, high: float, start: float, end: float) -> Any:
    """Positions on a logarithmic axis; zero lies where one half would."""
    first, last = math.log10(low), math.log10(max(high, 10 * low))
    return lambda value: round(start + (math.log10(max(value, low)) - first) / (last - first) * (end - start), 1)


def _powers(high: float) -> list[int]:
    return [10**power for power in range(max(1, math.ceil(math.log10(max(high, 2)))) + 1)]


def _short(value: int) -> str:
    """1000 as 1k, 1000000 as 1M."""
    return next((f"{value // size}{unit}" for size, unit in ((10**6, "M"), (1000, "k")) if value >= size), str(value))


def draw_class_ranks(classes: pl.DataFrame) -> dict[str, Any]:
    """Rows per class with the classes in falling order, of captions and of chosen rows."""
    high = max(1.0, *(_number(classes[key].max()) for key in ("named", "chosen")))
    place_y = _scale(0.5, high, BOTTOM, TOP)

    def place_x(rank: float) -> float:
        return round(LEFT + rank / classes.height * (RIGHT - LEFT), 1)

    lines = []
    for style, (key, name) in enumerate((("named", "captions that name the class"), ("chosen", "fetched"))):
        values = classes[key].sort(descending=True).to_list()
        lines.append((name, style, " ".join(f"{place_x(rank)} {place_y(value)}" for rank, value in enumerate(values))))
    return {
        "ticks": [(place_y(value), _short(value)) for value in _powers(high) if value <= high],
        "x_ticks": [(place_x(rank), rank) for rank in range(0, classes.height + 1, 250)],
        "lines": lines,
    }


def compare_counts(classes: pl.DataFrame, published: Mapping[str, int]) -> dict[str, Any]:
    """A dot per class, published against counted here, and how far the two orders agree."""
    counts = pl.DataFrame({"wnid": list(published), "published": list(published.values())})
    both = classes.select("wnid", "name", "named").join(counts, on="wnid", maintain_order="left")
    high_x = max(1.0, _number(both["published"].max()))
    high_y = max(1.0, _number(both["named"].max()))
    place_x, place_y = _scale(0.5, high_x, LEFT, RIGHT), _scale(0.5, high_y, BOTTOM, TOP)
    agreement = both.select(pl.corr("published", "named", method="spearman")).item()
    nowhere = both.filter((pl.col("named") == 0) & (pl.col("published") > 0)).height
    said = "not defined" if agreement is None or math.isnan(agreement) else f"{agreement:.2f}"
    return {
        "dots": [
            {"x": place_x(there), "y": place_y(here), "text": f"{name}: {there:,} published, {here:,} here"}
            for _, name, here, there in both.iter_rows()
        ],
        "x_ticks": [(place_x(value), _short(value)) for value in _powers(high_x) if value <= high_x],
        "y_ticks": [(place_y(value), _short(value)) for value in _powers(high_y) if value <= high_y],
        "spearman": agreement,
        "text": (
            f"{say_count(both.height, 'class')}; rank correlation (Spearman) {said}; "
            f"{say_count(nowhere, 'class with published captions has', 'classes with published captions have')} none "
            "here. Published counts are of another source and another rule: the order is to be compared, not "
            "the numbers."
        ),
    }
