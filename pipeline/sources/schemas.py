"""The metadata tables of published image-text collections: how each names its columns. Each is declared once.

A schema is a TOML file: those of this project lie in `known_schemas/`, another is named in the recipe by its path
(`schema = "mine.toml"`). Another package declares a `SourceSchema` as an entry point of the group
`relaionet.source_schemas`, under its name.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from relaionet.manifests.containers.limits import Refused
from relaionet.manifests.containers.texts import read_toml
from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.pipeline.declared import find_declared

GROUP = "relaionet.source_schemas"
OURS = ("url", "caption", "width_px", "height_px", "punsafe", "pwatermark", "nsfw")
REQUIRED = ("url", "caption")
CUSTOM, PLAIN = "your own", "plain"
NO_NAMES = "(no names)"


@dataclass(frozen=True, kw_only=True)
class SourceSchema:
    """Columns of one family of metadata tables.

    Attributes:
        name: shown to the user, and what a recipe names it by.
        columns: our name -> the table's names for it, the first that is there is taken; url and caption must be there.
        about: which tables these are, in a line.
        home: address where they are described; empty for none.
        marks: columns that only this family has; they must be there for the table to be taken for it unasked. A schema
            of another package that has none is taken only where it is asked for.
        any_case: take the table's names in upper and lower case alike.
        unnamed: the columns in their order, where text tables of the family have no line of names; else empty.
        order: place among the schemas, lowest first: of those that fit, the first is taken.
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    about: str = ""
    home: str = ""
    marks: tuple[str, ...] = ()
    any_case: bool = False
    unnamed: tuple[str, ...] = ()
    order: int = 500

    def __post_init__(self) -> None:
        for ours in self.columns:
            if ours not in OURS:
                raise BadInput(f"schema '{self.name}', columns: '{ours}' is none of ours.{nearest_name(ours, OURS)}")
        lacking = [ours for ours in REQUIRED if not self.columns.get(ours)]
        if lacking:
            raise BadInput(f"schema '{self.name}', columns: {lacking[0]} is missing; say what the tables call it.")
        strange = [ours for ours in REQUIRED if self.unnamed and not set(self.columns[ours]) & set(self.unnamed)]
        if strange:
            raise BadInput(f"schema '{self.name}', unnamed: which of the columns is the {strange[0]} is not said.")

    def resolve(self, found: Sequence[str]) -> dict[str, str]:
        """Our name -> the table's, of the columns that are there; one spelt as here goes before others."""
        folded = {name.casefold(): name for name in reversed(found)} if self.any_case else {}
        there = set(found)
        resolved = {}
        for ours, names in self.columns.items():
            spelt = (name if name in there else folded.get(name.casefold()) for name in names)
            resolved[ours] = next((theirs for theirs in spelt if theirs is not None), None)
        return {ours: theirs for ours, theirs in resolved.items() if theirs is not None}

    def lacks(self, found: Sequence[str], named: Collection[str] = ()) -> list[str]:
        """Columns that are not there and must be; those of our names in `named` need not."""
        resolved = {*self.resolve(found), *named}
        missing = [self.columns[ours][0] for ours in REQUIRED if ours not in resolved]
        return missing + [mark for mark in self.marks if mark not in found] + ([NO_NAMES] if self.unnamed else [])


def read_schema(path: Path) -> SourceSchema:
    """A schema from its TOML file: the fields of `SourceSchema`, a column's names as one text or a list.

    Args:
        path: of the file; looked for from the folder the command runs in.

    Raises:
        BadInput: it is not there, is no TOML, or a key or value is wrong.
    """
    try:
        values = read_toml(path)
    except OSError as error:
        raise BadInput(f"schema {path} cannot be read: {error.strerror} (looked from {Path.cwd()}).") from None
    except Refused as error:
        raise BadInput(f"schema {path} is no TOML: {error}.") from None
    known = {field.name: field for field in dataclasses.fields(SourceSchema)}
    for key in values:
        if key not in known:
            raise BadInput(f"schema {path}: unknown key '{key}'.{nearest_name(key, known)}")
    columns = values.get("columns")
    if not isinstance(columns, dict):
        raise BadInput(f'schema {path}: [columns] is missing, such as url = "URL" and caption = "TEXT".')
    values["columns"] = {ours: _names(theirs, f"{path}, columns, {ours}") for ours, theirs in columns.items()}
    values |= {key: _names(values[key], f"{path}, {key}") for key in ("marks", "unnamed") if key in values}
    values.setdefault("name", path.stem)
    for key, kind in {"name": str, "about": str, "home": str, "any_case": bool, "order": int}.items():
        if not isinstance(values.get(key, kind()), kind):
            raise BadInput(f"schema {path}: {key} = {values[key]!r}; expected {kind.__name__}.")
    return SourceSchema(**values)


def _names(value: Any, where: str) -> tuple[str, ...]:
    """Names of columns, written as one text or as a list."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise BadInput(f"schema {where}: expected the name of a column or a list of names, found {value!r}.")
    return tuple(names)


def list_schemas() -> tuple[SourceSchema, ...]:
    """All schemas, of this project and of the packages that are installed, in the order in which they are tried."""
    # packages are searched once: a source may have thousands of files
    return _list_schemas(tuple(sys.path))


@cache
def _list_schemas(_path: tuple[str, ...]) -> tuple[SourceSchema, ...]:
    declared = find_declared(GROUP, SourceSchema)
    for name, schema in declared.items():
        if schema.name.casefold() != name.casefold():
            raise BadInput(f"{GROUP}: '{name}' leads to a schema of another name, '{schema.name}'; give both the same.")
        if schema.name.casefold() in {known.name.casefold() for known in built_in_schemas()}:
            raise BadInput(f"{GROUP}: '{name}' is the name of a schema that reLAIONet has; choose another.")
    return tuple(sorted([*built_in_schemas(), *declared.values()], key=lambda schema: (schema.order, schema.name)))


@cache
def built_in_schemas() -> tuple[SourceSchema, ...]:
    """The schemas that come with the project."""
    folder = Path(str(files("relaionet.pipeline.sources").joinpath("known_schemas")))
    return tuple(read_schema(path) for path in sorted(folder.glob("*.toml")))


def get_schema(name: str) -> SourceSchema:
    """The schema a user names.

    Args:
        name: of a schema, in any case, or the path of a TOML file.

    Raises:
        BadInput: there is none of that name, or the file is wrong.
    """
    if name.endswith(".toml"):
        return read_schema(Path(name).expanduser())
    schemas = {schema.name.casefold(): schema for schema in list_schemas()}
    if name.casefold() not in schemas:
        near = nearest_name(name, [schema.name for schema in schemas.values()])
        raise BadInput(f"schema '{name}' is not known.{near} A schema of your own is named by its .toml file.")
    return schemas[name.casefold()]


def check_schema(name: str | None, columns: Mapping[str, str] | None) -> None:
    """Find wrong names before any file is opened; a schema's own file is read when the source is.

    Args:
        name: of a schema, or the path of a TOML file; None where the user names none.
        columns: our name -> the table's, for columns the user names.

    Raises:
        BadInput: there is no such schema, or no such column of ours.
    """
    if name is not None and not name.endswith(".toml"):
        get_schema(name)
    for ours in columns or {}:
        if ours not in OURS:
            raise BadInput(f"columns: '{ours}' is none of ours.{nearest_name(ours, OURS)}")


def schemas_help() -> str:
    """The names of all schemas in words, for `--help`."""
    return ", ".join(schema.name for schema in list_schemas()) + ", or a TOML file of your own"


def source_schemas_table() -> str:
    """The schemas as a table of Markdown, in the order in which they are tried."""
    lines = ["| schema | tables | url | caption | also read | known by |", "|---|---|---|---|---|---|"]
    for schema in list_schemas():
        about = f"[{schema.about}]({schema.home})" if schema.home else schema.about
        required = [_code(schema.columns[ours]) for ours in REQUIRED]
        others = _code([ours for ours in schema.columns if ours not in REQUIRED]) or "nothing"
        lines.append(f"| `{schema.name}` | {about} | {' | '.join(required)} | {others} | {_known_by(schema)} |")
    return "\n".join(lines)


def _known_by(schema: SourceSchema) -> str:
    if schema.unnamed:
        return (
            f"no line of names; two columns: {_code(schema.unnamed)}"
            if len(schema.unnamed) == len(REQUIRED)
            else (f"no line of names; columns {_code(schema.unnamed)}")
        )
    if schema.marks:
        return _code(schema.marks)
    return "the names of its columns" + (", in upper or lower case" if schema.any_case else "")


def _code(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
