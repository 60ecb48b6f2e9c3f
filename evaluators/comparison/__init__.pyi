from .compare import CompareConfig, Comparison, compare_pair
from .draws import DrawConfig, Draws, draw_any_mix, draw_equal_mix
from .measures import MEASURES, Measure
from .pictures import find_overlap, measure_pictures
from .sets import ComparedSet
from .sources import PictureSource, StatisticsSource, open_source

__all__ = [
    "MEASURES",
    "CompareConfig",
    "ComparedSet",
    "Comparison",
    "DrawConfig",
    "Draws",
    "Measure",
    "PictureSource",
    "StatisticsSource",
    "compare_pair",
    "draw_any_mix",
    "draw_equal_mix",
    "find_overlap",
    "measure_pictures",
    "open_source",
]
