"""What a generator is, and how one is named: the protocol every adapter and every user's own class follows.

A generator is named by a built-in name, by an installed entry point of the group `relaionet.generators`, by an import
string `package.module:factory`, or by a TOML file whose `type` is one of these or an adapter. Nothing is imported
before it is asked for.
"""

from __future__ import annotations

import inspect
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from relaionet.manifests.errors import BadInput, ReLAIONetError, nearest_name

ENTRY_POINT_GROUP = "relaionet.generators"
ADAPTERS = {
    "python": "relaionet.evaluators.adapters.python:make_python",
    "samples": "relaionet.evaluators.adapters.samples:make_samples",
    "flow_map": "relaionet.evaluators.adapters.flow_map:make_flow_map",
}
BUILT_IN = {
    "miniature-flow": "relaionet.evaluators.miniature:weights/flow.toml",
    "miniature-meanflow": "relaionet.evaluators.miniature:weights/meanflow.toml",
    "miniature-noise": "relaionet.evaluators.miniature.bounds:make_noise",
    "miniature-world": "relaionet.evaluators.miniature.bounds:make_world",
}

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
        nfe: forward calls of the network for each image, counted.
    """

    images: NDArray[np.uint8]
    nfe: Sequence[int]


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


def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}


def list_generators() -> list[str]:
    """Names of all built-in and installed generators, sorted."""
    return sorted({*BUILT_IN, *_entry_points()})


def import_factory(text: str) -> Callable[..., Any]:
    """What an import string `package.module:factory` names.

    Raises:
        BadInput: it is not of that form, or the module or the name in it is not there.
    """
    module_name, _, attribute = text.partition(":")
    if not module_name or not attribute.isidentifier():
        raise BadInput(f"'{text}' is no import string; expected package.module:factory.")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise BadInput(
            f"'{text}': module '{error.name}' is not installed here; install it or set PYTHONPATH to its folder."
        ) from error
    except Exception as error:  # importing a stranger's module runs its code
        raise BadInput(f"'{text}': importing {module_name} fails: {type(error).__name__}: {error}.") from error
    found = getattr(module, attribute, None)
    if not callable(found):
        raise BadInput(f"'{text}': {module_name} has no factory '{attribute}'.{nearest_name(attribute, vars(module))}")
    return found


def _call(factory: Callable[..., Any], where: str, options: Mapping[str, Any], given: Mapping[str, Any]) -> Generator:
    """Call a factory with the user's options, and with those of `given` that it takes."""
    parameters = inspect.signature(factory).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    unknown = [] if open_ended else [name for name in options if name not in parameters]
    if unknown:
        raise BadInput(f"{where}: unknown key '{unknown[0]}'.{nearest_name(unknown[0], parameters)}")
    missing = [
        name for name, parameter in parameters.items()
        if parameter.default is parameter.empty and parameter.kind in (parameter.KEYWORD_ONLY,
        parameter.POSITIONAL_OR_KEYWORD) and name not in options and name not in given
    ]  # fmt: skip
    if missing:
        raise BadInput(f"{where}: key '{missing[0]}' is missing.")
    filled = {name: value for name, value in given.items() if name in parameters or open_ended}
    try:
        made = factory(**{**filled, **options})
    except ReLAIONetError:
        raise
    except Exception as error:  # a stranger's code may raise anything
        raise BadInput(f"{where}: making it fails: {type(error).__name__}: {error}.") from error
    if not isinstance(made, Generator) or not isinstance(made.info, Info):
        raise BadInput(
            f"{where}: made a {type(made).__name__}, which is no generator; it needs an attribute `info` of type "
            f"{Info.__module__}.Info and a method `generate(batch, settings)`."
        )
    return made


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        options = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise BadInput(f"generator file {path} does not exist.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"generator file {path} is no TOML: {error}.") from None
    if not isinstance(options.get("type"), str):
        raise BadInput(f"generator file {path}: key 'type' is missing; it is one of {', '.join(ADAPTERS)}, or …:….")
    return options


def _load_file(path: Path, device: str, options: Mapping[str, Any]) -> Generator:
    merged = {**_read_toml(path), **options}
    kind = merged.pop("type")
    if kind not in ADAPTERS and ":" not in kind:
        raise BadInput(f"generator file {path}: type '{kind}' is unknown.{nearest_name(kind, ADAPTERS)}")
    given = {"device": device, "base": path.parent}
    return _call(import_factory(ADAPTERS.get(kind, kind)), f"generator file {path}", merged, given)


def load_generator(name_or_spec: str | Path, device: str = "cpu", **options: Any) -> Generator:
    """Find, import and make a generator.

    Args:
        name_or_spec: built-in name, entry point, `package.module:factory`, or path of a TOML file.
        device: torch device, given to factories that take one.
        **options: keyword arguments of the factory; they go before those of a TOML file.

    Returns:
        The generator, ready.

    Raises:
        BadInput: an unknown name or key, a missing file or module, or something that is no generator.
    """
    text = str(name_or_spec)
    if text in BUILT_IN:
        package, _, inside = BUILT_IN[text].partition(":")
        if inside.endswith(".toml"):
            with as_file(files(package)) as folder:
                return _load_file(Path(folder, inside), device, options)
        return _call(import_factory(BUILT_IN[text]), f"generator '{text}'", options, {"device": device})
    if text.endswith(".toml"):
        return _load_file(Path(text), device, options)
    points = _entry_points()
    if text in points:
        try:
            factory = points[text].load()
        except (ImportError, AttributeError) as error:
            raise BadInput(f"generator '{text}' is installed as {points[text].value} but fails: {error}.") from error
    elif ":" in text:
        factory = import_factory(text)
    else:
        raise BadInput(
            f"no generator is called '{text}'.{nearest_name(text, list_generators())} "
            "A generator is also named by a .toml file or by package.module:factory."
        )
    return _call(factory, f"generator '{text}'", options, {"device": device})
