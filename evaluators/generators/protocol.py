"""What a generator is: the protocol every adapter and every user's own class follows. `registry` finds one by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Literal, Protocol, TypeVar, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.files import LATER

MAX_SIDE_PX = 4096
Held = TypeVar("Held")
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
        natural_by_steps: (number of steps, scale) where they report with another at that number.
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
    natural_by_steps: tuple[tuple[int, float], ...] = field(default=(), metadata=LATER)
    steps: tuple[int, ...] | None = None
    class_indices: tuple[int, ...] | None = None
    deterministic: bool = True
    licence: str = "unknown"
    weights: str = "none"

    def natural_at(self, steps: int) -> float:
        """The scale its authors report with at a number of steps."""
        return dict(self.natural_by_steps).get(steps, self.natural_guidance)


@dataclass(frozen=True, kw_only=True)
class Generated:
    """Images of one batch, in the order of its requests.

    Attributes:
        images: `[N, H, W, 3]` uint8 RGB at native size.
        nfe: forward calls of the network for each image, counted; None where nobody counted.
    """

    images: NDArray[np.uint8]
    nfe: Sequence[int | None]


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What a generator knows of its images before it is asked for any.

    Attributes:
        missing: sample_id -> why there will be no image of it.
        unused: images that it holds and that no request gets.
    """

    missing: Mapping[str, str] = field(default_factory=dict)
    unused: int = 0


@runtime_checkable
class Generator(Protocol):
    """Anything that makes images of classes.

    Three more methods are used where a generator has them: `foresee(requests) -> Foreseen`, called before anything is
    made, for images that exist already or not at all; `prepare(requests)`, called once with all requests before the
    first batch; and `describe(settings) -> dict` with what was really done (grid, precision, …) for the record.
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
    known = [one.name for one in fields(Info) if one.name not in given]
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
    if "natural_by_steps" in made:
        made["natural_by_steps"] = by_steps(made["natural_by_steps"], float, f"{where}: natural_by_steps")
    return check_info(Info(**made))


def check_info(info: Info) -> Info:
    """Refuse what no generator can be; returns it.

    Raises:
        BadInput: a field is of another type, or its value makes no sense.
    """
    where = f"generator '{info.name!s:.60}'"
    for name in ("name", "licence", "weights"):
        value = getattr(info, name)
        if not isinstance(value, str) or (name == "name" and not value.strip()):
            raise BadInput(f"{where}: {name} is {value!r:.60}; expected a text.")
    if info.guidance not in get_args(GuidanceKind):
        near = nearest_name(str(info.guidance), get_args(GuidanceKind))
        raise BadInput(f"{where}: guidance is '{info.guidance}'.{near}")
    if not _are_whole([info.native_size_px], 1, MAX_SIDE_PX):
        raise BadInput(f"{where}: native_size_px is {info.native_size_px!r:.60}; expected 1 to {MAX_SIDE_PX}.")
    scales = info.guidance_range
    if not isinstance(scales, Sequence) or len(scales) != 2 or not _are_numbers([*scales, info.natural_guidance]):
        raise BadInput(f"{where}: guidance_range must be two numbers, and natural_guidance one; got {scales!r:.60}.")
    own = info.natural_by_steps
    if not isinstance(own, Sequence) or not all(isinstance(one, tuple) and len(one) == 2 for one in own):
        raise BadInput(f"{where}: natural_by_steps is {own!r:.60}; expected pairs of a number of steps and a scale.")
    if not _are_whole([steps for steps, _ in own], 1, 2**31 - 1) or not _are_numbers([scale for _, scale in own]):
        raise BadInput(f"{where}: natural_by_steps is {own!r:.60}; expected numbers of steps, 1 or more, and scales.")
    for name, high, what in (("steps", 2**31 - 1, "numbers of steps"), ("class_indices", 999, "class indices")):
        value = getattr(info, name)
        if value is not None and (not isinstance(value, Sequence) or not value or not _are_whole(value, 0, high)):
            raise BadInput(f"{where}: {name} is {value!r:.60}; expected {what}, 0 to {high}, or none given.")
    return info


def _are_whole(values: Sequence[Any], low: int, high: int) -> bool:
    return all(isinstance(one, Integral) and not isinstance(one, bool) and low <= int(one) <= high for one in values)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(one, Real) and not isinstance(one, bool) and not math.isnan(one) for one in values)


def check_foreseen(told: Any, asked: Set[str]) -> Foreseen:
    """What a generator foresees, copied; what concerns no request is left out.

    Args:
        told: what its `foresee` returned.
        asked: sample_id of every request.

    Raises:
        BadInput: it is no `Foreseen`.
    """
    if (
        not isinstance(told, Foreseen)
        or not isinstance(told.missing, Mapping)
        or not _are_whole([told.unused], 0, 2**63)
    ):
        raise BadInput(f"`foresee` returned {told!r:.60}; expected a {Foreseen.__module__}.Foreseen.")
    missing = {str(name): str(why) for name, why in told.missing.items() if name in asked}
    return Foreseen(missing=missing, unused=int(told.unused))


def by_steps(table: Any, read: Callable[[Any], Held], where: str) -> tuple[tuple[int, Held], ...]:
    """A table by number of steps, as TOML has it: its keys are texts.

    Args:
        table: number of steps -> anything.
        read: makes what is held of a value; raises TypeError or ValueError where it cannot.
        where: names the table in errors.

    Raises:
        BadInput: it is no such table.
    """
    try:
        found = {int(steps): read(value) for steps, value in dict(table).items()}
    except (TypeError, ValueError):
        raise BadInput(f"{where} is no table by number of steps, such as {{ 2 = … }}.") from None
    if min(found, default=1) < 1:
        raise BadInput(f"{where} names {min(found)} steps; expected 1 or more.")
    return tuple((steps, found[steps]) for steps in sorted(found))


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
