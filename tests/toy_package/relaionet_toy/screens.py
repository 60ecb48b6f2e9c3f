"""A screen of another package: mostly green pictures. This file, a line of entry points and a test are all it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from PIL import Image

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import columns
from relaionet.pipeline.screens.screens import Screen


@dataclass(frozen=True, kw_only=True)
class MostlyGreenConfig:
    """Which pictures are taken for mostly green: the keys of `[screen.more.mostly_green]`.

    Attributes:
        max_green_frac: share of the picture that is green, 0 to 1, at most.
    """

    max_green_frac: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.max_green_frac <= 1:
            raise BadInput(f"screen.more.mostly_green: max_green_frac is {self.max_green_frac}; expected 0 to 1.")


def measure_green(settings: MostlyGreenConfig) -> Callable[[Image.Image], Mapping[str, float]]:
    def measure(image: Image.Image) -> dict[str, float]:
        red, green, blue = np.moveaxis(np.asarray(image).astype(np.int16), 2, 0)  # [H, W] each
        return {"green_frac": float(((green > red + 24) & (green > blue + 24)).mean())}

    return measure


MOSTLY_GREEN = Screen(
    status="mostly_green",
    place=65,
    meaning="most of the picture is green",
    evidence=columns("green_frac f32 share of the picture that is green, 0 to 1"),
    measures=measure_green,
    finds=lambda settings: pl.col("green_frac") > settings.max_green_frac,
    reason=lambda settings: f"more than {settings.max_green_frac:.0%} of the picture is green",
    how=lambda settings, references: f"over {settings.max_green_frac:.0%} green",
    config=MostlyGreenConfig,
    doubt="green_frac",
)
