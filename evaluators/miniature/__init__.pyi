from .bounds import make_noise, make_world
from .classifier import MiniatureExtractor, load_classifier, load_miniature
from .pictures import draw_pool, draw_small

__all__ = [
    "MiniatureExtractor",
    "draw_pool",
    "draw_small",
    "load_classifier",
    "load_miniature",
    "make_noise",
    "make_world",
]
