from .chart import Chart, Series, draw_chart
from .reliability import draw_reliability
from .score_charts import draw_curves, draw_ranks, draw_trade
from .spread import draw_spread
from .threshold import draw_text_threshold

__all__ = [
    "Chart",
    "Series",
    "draw_chart",
    "draw_curves",
    "draw_ranks",
    "draw_reliability",
    "draw_spread",
    "draw_text_threshold",
    "draw_trade",
]
