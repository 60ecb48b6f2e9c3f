"""How a generator is named and found: built-in names, the catalogue, entry points, import strings, TOML files.

Nothing is imported before it is asked for, so a list of names costs nothing.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module, metadata
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from relaionet.evaluators.generators.adapter import GeneratorAdapter
from relaionet.evaluators.generators.ask import check_requests
from relaionet.evaluators.generators.catalogue import About, about_of, catalogue_names, find_entry
from relaionet.evaluators.generators.definition import Definition
from relaionet.evaluators.generators.dry_run import DryRun
from relaionet.evaluators.generators.factories import call_factory, import_factory
from relaionet.evaluators.generators.protocol import Generator
from relaionet.manifests.containers.limits import Refused
from relaionet.manifests.containers.texts import read_toml
from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.pipeline.declared import find_declared

ENTRY_POINT_GROUP = "relaionet.generators"
ADAPTER_GROUP = "relaionet.generator_adapters"
ADAPTERS_PACKAGE = "relaionet.evaluators.generators.adapters"
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


def adapter_kinds() -> list[str]:
    """Kinds of all adapters, sorted; none of them is imported."""
    return sorted({*_built_in_kinds(), *metadata.entry_points(group=ADAPTER_GROUP).names})


@cache
def _built_in_kinds() -> tuple[str, ...]:
    """Names of the modules of `adapters/`; each is named as its kind is."""
    folder = Path(str(files(ADAPTERS_PACKAGE)))
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(folder)])))


def get_adapter(kind: str) -> GeneratorAdapter:
    """Import an adapter.

    Raises:
        BadInput: there is none of that kind, or the package that declares it is broken.
    """
    if kind in _built_in_kinds():
        return cast(GeneratorAdapter, import_module(f"{ADAPTERS_PACKAGE}.{kind}").ADAPTER)
    declared = _declared_adapters(tuple(sys.path))
    if kind not in declared:
        raise BadInput(f"there is no adapter '{kind}'.{nearest_name(kind, adapter_kinds())}")
    return declared[kind]


def list_adapters() -> list[GeneratorAdapter]:
    """All adapters, of this project and of the packages that are installed, in order; this imports them."""
    return sorted(map(get_adapter, adapter_kinds()), key=lambda adapter: (adapter.order, adapter.kind))


@cache
def _declared_adapters(_path: tuple[str, ...]) -> dict[str, GeneratorAdapter]:
    """What the packages on a path of modules declare."""
    declared = find_declared(ADAPTER_GROUP, GeneratorAdapter)
    for name, adapter in declared.items():
        if name != adapter.kind:
            raise BadInput(f"{ADAPTER_GROUP}: '{name}' leads to an adapter of another kind, '{adapter.kind}'.")
    return declared


def adapters_help() -> list[tuple[str, str]]:
    """Kind and meaning of all adapters, for `--help`."""
    return [(adapter.kind, adapter.about) for adapter in list_adapters()]


def generator_adapters_table() -> str:
    """The adapters and the keys of their files as a table of Markdown."""
    lines = ["| `type` | key | what it says |", "|---|---|---|"]
    for adapter in list_adapters():
        needs = [f"needs `relaionet[{need.extra}]`{f' {need.when}' if need.when else ''}" for need in adapter.needs]
        lines.append(f"| `{adapter.kind}` | | {'; '.join([adapter.about, *needs])} |")
        lines += [f"| | `{key}` | {meaning} |" for key, meaning in adapter.keys().items()]
    return "\n".join(lines)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        options = read_toml(path)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise BadInput(f"generator file {path} does not exist.") from None
    except Refused as error:
        raise BadInput(f"generator file {path} is no TOML: {error}.") from None
    if not isinstance(options.get("type"), str):
        raise BadInput(
            f"generator file {path}: key 'type' is missing; it is one of {', '.join(adapter_kinds())}, or …:…."
        )
    return options


def read_definition(name_or_spec: str | Path, options: Mapping[str, Any] | None = None) -> Definition | None:
    """A generator's file, where it has one: of the catalogue, of the miniature, or a path.

    Args:
        name_or_spec: as for `load_generator`.
        options: go before those of the file.

    Returns:
        None for an import string and for what a package has installed: those are known once they are made.

    Raises:
        BadInput: there is no generator of that name, the file is not there or is wrong, or it cannot be had.
    """
    text = str(name_or_spec)
    inside = BUILT_IN.get(text, "").partition(":")[2]
    if inside.endswith(".toml"):
        path = Path(str(files(BUILT_IN[text].partition(":")[0]).joinpath(inside)))
    elif text.endswith(".toml"):
        path = Path(text)
    elif text in catalogue_names():
        path = find_entry(text)
    elif text in BUILT_IN or ":" in text or text in _entry_points():
        return None
    else:
        raise BadInput(
            f"no generator is called '{text}'.{nearest_name(text, list_generators())} "
            "A generator is also named by a .toml file or by package.module:factory."
        )
    merged = {**_read_toml(path), **(options or {})}
    kind = merged.pop("type")
    about = about_of(merged.pop("about", {}), str(path))
    if kind == "none":
        raise BadInput(f"generator '{merged.get('name', path.stem)}' cannot be run: {about.why}")
    if ":" not in kind and kind not in adapter_kinds():
        raise BadInput(f"generator file {path}: type '{kind}' is unknown.{nearest_name(kind, adapter_kinds())}")
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
        factory = import_factory(found.kind) if ":" in found.kind else get_adapter(found.kind).factory
        return call_factory(factory, where, found.options, given)
    if text in BUILT_IN:
        return call_factory(import_factory(BUILT_IN[text]), f"generator '{text}'", options, {"device": device})
    points = _entry_points()
    if text in points:
        try:
            factory = points[text].load()
        except (ImportError, AttributeError) as error:
            raise BadInput(f"generator '{text}' is installed as {points[text].value} but fails: {error}.") from error
    else:
        factory = import_factory(text)
    return call_factory(factory, f"generator '{text}'", options, {"device": device})


def look_ahead(name: str, options: Mapping[str, Any] | None = None) -> DryRun:
    """Look at a generator as a recipe names it.

    Args:
        name: as for `load_generator`.
        options: of its factory.

    Returns:
        What it will be, what is here and what is missing.

    Raises:
        BadInput: there is none of that name, or its file is wrong.
    """
    found = read_definition(name, options)
    if found is not None and ":" not in found.kind:
        look = get_adapter(found.kind).look
        if look is not None:
            return look(found)
    about = About() if found is None else found.about
    kind = "" if found is None else found.kind
    try:
        generator = load_generator(name, **(options or {}))
    except BadInput as error:
        if found is None:
            raise
        return DryRun(info=None, kind=kind, about=about, missing=(str(error),))
    info, check = generator.info, partial(check_requests, generator)
    return DryRun(info=info, kind=kind, about=about, here=(info.weights,), check=check)
