"""The report's charts, drawn from the scores: distance against alignment, curves over settings, ranks by metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from relaionet.evaluators.metrics.lookup import is_lower_better, say_direction
from relaionet.evaluators.scoring.score import REAL
from relaionet.evaluators.set_labels import count_steps
from relaionet.flows.pages.charts.chart import STYLES_COUNT, Chart, Placed, Point, Series, draw_chart
from relaionet.manifests.words import say_count

RANKED = 16
"""Sets of the chart of ranks at most."""
RANK_LEFT = 52.0


def draw_trade(
    scores: pl.DataFrame, along: str, roles: Mapping[str, str], distances: Sequence[str], alignments: Sequence[str]
) -> Chart | None:  # fmt: skip
    """Distance over alignment, a line for each generator along guidance or steps; None where nothing was varied.

    Pieces of line along which the two disagree (one improves while the other worsens) are set off.

    Args:
        scores: SCORES rows of one split and protocol.
        along: `guidance` or `steps`.
        roles: generator -> its role; sets with one are left out.
        distances: metrics of distance; the first that was scored is drawn.
        alignments: metrics of alignment, likewise.
    """
    distance = next((name for name in distances if (scores["metric"] == name).any()), None)
    alignment = next((name for name in alignments if (scores["metric"] == name).any()), None)
    judged = scores.filter(~pl.col("generator").is_in([REAL, *roles]))
    if distance is None or alignment is None or judged.is_empty():
        return None
    held = "steps" if along == "guidance" else "guidance"
    keys = ["generator", "steps", "guidance"]
    pairs = judged.filter(metric=distance).join(judged.filter(metric=alignment), on=keys, suffix=":a")
    series = []
    lines = pairs.sort("generator", held, along).group_by(["generator", held], maintain_order=True)
    for index, ((generator, fixed), rows) in enumerate(lines):
        points = [
            Point(x=row["value:a"], y=row["value"], low=row["low"], high=row["high"], text=f"{row[along]:g}")
            for row in rows.iter_rows(named=True)
        ]
        name = _line_name(str(generator), held, float(fixed))  # type: ignore[arg-type]  # a number of the table
        series.append(Series(name=name, style=index % STYLES_COUNT, points=points))
    if not any(len(one.points) > 1 for one in series):
        return None
    title = f"{distance} over {alignment}; numbers at the points are {'guidance scales' if held == 'steps' else along}"
    return draw_chart(
        series, title=title, x_label=f"{alignment} (more is better)", y_label=f"{distance} (less is better)",
        ordinal=False, width=480, height=360, is_against=lambda one, two: (one.x - two.x) * (one.y - two.y) > 0,
    )  # fmt: skip


def draw_curves(scores: pl.DataFrame, along: str, metrics: Sequence[str], roles: Mapping[str, str]) -> list[Chart]:
    """One chart per metric over guidance or steps, one line per generator and held setting.

    Bounds and real images, which have no settings, become levels. No charts where nothing was scored at two settings.
    """
    held = "steps" if along == "guidance" else "guidance"
    judged = scores.filter(~pl.col("generator").is_in([REAL, *roles]))
    lines = [key for key, _ in judged.sort("generator", held).group_by(["generator", held], maintain_order=True)]
    if judged.select("generator", held, along).unique().height <= len(lines):
        return []
    charts = []
    for metric in metrics:
        rows = scores.filter(metric=metric).sort(along)
        series = []
        for index, (generator, fixed) in enumerate(lines):
            own = rows.filter(pl.col("generator") == generator, pl.col(held) == fixed)
            points = [
                Point(x=row[along], y=row["value"], low=row["low"], high=row["high"])
                for row in own.iter_rows(named=True)
            ]
            series.append(Series(name=_line_name(generator, held, fixed), style=index % STYLES_COUNT, points=points))
        levels = rows.filter(pl.col("generator").is_in([REAL, *roles])).select("generator", "value").rows()
        arrow = say_direction(metric)
        y_label = f"{metric} ({arrow})" if arrow else metric
        if any(one.points for one in series):
            title = f"{metric} over {along}"
            charts.append(draw_chart(series, title=title, x_label=along, y_label=y_label, levels=levels))
    return charts


def _line_name(generator: str, held: str, fixed: float) -> str:
    if held == "guidance":
        return f"{generator}, guidance {fixed:g}"
    return f"{generator}, {count_steps(fixed)}" if fixed else generator


def draw_ranks(wide: pl.DataFrame, ranges: Mapping[str, Mapping[str, tuple[int, int]]] | None = None) -> Chart | None:
    """Ranks of the sets, a column for each metric and a line for each set; None with fewer than two of either.

    Args:
        wide: one row for each set: `label`, and a column for each metric.
        ranges: metric -> label -> first and last place the set may have, told where one points at its rank.
    """
    names = [name for name in wide.columns if name != "label"]
    if wide.height < 2 or len(names) < 2:
        return None
    ranked = wide.select(
        "label", *(pl.col(name).rank("min", descending=not is_lower_better(name)).cast(pl.Int64) for name in names)
    ).sort(names[0], "label").head(RANKED)  # fmt: skip
    columns = {name: place for place, name in enumerate(names)}
    last = int(ranked.select(pl.max_horizontal(*names).max()).item())
    right, height = 90.0 * (len(names) - 1) + RANK_LEFT, 22.0 * last + 62
    step = (height - 62) / max(last, 1)

    def place(column: int, rank: int) -> tuple[float, float]:
        return round(RANK_LEFT + column * (right - RANK_LEFT) / (len(names) - 1), 1), round(34 + (rank - 1) * step, 1)

    lines = []
    for index, row in enumerate(ranked.iter_rows(named=True)):
        placed = []
        for name, column in columns.items():
            x, y = place(column, row[name])
            text = row["label"] if column == len(names) - 1 else ""
            title = f"{row['label']}: rank {row[name]} of {wide.height} by {name}"
            held = (ranges or {}).get(name, {}).get(row["label"])
            if held is not None and held[0] < held[1]:
                title += f"; {held[0]} to {held[1]} as far as differences hold"
            placed.append(Placed(x=x, y=y, low=None, high=None, text=text, title=title))
        lines.append((Series(name=row["label"], style=index % STYLES_COUNT, points=()), placed))
    return Chart(
        title=f"Rank of {say_count(ranked.height, 'set')} by {', '.join(names)}", x_label="", y_label="rank",
        x_ticks=[(place(column, 1)[0], name) for name, column in columns.items()],
        y_ticks=[(place(0, rank)[1], str(rank)) for rank in range(1, last + 1)],
        lines=_spread_names(lines), width=right + 340, height=height, left=RANK_LEFT - 14, right=right,
        bottom=height - 34,
    )  # fmt: skip


def _spread_names(lines: Sequence[tuple[Series, list[Placed]]]) -> Sequence[tuple[Series, Sequence[Placed]]]:
    """Names of sets that share the last rank, in one text at the first of them."""
    at_end: dict[float, list[str]] = {}
    for _, placed in lines:
        at_end.setdefault(placed[-1].y, []).append(placed[-1].text)
    done: set[float] = set()
    for _, placed in lines:
        y = placed[-1].y
        text = "" if y in done else " = ".join(at_end[y])
        placed[-1] = replace(placed[-1], text=text)
        done.add(y)
    return lines
