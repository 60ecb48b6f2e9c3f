"""The two distributions of a text calibration with the threshold between them, as one picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from relaionet.manifests.store import write_atomic
from relaionet.pipeline.text_calibration import BINS_PER_UNIT

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from relaionet.pipeline.text_calibration import Calibration

WRONG, NAMED, LINE = "#8a8a8a", "#1f6fb2", "#c0392b"


def draw_calibration(found: Calibration, path: Path) -> None:
    """Write a PNG: how similar captions are to the class they name and to all others, and the threshold.

    Args:
        found: what was measured.
        path: of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), dpi=130, layout="constrained")
    axes = figure.subplots()
    _draw_counts(axes, found.wrong_counts, WRONG, _label("a class the caption does not name", found.false_accept_frac))
    own = "the class itself (names only)" if found.with_class_names else "the class the caption names"
    _draw_counts(axes, found.named_counts, NAMED, _label(own, found.named_pass_frac))
    axes.axvline(found.min_cosine, color=LINE, linewidth=1.5)
    low, high = _range(found)
    is_right = found.min_cosine > low + 0.8 * (high - low)
    axes.annotate(
        f" {found.min_cosine:.3f}, {found.method} ", (found.min_cosine, 0.97), xycoords=("data", "axes fraction"),
        color=LINE, va="top", ha="right" if is_right else "left",
    )  # fmt: skip
    axes.set(xlim=(low, high), xlabel="cosine of caption and class text", ylabel="share of pairs per 0.01")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    # above the axes: wherever the curves lie, nothing is covered
    axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderpad=0)
    figure.suptitle(f"{found.encoder}, {found.captions_count:,} captions", fontsize=10, x=0.01, ha="left")
    data = io.BytesIO()
    FigureCanvasAgg(figure).print_png(data, metadata={"Software": None})
    write_atomic(path, data.getvalue())


def _label(pair: str, passing: float | None) -> str:
    return pair if passing is None else f"{pair}: {passing:.1%} pass"


def _draw_counts(axes: Axes, counts: tuple[int, ...], color: str, label: str) -> None:
    import numpy as np

    values = np.asarray(counts, dtype=np.float64)
    edges = np.arange(len(values) + 1) / BINS_PER_UNIT - 1
    axes.stairs(values / max(values.sum(), 1), edges, fill=True, alpha=0.35, color=color)
    axes.stairs(values / max(values.sum(), 1), edges, color=color, linewidth=1.2, label=label)


def _range(found: Calibration) -> tuple[float, float]:
    """From the least to the greatest cosine that occurs, with a little room."""
    import numpy as np

    there = np.flatnonzero(np.add(found.wrong_counts, found.named_counts)) / BINS_PER_UNIT - 1
    ends = [*there[[0, -1]], found.min_cosine] if len(there) else [-1.0, 1.0]
    return float(min(ends)) - 0.03, float(max(ends)) + 0.05
