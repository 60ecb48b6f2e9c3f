from .brush import Brush
from .pictures import CLASSES, DRAWINGS, draw_array, draw_picture, draw_word
from .scenes import draw_scene

__all__ = [
    "CLASSES",
    "DRAWINGS",
    "Brush",
    "draw_array",
    "draw_picture",
    "draw_scene",
    "draw_word",
]
