"""The miniature's world: what can be drawn, and a whole made world of LAION-like rows with the truth about each."""

from __future__ import annotations

from relaionet.pipeline.miniature.pictures import (
    CLASSES,
    draw_array,
    draw_clutter,
    draw_pair,
    draw_picture,
    draw_word,
)

__all__ = ["CLASSES", "draw_array", "draw_clutter", "draw_pair", "draw_picture", "draw_word"]
