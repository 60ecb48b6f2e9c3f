"""How a generator is named and found: built-in names, the catalogue, entry points, import strings, TOML files.

Nothing is imported before it is asked for, so a list of names costs nothing.
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from relaionet.evaluators.generators.catalogue import About, about_of, catalogue_names, find_entry
from relaionet.evaluators.generators.protocol import Generator, Info
from relaionet.manifests.errors import BadInput, ReLAIONetError, nearest_name

ENTRY_POINT_GROUP = "relaionet.generators"
ADAPTERS = {
    "python": "relaionet.evaluators.generators.adapters.python:make_python",
    "samples": "relaionet.evaluators.generators.adapters.samples:make_samples",
    "command": "relaionet.evaluators.generators.adapters.command:make_command",
    "http": "relaionet.evaluators.generators.adapters.http:make_http",
    "diffusers": "relaionet.evaluators.generators.adapters.diffusers:make_diffusers",
    "flow_map": "relaionet.evaluators.generators.adapters.flow_map:make_flow_map",
}
BUILT_IN = {
    "miniature-flow": "relaionet.evaluators.miniature:weights/flow.toml",
    "miniature-meanflow": "relaionet.evaluators.miniature:weights/meanflow.toml",
    "miniature-noise": "relaionet.evaluators.miniature.bounds:make_noise",
    "miniature-world": "relaionet.evaluators.miniature.bounds:make_world",
}


def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}


def list_generators() -> list[str]:
    """Names of all built-in and installed generators, and of the catalogue's, sorted."""
    return sorted({*BUILT_IN, *catalogue_names(), *_entry_points()})


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


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A generator's TOML file, read and not made.

    Attributes:
        kind: its adapter, or an import string.
        options: what the adapter is given.
        about: where it comes from.
        path: the file.
    """

    kind: str
    options: Mapping[str, Any]
    about: About
    path: Path


def read_definition(name_or_spec: str | Path, options: Mapping[str, Any] | None = None) -> Definition | None:
    """A generator's file, where it has one: of the catalogue, of the miniature, or a path.

    Args:
        name_or_spec: as for `load_generator`.
        options: go before those of the file.

    Returns:
        None for an import string and for what a package has installed: those are known once they are made.

    Raises:
        BadInput: the file is not there or is wrong, or the generator cannot be had.
    """
    text = str(name_or_spec)
    inside = BUILT_IN.get(text, "").partition(":")[2]
    if inside.endswith(".toml"):
        path = Path(str(files(BUILT_IN[text].partition(":")[0]).joinpath(inside)))
    elif text.endswith(".toml"):
        path = Path(text)
    elif text in catalogue_names():
        path = find_entry(text)
    else:
        return None
    merged = {**_read_toml(path), **(options or {})}
    kind = merged.pop("type")
    about = about_of(merged.pop("about", {}), str(path))
    if kind == "none":
        raise BadInput(f"generator '{merged.get('name', path.stem)}' cannot be run: {about.why}")
    if kind not in ADAPTERS and ":" not in kind:
        raise BadInput(f"generator file {path}: type '{kind}' is unknown.{nearest_name(kind, ADAPTERS)}")
    return Definition(kind=kind, options=merged, about=about, path=path)


def load_generator(name_or_spec: str | Path, device: str = "cpu", **options: Any) -> Generator:
    """Find, import and make a generator.

    Args:
        name_or_spec: built-in name, one of the catalogue, entry point, `package.module:factory`, or path of a TOML
            file.
        device: torch device, given to factories that take one.
        **options: keyword arguments of the factory; they go before those of a TOML file.

    Returns:
        The generator, ready.

    Raises:
        BadInput: an unknown name or key, a missing file or module, or something that is no generator.
    """
    text = str(name_or_spec)
    found = read_definition(text, options)
    if found is not None:
        where, given = f"generator file {found.path}", {"device": device, "base": found.path.parent}
        return _call(import_factory(ADAPTERS.get(found.kind, found.kind)), where, found.options, given)
    if text in BUILT_IN:
        return _call(import_factory(BUILT_IN[text]), f"generator '{text}'", options, {"device": device})
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
