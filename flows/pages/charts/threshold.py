"""The distributions of a text calibration with the thresholds between them, as one picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from relaionet.manifests.escape import chart_text
from relaionet.manifests.files import write_atomic
from relaionet.manifests.words import say_count
from relaionet.pipeline.captions.text_threshold import BINS_PER_UNIT

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from relaionet.pipeline.captions.text_threshold import Cosines, TextThreshold

WRONG, NAMED, DOUBTFUL = "#8a8a8a", "#1f6fb2", "#c2571a"


def draw_text_threshold(found: TextThreshold, path: Path) -> None:
    """Write a PNG: how similar captions are to the class they name and to all others, and the threshold.

    Args:
        found: what was measured.
        path: of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), dpi=130, layout="constrained")
    axes = figure.subplots()
    low, high = _range(found)
    _draw_counts(axes, found.wrong, WRONG, _label("classes the caption does not name", found.wrong.pass_frac))
    own = "the class itself (names only)" if found.with_class_names else "the class the caption names"
    _draw_counts(axes, found.named, NAMED, _label(own, found.named.pass_frac))
    if any(found.doubtful.counts):
        doubtful = "the class it may name, in a word of several meanings"
        _draw_counts(axes, found.doubtful, DOUBTFUL, _label(doubtful, found.doubtful.pass_doubtful_frac))
        _draw_line(axes, found.min_cosine_doubtful, f"{found.min_cosine_doubtful:.3f}", DOUBTFUL, "left")
    is_left = found.min_cosine > low + 0.25 * (high - low)
    _draw_line(
        axes,
        found.min_cosine,
        chart_text(f"{found.method}, {found.min_cosine:.3f}"),
        NAMED,
        "right" if is_left else "left",
    )
    axes.set(xlim=(low, high), xlabel="cosine of caption and class text", ylabel="share of pairs per 0.01")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    # above the axes: wherever the curves lie, nothing is covered
    axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderpad=0)
    figure.suptitle(
        chart_text(f"{found.encoder}, {say_count(found.captions_count, 'caption')}"), fontsize=10, x=0.01, ha="left"
    )
    data = io.BytesIO()
    FigureCanvasAgg(figure).print_png(data, metadata={"Software": None})
    write_atomic(path, data.getvalue())


def _label(pair: str, passing: float | None) -> str:
    return pair if passing is None else f"{pair}: {passing:.1%} pass"


def _draw_counts(axes: Axes, cosines: Cosines, color: str, label: str) -> None:
    import numpy as np

    values = np.asarray(cosines.counts, dtype=np.float64)
    edges = np.arange(len(values) + 1) / BINS_PER_UNIT - 1
    axes.stairs(values / max(values.sum(), 1), edges, fill=True, alpha=0.3, color=color)
    axes.stairs(values / max(values.sum(), 1), edges, color=color, linewidth=1.2, label=label)


def _draw_line(axes: Axes, cosine: float, text: str, color: str, side: str) -> None:
    axes.axvline(cosine, color=color, linewidth=1.5)
    axes.annotate(
        f" {text} ", (cosine, 0.98), xycoords=("data", "axes fraction"), color=color, va="top",
        ha="right" if side == "right" else "left",
    )  # fmt: skip


def _range(found: TextThreshold) -> tuple[float, float]:
    """From the least to the greatest cosine that occurs, with a little room."""
    import numpy as np

    kinds = (found.wrong, found.named, found.doubtful)
    there = np.flatnonzero(np.sum([kind.counts for kind in kinds], axis=0)) / BINS_PER_UNIT - 1
    ends = [*there[[0, -1]], found.min_cosine, found.min_cosine_doubtful] if len(there) else [-1.0, 1.0]
    return float(min(ends)) - 0.03, float(max(ends)) + 0.06
