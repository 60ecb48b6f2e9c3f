"""The toy package's generator adapter: one grey for every class, a little noise of the request's seed over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relaionet.evaluators.generators.adapter import GeneratorAdapter
from relaionet.evaluators.generators.catalogue import About
from relaionet.evaluators.generators.definition import Definition
from relaionet.evaluators.generators.dry_run import DryRun, info_fields
from relaionet.evaluators.generators.protocol import Generated, Info, Request, Settings, make_info


@dataclass(frozen=True)
class GreyGenerator:
    """Makes grey pictures."""

    info: Info
    level: int

    def generate(self, batch: Sequence[Request], settings: Settings) -> Generated:
        """One picture for each request."""
        side = self.info.native_size_px
        noise = [np.random.default_rng(request.seed).integers(0, 8, (side, side, 3)) for request in batch]
        images = np.clip(self.level + np.stack(noise), 0, 255).astype(np.uint8)
        return Generated(images=images, nfe=[settings.steps] * len(batch))


def make_grey(
    *, name: str, level: int = 128, device: str = "cpu", base: Path | None = None, **about: Any
) -> GreyGenerator:
    """A generator of grey pictures.

    Args:
        name: as it stands in tables.
        level: darkest value of a pixel,
            0 to 247.
        device: torch device; not used.
        base: folder of the TOML file; not used.
        **about: fields of `protocol.Info`.
    """
    return GreyGenerator(info=make_info(about, name=name), level=level)


def look_at_grey(found: Definition) -> DryRun:
    """Nothing is fetched for it."""
    info = make_info(info_fields(make_grey, found), name=found.options["name"])
    return DryRun(info=info, kind=found.kind, about=found.about or About(), here=("nothing is needed",))


GREY = GeneratorAdapter(kind="grey", about="grey pictures", factory=make_grey, look=look_at_grey)
