"""Factories of generators: what an import string names, and a call with what a user wrote."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from relaionet.evaluators.generators.protocol import Generator, Info, check_info
from relaionet.manifests.errors import BadInput, ReLAIONetError, nearest_name
from relaionet.pipeline.factories import list_factories


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
        hint = nearest_name(attribute, list_factories(module))
        raise BadInput(f"'{text}': {module_name} has no factory '{attribute}'.{hint}")
    return found


def call_factory(
    factory: Callable[..., Any], where: str, options: Mapping[str, Any], given: Mapping[str, Any]
) -> Generator:
    """Call a factory with the user's options, and with those of `given` that it takes.

    Args:
        factory: makes the generator.
        where: names the generator in errors.
        options: keyword arguments the user wrote; each must be one of the factory's.
        given: further ones, such as `device`; they reach a factory that takes them and yield to the user's.

    Returns:
        The generator.

    Raises:
        BadInput: an unknown or missing key, the factory fails, or what it made is no generator.
    """
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
    check_info(made.info)
    return made
