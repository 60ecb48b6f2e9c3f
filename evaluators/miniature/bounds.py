"""The two ends every miniature generator lies between: the world itself, and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relaionet.evaluators.generators.protocol import Generated, Info, Request, Settings, check_settings
from relaionet.evaluators.miniature.pictures import CLASS_INDICES, SIZE_PX, WORLD_SEED, draw_small
from relaionet.manifests.errors import BadInput

WORLD_SEEDS_COUNT = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class WorldGenerator:
    """Draws a fresh picture of the synthetic world for every request: what a perfect generator would reach."""

    info: Info

    def generate(self, batch: Sequence[Request], settings: Settings) -> Generated:
        """One drawing for each request, of a seed that no row and no training picture has.

        Raises:
            BadInput: a setting or class it does not have.
        """
        check_settings(self.info, settings)
        unknown = [request.class_index for request in batch if request.class_index not in CLASS_INDICES]
        if unknown:
            raise BadInput(f"generator '{self.info.name}' has no class {unknown[0]}.")
        images = [draw_small(request.wnid, WORLD_SEED + request.seed % WORLD_SEEDS_COUNT) for request in batch]
        return Generated(images=np.stack(images), nfe=[0] * len(batch))


@dataclass(frozen=True, kw_only=True)
class NoiseGenerator:
    """Independent uniform pixels: what a generator that learned nothing would reach."""

    info: Info

    def generate(self, batch: Sequence[Request], settings: Settings) -> Generated:
        """Noise of each request's own seed.

        Raises:
            BadInput: a setting it does not have.
        """
        check_settings(self.info, settings)
        shape = (SIZE_PX, SIZE_PX, 3)
        images = [np.random.default_rng(request.seed).integers(0, 256, shape, dtype=np.uint8) for request in batch]
        return Generated(images=np.stack(images), nfe=[0] * len(batch))


def make_world() -> WorldGenerator:
    """The upper bound, `miniature-world`."""
    info = Info(
        name="miniature-world", native_size_px=SIZE_PX, steps=(0,), class_indices=CLASS_INDICES, licence="Apache-2.0",
        weights="none: drawn by code",
    )  # fmt: skip
    return WorldGenerator(info=info)


def make_noise() -> NoiseGenerator:
    """The lower bound, `miniature-noise`."""
    info = Info(
        name="miniature-noise", native_size_px=SIZE_PX, steps=(0,), licence="Apache-2.0", weights="none: uniform noise"
    )
    return NoiseGenerator(info=info)
