"""Every key of a recipe, from the dataclasses a recipe is read into and their docstrings: for pages and new recipes."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", Any: "any value"}


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of a recipe.

    Attributes:
        name: as it is written.
        kind: its type in words.
        default: as it would be written; `required` where there is none.
        meaning: the docstring's line; empty where it has none.
        table: the settings it opens, where it is a table or a list of tables.
    """

    name: str
    kind: str
    default: str
    meaning: str
    table: type | None = None


def meanings(kind: type) -> dict[str, str]:
    """Attribute -> its lines in the docstring, joined."""
    text = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line and not line.startswith(" "):
            break
        if start := re.match(r"    (\w+): (.*)", line):
            name = start[1]
            found[name] = start[2]
        elif line.strip() and name:
            found[name] += " " + line.strip()
    return found


def summary(kind: type) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


def list_keys(kind: type) -> list[Key]:
    """The keys of a table, in the order they are declared."""
    hints, said = typing.get_type_hints(kind), meanings(kind)
    return [
        Key(
            name=one.name, kind=kind_of(hints[one.name]), default=default_of(one), meaning=said.get(one.name, ""),
            table=next(tables_in(hints[one.name]), None),
        )
        for one in fields(kind)
    ]  # fmt: skip


def tables_in(hint: Any) -> Iterator[type]:
    """The dataclasses an annotation names."""
    if is_dataclass(hint):
        yield typing.cast(type, hint)
    for argument in typing.get_args(hint):
        yield from tables_in(argument)


def kind_of(hint: Any) -> str:
    """An annotation in words."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(kind_of(one) for one in inner if one is not type(None)))
    if origin is typing.Literal:
        return " or ".join(f"`{json.dumps(one)}`" for one in inner)
    if origin is tuple:
        return f"list of: {kind_of(inner[0])}" if inner[-1] is Ellipsis else "list: " + ", ".join(map(kind_of, inner))
    if origin is dict:
        return f"table of: {kind_of(inner[1])}"
    if is_dataclass(hint):
        return "table"
    return NAMES[hint]


def default_of(one: Field[Any]) -> str:
    """A default as it would be written in TOML."""
    if one.default is MISSING and one.default_factory is MISSING:
        return "required"
    value = one.default_factory() if one.default is MISSING and one.default_factory is not MISSING else one.default
    return "" if is_dataclass(value) else "none" if value is None else f"`{written(value)}`"


def written(value: Any) -> str:
    """A value in TOML; numbers with their thousands apart."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {written(one)}" for key, one in value.items()) + " }" if value else "{}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
    if isinstance(value, int):
        return f"{value:_}"
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def list_tables(kind: type, at: str = "", repeated: bool = False) -> Iterator[tuple[str, type]]:
    """Every table of a recipe with its heading in TOML, the recipe's own keys first.

    Args:
        kind: the dataclass of the recipe.
        at: dotted name of the table it is; the recipe itself where empty.
        repeated: whether the table may stand several times.
    """
    yield (f"[[{at}]]" if repeated else f"[{at}]" if at else "", kind)
    for key in list_keys(kind):
        if key.table:
            yield from list_tables(key.table, f"{at}.{key.name}".strip("."), repeated=key.kind.startswith("list"))


def opened(key: Key) -> str:
    """What a key that opens a table is about."""
    return summary(key.table) if key.table else ""
