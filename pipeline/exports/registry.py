"""Which export formats there are: the modules of `formats/`, and what other packages declare."""

from __future__ import annotations

import pkgutil
import sys
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import cast

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.pipeline.declared import find_declared
from relaionet.pipeline.exports.format import ExportFormat

GROUP = "relaionet.export_formats"
FORMATS_PACKAGE = "relaionet.pipeline.exports.formats"


def list_formats() -> tuple[ExportFormat, ...]:
    """All export formats, of this project and of the packages that are installed, in order."""
    return _list_formats(tuple(sys.path))


@cache
def _list_formats(_path: tuple[str, ...]) -> tuple[ExportFormat, ...]:
    found = {name: cast(ExportFormat, import_module(f"{FORMATS_PACKAGE}.{name}").FORMAT) for name in _built_in()}
    for name, declared in find_declared(GROUP, ExportFormat).items():
        if name != declared.name:
            raise BadInput(f"{GROUP}: '{name}' leads to a format of another name, '{declared.name}'; name both alike.")
        known = {one for format in found.values() for one in (format.name, *format.aliases)}
        taken = known & {declared.name, *declared.aliases}
        if taken:
            raise BadInput(f"{GROUP}: '{name}' takes the name '{min(taken)}' of another format; choose another.")
        found[name] = declared
    return tuple(sorted(found.values(), key=lambda format: (format.order, format.name)))


@cache
def _built_in() -> tuple[str, ...]:
    """Names of the modules of `formats/`; each is named as its format is."""
    return tuple(module.name for module in pkgutil.iter_modules([str(files(FORMATS_PACKAGE))]))


def get_format(name: str) -> ExportFormat:
    """The export format of a name or alias.

    Raises:
        BadInput: there is none.
    """
    named = {one: format for format in list_formats() for one in (format.name, *format.aliases)}
    if name not in named:
        raise BadInput(f"export format '{name}' is not known.{nearest_name(name, named)}")
    return named[name]


def format_names() -> list[str]:
    """Names of all export formats in order, then their aliases: what a command takes."""
    known = list_formats()
    return [format.name for format in known] + [alias for format in known for alias in format.aliases]


def formats_help() -> str:
    """All export formats in words, for `--help`."""
    return "; ".join(f"{' or '.join((format.name, *format.aliases))}: {format.about}" for format in list_formats())


def export_formats_table() -> str:
    """The export formats as a table of Markdown; DIR is the folder of the export."""
    lines = ["| format | what is in it | read with |", "|---|---|---|"]
    for format in list_formats():
        names = f"`{format.name}`" + "".join(f" (or `{alias}`)" for alias in format.aliases)
        files = "; ".join(f"`{file}`: {meaning}" for file, meaning in format.layout.items())
        lines.append(f"| {names} | {format.about}. {files} | {format.read_with} |")
    return "\n".join(lines)
