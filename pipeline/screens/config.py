"""Where the screens draw their lines; docs/guides/screens.md says on what each was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import LATER
from relaionet.pipeline.detectors.config import ClassifierConfig, FacesConfig
from relaionet.pipeline.screens.same_pictures import SamePictureConfig
from relaionet.pipeline.screens.text_reading import TextConfig


def _check_fracs(where: str, config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not 0 <= value <= 1:
            raise BadInput(f"screen.{where}: {name} is {value}; expected 0 to 1.")


def most_allowed(usual: float, by_source: Mapping[str, float]) -> pl.Expr:
    """The threshold of a row by the name of its source's file.

    Args:
        usual: where no pattern fits.
        by_source: pattern with `*` and `?` as in a shell -> threshold; the first that fits counts.
    """
    most = pl.lit(usual)
    name = pl.col("source").fill_null("").str.split("/").list.last()
    for pattern, value in reversed(list(by_source.items())):
        fits = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
        most = pl.when(name.str.contains(f"^{fits}$")).then(pl.lit(value)).otherwise(most)
    return most


@dataclass(frozen=True, kw_only=True)
class UnsafeConfig:
    """Which pictures are taken for unsafe.

    Attributes:
        max_punsafe: the source's probability of unsafe content (0 to 1), at most; rows that state none pass.
        by_source: file name pattern of a source -> its own `max_punsafe`, for sources that state it differently, such
            as "coyo*" = 0.8; the first that fits counts.
        head: classifier on embeddings, .safetensors or .npz; relative to the recipe's folder.
        head_fingerprint: of the encoder it was trained on; None checks the width of the rows only.
        head_outputs: which of several outputs are summed; the last where there are none.
        ask_encoder: without a head, ask the encoder itself by texts; weaker than a trained head.
        max_score: the head's or the encoder's probability, at most.
        classifier: looks at the pictures themselves, `[screen.unsafe.classifier]`.
        max_picture_score: that classifier's probability, at most.
    """

    max_punsafe: float = 0.5
    by_source: dict[str, float] = field(default_factory=dict)
    head: Path | None = None
    head_fingerprint: str | None = None
    head_outputs: tuple[int, ...] = ()
    ask_encoder: bool = False
    max_score: float = 0.5
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig, metadata=LATER)
    max_picture_score: float = field(default=0.5, metadata=LATER)

    @property
    def looks(self) -> bool:
        """True where something looks at the pictures, be it by their embeddings."""
        return self.head is not None or self.ask_encoder or self.classifier.is_named

    def __post_init__(self) -> None:
        _check_fracs("unsafe", self, "max_punsafe", "max_score", "max_picture_score")


@dataclass(frozen=True, kw_only=True)
class WatermarkConfig:
    """Which pictures are taken for watermarked.

    Attributes:
        max_pwatermark: the source's probability of a watermark (0 to 1), at most; rows that state none pass.
        by_source: file name pattern of a source -> its own `max_pwatermark`; the first that fits counts.
        head: classifier on embeddings, .safetensors or .npz; relative to the recipe's folder.
        head_fingerprint: of the encoder it was trained on; None checks the width of the rows only.
        head_outputs: which of several outputs are summed; the last where there are none.
        max_score: the head's probability, at most.
    """

    max_pwatermark: float = 0.8
    by_source: dict[str, float] = field(default_factory=dict)
    head: Path | None = None
    head_fingerprint: str | None = None
    head_outputs: tuple[int, ...] = ()
    max_score: float = 0.5

    def __post_init__(self) -> None:
        _check_fracs("watermark", self, "max_pwatermark", "max_score")


@dataclass(frozen=True, kw_only=True)
class DrawingConfig:
    """Which pictures look drawn. By default that is a hint in `looks_drawn`, and no status.

    Measured: 2 in 100 real photos (clear skies, mostly) are as flat as that, and 9 in 10 pictures of flat shapes.

    Attributes:
        min_flat_frac: share of the foreground that is flat, at least, for a picture to look drawn.
        min_palette_frac: share of the foreground in its 8 commonest colours, at least, likewise.
        ask_encoder: ask the encoder by texts what kind of picture it is.
        max_photo_score: its probability for a photo, at most, for a picture to look drawn.
        screen_out: give what looks drawn the status `drawing`; where the encoder is asked too, only if both say so.
    """

    min_flat_frac: float = 0.46
    min_palette_frac: float = 0.4
    ask_encoder: bool = False
    max_photo_score: float = 0.1
    screen_out: bool = False

    def __post_init__(self) -> None:
        _check_fracs("drawing", self, "min_flat_frac", "min_palette_frac", "max_photo_score")


@dataclass(frozen=True, kw_only=True)
class ScreenConfig:
    """Where the screens draw their lines.

    Attributes:
        min_side_px: least shorter side, measured.
        max_aspect: largest longer side / shorter side.
        min_contrast: least standard deviation of the grey values (0 to 127.5) of the picture reduced to 64 px.
        placeholder_wnids: the same bytes under captions of at least so many classes are a placeholder; 0: no screen.
        max_pixels: largest picture decoded, width × height.
        threads: threads that decode and measure.
        device: where FAISS searches neighbours: `auto`, `cpu` or `cuda`.
        more: screens of other packages that are on: name -> its own settings, as in `[screen.more.mostly_green]`.
    """

    same: SamePictureConfig = field(default_factory=SamePictureConfig)
    unsafe: UnsafeConfig = field(default_factory=UnsafeConfig)
    watermark: WatermarkConfig = field(default_factory=WatermarkConfig)
    drawing: DrawingConfig = field(default_factory=DrawingConfig)
    text: TextConfig = field(default_factory=TextConfig)
    faces: FacesConfig = field(default_factory=FacesConfig, metadata=LATER)
    min_side_px: int = 64
    max_aspect: float = 6.0
    min_contrast: float = 4.0
    placeholder_wnids: int = 3
    max_pixels: int = 64_000_000
    threads: int = 4
    device: str = "auto"
    more: dict[str, dict[str, Any]] = field(default_factory=dict, metadata=LATER)

    def __post_init__(self) -> None:
        if self.max_aspect < 1:
            raise BadInput(f"screen: max_aspect is {self.max_aspect}; expected 1 or more.")
        if self.threads < 1:
            raise BadInput(f"screen: threads is {self.threads}; expected 1 or more.")
