"""What a generator is: the protocol every adapter and every user's own class follows. `registry` finds one by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from relaionet.manifests.errors import BadInput, nearest_name

GuidanceKind = Literal["none", "baked", "conditioning", "two_pass", "embedded", "autoguidance"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One image asked for.

    Attributes:
        sample_id: names the image everywhere.
        class_index: class, 0 to 999 in sorted-wnid order.
        wnid: the same class as a WordNet synset id.
        class_name: the same class in words.
        prompt: text for generators that take one.
        seed: of this image alone, 0 to 2^63 - 1.
    """

    sample_id: str
    class_index: int
    wnid: str
    class_name: str
    prompt: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is varied between runs of one generator.

    Attributes:
        steps: sampling steps; 0 for generators that have none.
        guidance: guidance scale; 1 is none.
    """

    steps: int = 1
    guidance: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Info:
    """What a generator is and can do.

    Attributes:
        name: as it stands in tables.
        native_size_px: side of the square images it makes.
        guidance: how guidance enters; with `none` and `baked` only the scale 1 can be asked for.
        guidance_range: smallest and largest scale it can honour.
        natural_guidance: the scale its authors report with, which a recipe may call "natural".
        steps: numbers of steps it can take; None is any from 1.
        class_indices: classes it knows; None is all 1000.
        deterministic: the same request gives the same bytes whatever it is batched with.
        licence: of the weights, as an SPDX id or in words.
        weights: where they come from, and their sha256 where they are files.
    """

    name: str
    native_size_px: int
    guidance: GuidanceKind = "none"
    guidance_range: tuple[float, float] = (0.0, math.inf)
    natural_guidance: float = 1.0
    steps: tuple[int, ...] | None = None
    class_indices: tuple[int, ...] | None = None
    deterministic: bool = True
    licence: str = "unknown"
    weights: str = "none"


@dataclass(frozen=True, kw_only=True)
class Generated:
    """Images of one batch, in the order of its requests.

    Attributes:
        images: `[N, H, W, 3]` uint8 RGB at native size.
        nfe: forward calls of the network for each image, counted; None where nobody counted.
    """

    images: NDArray[np.uint8]
    nfe: Sequence[int | None]


@runtime_checkable
class Generator(Protocol):
    """Anything that makes images of classes.

    Two more methods are used where a generator has them: `prepare(requests)`, called once with all requests before
    the first batch, and `describe(settings) -> dict` with what was really done (grid, precision, …) for the record.
    """

    info: Info

    def generate(self, batch: Sequence[Request], settings: Settings) -> Generated:
        """Make one image for each request."""
        ...


def make_info(values: Mapping[str, Any], **given: Any) -> Info:
    """What a generator is, from the keys of its file.

    Args:
        values: fields of `Info` as TOML has them; `native_size_px` must be among them.
        **given: fields the adapter knows itself; `name` must be among them.

    Raises:
        BadInput: an unknown or missing key, or a value that makes no sense.
    """
    where = f"generator '{given['name']}'"
    known = [field.name for field in fields(Info) if field.name not in given]
    for key in values:
        if key not in known:
            raise BadInput(f"{where}: unknown key '{key}'.{nearest_name(key, known)}")
    if "native_size_px" not in {**values, **given}:
        raise BadInput(f"{where}: key 'native_size_px' is missing.")
    made: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in {**values, **given}.items()
    }
    if "guidance_range" in made:
        made["guidance_range"] = tuple(map(float, made["guidance_range"]))
    info = Info(**made)
    if info.guidance not in get_args(GuidanceKind):
        raise BadInput(
            f"{where}: guidance is '{info.guidance}'.{nearest_name(str(info.guidance), get_args(GuidanceKind))}"
        )
    if not isinstance(info.native_size_px, int) or info.native_size_px < 1 or len(info.guidance_range) != 2:
        raise BadInput(f"{where}: native_size_px must be a number above 0, and guidance_range two numbers.")
    return info


class GeneratorDied(RuntimeError):
    """The generator as a whole cannot go on: asking it for the next image would fail the same way."""


def check_settings(info: Info, settings: Settings) -> None:
    """Refuse what a generator cannot honour, before anything runs.

    Raises:
        BadInput: the number of steps is not one of its own, or its guidance does not reach the asked scale.
    """
    where = f"generator '{info.name}'"
    if info.steps is not None and settings.steps not in info.steps:
        raise BadInput(f"{where}: steps = {settings.steps} is not possible; it takes {_listed(info.steps)}.")
    if info.steps is None and settings.steps < 1:
        raise BadInput(f"{where}: steps = {settings.steps} is not possible; it takes 1 or more.")
    low, high = info.guidance_range
    if info.guidance in ("none", "baked") and settings.guidance != 1:
        raise BadInput(
            f"{where}: guidance = {settings.guidance:g} would never reach the network, whose guidance is "
            f"'{info.guidance}'; set guidance = 1."
        )
    if not (math.isfinite(settings.guidance) and low <= settings.guidance <= high):
        raise BadInput(f"{where}: guidance = {settings.guidance:g} is not possible; it takes {low:g} to {high:g}.")


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
