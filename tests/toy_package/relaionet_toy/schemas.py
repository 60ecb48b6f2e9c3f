"""The toy package's source schema: tables of an open picture gallery, known by their column `gallery_id`."""

from __future__ import annotations

from relaionet.pipeline.sources.schemas import SourceSchema

GALLERY = SourceSchema(
    name="Open-Gallery",
    about="an open gallery's catalogue",
    columns={"url": ("picture",), "caption": ("title",), "width_px": ("broad",), "height_px": ("high",)},
    marks=("gallery_id",),
)
