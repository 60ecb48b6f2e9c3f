"""What is asked of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from relaionet.evaluators.comparison.compare import CompareConfig

REPRESENTATIONS = ("inception", "dinov2", "encoder:ViT-L-14/openai")
"""What is looked at where nothing is asked for; of the miniature, its own classifier."""
PROTOCOL = "ours"
"""How pictures are decoded and resized where nothing is asked for."""


@dataclass(frozen=True, kw_only=True)
class CompareOrder:
    """What is compared, and how.

    Attributes:
        one: place of the first set, A.
        other: place of the second, B; one of the two may be statistics.
        representations: extractors; none takes `REPRESENTATIONS`.
        protocol: how pictures are decoded and resized for them: a name, or a TOML file; empty takes `PROTOCOL`, of the
            miniature its own.
        weights: extractor -> local file or folder in place of a download.
        device: torch device, or `auto`.
        labels: for either set a CSV of `file` and `wnid` or `class_index`, or None.
        names: of either set in tables; empty takes that of the release, folder or file.
        config: how they are drawn and compared.
        card: folder of the release that A was rebuilt from, whose next version is to hold the numbers; None leaves all
            releases alone.
    """

    one: Path
    other: Path
    representations: tuple[str, ...] = ()
    protocol: str = ""
    weights: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    labels: tuple[Path | None, Path | None] = (None, None)
    names: tuple[str, str] = ("", "")
    config: CompareConfig = field(default_factory=CompareConfig)
    card: Path | None = None
