"""A reliability diagram: how often statements of each probability came true, with what chance alone would show."""

from __future__ import annotations

import io
from collections.abc import Mapping

from relaionet.manifests.escape import chart_text
from relaionet.manifests.words import say_count
from relaionet.pipeline.proposals.reliability import Reliability

COLORS = ("#1f6fb2", "#c2571a", "#4c8c4a")
GREY = "#8a8a8a"


def draw_reliability(found: Mapping[str, Reliability], *, form: str = "svg") -> bytes:
    """Draw one panel per set of probabilities.

    Args:
        found: title -> what was measured.
        form: `svg` or `png`.

    Returns:
        The picture's bytes, the same for the same numbers.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.7 * len(found), 4.0), dpi=130, layout="constrained")
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, (title, one), color in zip(panels, found.items(), COLORS * len(found), strict=False):
        _draw_panel(axes, title, one, color)
    panels[0].set_ylabel("share that was right")
    data = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "reliability", "svg.fonttype": "none"}):
        if form == "svg":
            FigureCanvasSVG(figure).print_svg(data, metadata={"Date": None, "Creator": None})
        else:
            FigureCanvasAgg(figure).print_png(data, metadata={"Software": None})
    return data.getvalue()


def _draw_panel(axes: object, title: str, one: Reliability, color: str) -> None:
    from matplotlib.axes import Axes

    if not isinstance(axes, Axes):  # a panel is all that is ever passed
        return
    scores = [bin_.score for bin_ in one.bins]
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.fill_between(
        scores, [bin_.low for bin_ in one.bins], [bin_.high for bin_ in one.bins], color=GREY, alpha=0.22, linewidth=0,
        label="95 % if every probability were true",
    )  # fmt: skip
    axes.plot(scores, [bin_.right_frac for bin_ in one.bins], color=color, marker="o", markersize=4, linewidth=1.4)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="probability", aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(chart_text(title), fontsize=9.5, loc="left")
    axes.text(
        0.03, 0.97, f"error {one.ece:.3f}\n({one.ece_if_true_high:.3f} by chance)\n{say_count(one.count, 'picture')}",
        transform=axes.transAxes, va="top", fontsize=8.5,
    )  # fmt: skip
