"""A metric of another package: how bright images are. This file, a line of entry points and a test are all it takes.

The extractor turns pictures into a number each, stored like any features; the metric is their mean. A metric that
compares with the split's own images has `sides.others` and says so by `needs=("features", "reference")`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.metric import Metric, Shown, Sides
from relaionet.evaluators.metrics.values import mean_of
from relaionet.evaluators.protocols import PROTOCOLS


class Brightness:
    """Pictures to their mean brightness."""

    name, dim, fingerprint = "brightness", 1, "brightness 1"

    def extract(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """[N, 3, H, W], 0 to 255 -> features [N, 1] float32, 0 black to 1 white."""
        return {"features": images.mean(axis=(1, 2, 3), dtype=np.float64)[:, None].astype(np.float32) / 255}


def compute(sides: Sides) -> Estimate:
    return mean_of(np.asarray(sides.features)[:, 0])


MEAN_BRIGHTNESS = Metric(
    name="mean brightness",
    meaning="how bright the images are, 0 black to 1 white",
    direction="neither",
    given_by="extra",
    extra="mean brightness",
    extractor="relaionet_toy.metrics:Brightness",
    compute=compute,
    is_by_class=True,
    depends_on_count=False,
    source="this package",
    shown=Shown(column=145, main=145, said=65),
)
DARK_AND_LIGHT = replace(
    PROTOCOLS["miniature"],
    name="dark and light",
    meaning="the miniature's, and how bright the images are",
    extras=("mean brightness",),
)
