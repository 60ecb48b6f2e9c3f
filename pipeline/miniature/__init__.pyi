from . import drawings, training
from .captions import write_caption
from .photos import draw_row
from .rows import plan_rows
from .server import serve_world
from .world import World, WorldConfig, make_world, open_world

__all__ = [
    "World",
    "WorldConfig",
    "draw_row",
    "drawings",
    "make_world",
    "open_world",
    "plan_rows",
    "serve_world",
    "training",
    "write_caption",
]
