"""What a classifier of pictures wants to be given and what its answers mean, and how faces are looked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import HEX_64

MAX_SIDE_PX = 4096


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """A classifier of pictures as an ONNX file; nothing looks at the pictures where neither file nor package is named.

    A picture is resized, cut out in the middle, turned into numbers 0 to 255, multiplied by `scale`, less `mean`, over
    `std`, and given to the model alone (a batch of one) as float32.

    Attributes:
        package: a model that a package carries, by the name of docs/guides/screens.md; all other settings are then
            known.
        file: the .onnx file; relative to the recipe's folder.
        sha256: of that file, 64 hex digits; another file is not loaded.
        input_px: side of the square the model looks at.
        resize_px: side the picture is resized to before the square is cut out of its middle; 0: `input_px`.
        fit: `squash` resizes both sides to `resize_px`, `shorter` the shorter one and keeps the picture's shape.
        resample: how it is resized.
        jpeg_quality: saved as a JPEG of that quality and read again, as some models were trained; 0: not.
        channels: their order.
        layout: NCHW has the channels before the rows, NHWC behind the columns.
        scale: what 0 to 255 is multiplied by.
        mean: per channel, in the order of `channels`, subtracted then.
        std: per channel, divided by then.
        answers: the model gives `probabilities`, or `logits` (softmax over several, sigmoid of one).
        unsafe: which of its answers mean unsafe, from 0; their probabilities are summed.
        trial_s: seconds in which it must be loaded and look at one picture, when it is tried in a process of its own.
        trial_bytes: memory it may take there.
    """

    package: str = ""
    file: Path | None = None
    sha256: str = ""
    input_px: int = 224
    resize_px: int = 0
    fit: Literal["squash", "shorter"] = "squash"
    resample: Literal["bilinear", "bicubic"] = "bilinear"
    jpeg_quality: int = 0
    channels: Literal["RGB", "BGR"] = "RGB"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    answers: Literal["probabilities", "logits"] = "probabilities"
    unsafe: tuple[int, ...] = (1,)
    trial_s: float = 120.0
    trial_bytes: int = 8 << 30

    def __post_init__(self) -> None:
        where = "screen.unsafe.classifier"
        if self.package and self.file:
            raise BadInput(f"{where}: both package and file are named; name one.")
        if self.file and not re.fullmatch(HEX_64, self.sha256):
            raise BadInput(
                f"{where}: sha256 is {self.sha256!r:.80}; expected the 64 hex digits of {self.file} (sha256sum FILE), "
                "so that no other file is ever loaded in its place."
            )
        if not 1 <= self.input_px <= (self.resize_px or self.input_px) <= MAX_SIDE_PX:
            raise BadInput(
                f"{where}: input_px is {self.input_px}, resize_px {self.resize_px}; expected 1 to {MAX_SIDE_PX} and "
                "resize_px no less than input_px, or 0."
            )
        if not 0 <= self.jpeg_quality <= 95:
            raise BadInput(f"{where}: jpeg_quality is {self.jpeg_quality}; expected 1 to 95, or 0 for no JPEG.")
        if len(self.mean) != 3 or len(self.std) != 3 or not all(value > 0 for value in self.std):
            raise BadInput(
                f"{where}: mean and std are {self.mean} and {self.std}; expected 3 numbers each, std over 0."
            )
        if not self.unsafe or min(self.unsafe) < 0 or len(set(self.unsafe)) != len(self.unsafe):
            raise BadInput(f"{where}: unsafe is {self.unsafe}; expected places of the model's answers, each once.")
        if not (self.trial_s > 0 and self.trial_bytes > 0 and self.scale > 0):
            raise BadInput(f"{where}: trial_s, trial_bytes and scale must be over 0.")

    @property
    def is_named(self) -> bool:
        """True where a classifier is named."""
        return bool(self.package) or self.file is not None

    def measured_by(self) -> ClassifierConfig | None:
        """What its answers depend on, the model by its sha256 wherever it lies; None where none is named."""
        usual = ClassifierConfig()
        return replace(self, file=None, trial_s=usual.trial_s, trial_bytes=usual.trial_bytes) if self.is_named else None


@dataclass(frozen=True, kw_only=True)
class FacesConfig:
    """How faces are looked for, by the cascades that OpenCV carries. A hint to reviewers, and no status by default.

    Attributes:
        find: look for faces in every picture; 20 to 40 ms of one core each.
        side_px: longer side a picture is reduced to first.
        min_face_px: shorter side of the smallest face, in the reduced picture.
        scale_step: how much larger each size looked for is than the one before.
        min_hits: neighbouring windows that must say face too.
        screen_out: give pictures with a face the status `faces`.
    """

    find: bool = False
    side_px: int = 320
    min_face_px: int = 20
    scale_step: float = 1.1
    min_hits: int = 5
    screen_out: bool = False

    def __post_init__(self) -> None:
        if not 32 <= self.side_px <= MAX_SIDE_PX or not 8 <= self.min_face_px <= self.side_px:
            raise BadInput(
                f"screen.faces: side_px is {self.side_px}, min_face_px {self.min_face_px}; expected 32 to "
                f"{MAX_SIDE_PX} and 8 to side_px."
            )
        if not 1.01 <= self.scale_step <= 2 or self.min_hits < 1:
            raise BadInput(
                f"screen.faces: scale_step is {self.scale_step}, min_hits {self.min_hits}; expected 1.01 to 2 and 1 or "
                "more."
            )
        if self.screen_out and not self.find:
            raise BadInput("screen.faces: screen_out is true and find is not; nobody looks for faces then.")

    @property
    def how(self) -> str:
        """How they are found, in words."""
        return f"{'status' if self.screen_out else 'hint in shows_faces, told to reviewers'}; OpenCV's frontal cascade"

    def measured_by(self) -> FacesConfig | None:
        """What is found depends on; None where nobody looks."""
        return replace(self, screen_out=False) if self.find else None
