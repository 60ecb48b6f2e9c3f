"""Settings as TOML or JSON gives them, read into frozen dataclasses; an unknown key names the nearest known one."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.places import local_path

T = TypeVar("T")


def build(kind: type[T], values: dict[str, Any], *, where: str) -> T:
    """Build a dataclass from a dict, checking names and types all the way down.

    Args:
        kind: a dataclass type.
        values: as TOML gives them.
        where: shown in errors: the file, then the key path.

    Raises:
        BadInput: an unknown key, a missing key or a value of the wrong type; the message says where.
    """
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            raise BadInput(f"{where}: unknown key '{name}'.{nearest_name(name, fields)}")
    hints = typing.get_type_hints(kind)
    missing = [
        field.name
        for field in fields.values()
        if field.name not in values
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise BadInput(f"{where}: missing key '{missing[0]}'.")
    return kind(**{name: _convert(value, hints[name], f"{where}: {name}") for name, value in values.items()})


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments, where)
    if origin is typing.Literal:
        if value not in arguments:
            known = ", ".join(map(repr, arguments))
            raise BadInput(f"{where} is {value!r}; it must be one of {known}.")
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise BadInput(f"{where} is {value!r}; it must be a table of keys.")
        return build(hint, value, where=where)
    if origin in (tuple, list):
        if not isinstance(value, list):
            raise BadInput(f"{where} is {value!r}; it must be a list.")
        items = [_convert(item, arguments[0], f"{where}[{i}]") for i, item in enumerate(value)]
        return origin(items)
    if origin is dict:
        if not isinstance(value, dict):
            raise BadInput(f"{where} is {value!r}; it must be a table of keys.")
        return {key: _convert(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    return _convert_plain(value, hint, where)


def _convert_union(value: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    errors = []
    for argument in arguments:
        if argument is type(None):
            continue
        try:
            return _convert(value, argument, where)
        except BadInput as error:
            errors.append(str(error))
    raise BadInput(errors[0])


def _convert_plain(value: Any, hint: Any, where: str) -> Any:
    if hint is Path and isinstance(value, str):
        return local_path(value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise BadInput(f"{where} is {value!r}; it must be {getattr(hint, '__name__', hint)}.")
