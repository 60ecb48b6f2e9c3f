"""Things named by the user as `package.module:factory`, `path/to/file.py:factory` or an installed entry point."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from relaionet.manifests.errors import BadInput, nearest_name


def is_factory(spec: str, group: str) -> bool:
    """True for an import string and for the name of an entry point of the group."""
    return ":" in spec or spec in importlib.metadata.entry_points(group=group).names


def find_factory(spec: str, group: str) -> Callable[..., Any]:
    """Import what a spec names; this runs the named code, so a spec comes from the user's recipe and nowhere else.

    Args:
        spec: `package.module:factory`, `path/to/file.py:factory` or the name of an entry point.
        group: entry point group.

    Raises:
        BadInput: the file, module or factory is not there or cannot be imported.
    """
    if ":" not in spec:
        try:
            return importlib.metadata.entry_points(group=group)[spec].load()
        except (KeyError, ImportError, AttributeError) as error:
            raise BadInput(f"entry point '{spec}' of {group} could not be loaded: {error}.") from error
    where, _, attribute = spec.rpartition(":")
    module = _import_file(Path(where).expanduser()) if where.endswith(".py") else _import_module(where)
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise BadInput(
            f"'{spec}': {where} has no '{attribute}' to call.{nearest_name(attribute, list_factories(module))}"
        )
    return factory


def list_factories(module: ModuleType) -> list[str]:
    """Names of a module that may be meant for factories: what it defines itself, or else all that it has to call."""
    found = {name: value for name, value in vars(module).items() if callable(value) and not name.startswith("_")}
    own = [name for name, value in found.items() if getattr(value, "__module__", None) == module.__name__]
    return own or list(found)


def call_factory(spec: str, factory: Callable[..., Any], options: Mapping[str, Any], offered: Mapping[str, Any]) -> Any:
    """Call a factory with the user's options and with those of the offered values it has a parameter for.

    Raises:
        BadInput: an option is unknown or a needed one is missing.
    """
    parameters = inspect.signature(factory).parameters
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    for option in options:
        if option not in parameters and not takes_any:
            raise BadInput(f"'{spec}' takes no option '{option}'.{nearest_name(option, parameters)}")
    given = {**{key: value for key, value in offered.items() if key in parameters}, **options}
    try:
        inspect.signature(factory).bind(**given)
    except TypeError as error:
        raise BadInput(f"'{spec}' cannot be called: {error}; give it as an option.") from error
    return factory(**given)


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise BadInput(f"{path} does not exist (looked from {Path.cwd()}).")
    name = f"relaionet_import_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path} is no Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError) as error:
        raise BadInput(f"{path} could not be imported: {error}.") from error
    return module


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (ImportError, ValueError) as error:
        raise BadInput(f"module '{name}' could not be imported: {error}. Is it installed?") from error
