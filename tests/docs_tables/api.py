"""The names of the public face with what their docstrings say, read by griffe."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import griffe

import relaionet as rn

KIND = griffe.DocstringSectionKind
OPTIONS = {"returns_multiple_items": False, "returns_named_value": False, "warnings": False}


def render_api() -> str:
    """Every name of `relaionet.__all__`: functions, then classes, then errors, each by name."""
    found = [one for name in rn.__all__ if not name.startswith("__") for one in [_find(name)]]
    errors = [one for one in found if one.path.startswith("relaionet.manifests.errors.")]
    functions = [one for one in found if isinstance(one, griffe.Function)]
    classes = [one for one in found if one not in errors and one not in functions]
    lines = [line for one in functions for line in _function(one, f"rn.{one.name}", "##")]
    lines += [line for one in classes for line in _class(one)]
    lines += ["## Errors", "", *(f"* `rn.{one.name}`: {_text(one)}" for one in errors)]
    return "\n".join(lines).strip() + "\n"


def _find(name: str) -> Any:
    """What a name of the face is, where it is defined."""
    module = import_module(getattr(rn, name).__module__)
    path = Path(str(module.__file__))
    return griffe.visit(
        module.__name__, filepath=path, code=path.read_text(encoding="utf-8"), docstring_parser="google",
        docstring_options=OPTIONS,
    )[name]  # fmt: skip


def _function(one: griffe.Function, shown: str, head: str) -> Iterator[str]:
    """A function or method with all its docstring says."""
    yield from (f"{head} `{shown}`", "", "```python", _signature(one, shown), "```", "")
    yield from _sections(one)


def _class(one: griffe.Class) -> Iterator[str]:
    """A class: what it is, its attributes, its public methods and properties."""
    yield from (f"## `rn.{one.name}`", "")
    yield from _sections(one)
    shown = one.name.lower()
    members = [
        member
        for name, member in one.members.items()
        if not member.is_alias and member.docstring is not None and (name == "__getitem__" or not name.startswith("_"))
    ]
    values = [member for member in members if isinstance(member, griffe.Attribute) and _text(member)]
    if values:
        yield from (f"* `{shown}.{member.name}`: {_text(member)}" for member in values)
        yield ""
    for member in members:
        if isinstance(member, griffe.Function):
            name = f"{shown}[…]" if member.name == "__getitem__" else f"{shown}.{member.name}"
            yield from _function(member, name, "###")


def _signature(one: griffe.Function, shown: str) -> str:
    """As one would write it, over several lines where it is long."""
    parts, kinds = [], griffe.ParameterKind
    starred = any(parameter.kind is kinds.var_positional for parameter in one.parameters)
    for parameter in one.parameters:
        if parameter.name == "self":
            continue
        if parameter.kind is kinds.keyword_only and not starred:
            parts, starred = [*parts, "*"], True
        stars = {kinds.var_positional: "*", kinds.var_keyword: "**"}.get(parameter.kind, "") if parameter.kind else ""
        default = f" = {parameter.default}" if parameter.default is not None and not stars else ""
        parts.append(f"{stars}{parameter.name}: {parameter.annotation}{default}")
    if shown.endswith("[…]"):
        return f"{shown.removesuffix('[…]')}[{parts[0]}] -> {one.returns}"
    line = f"{shown}({', '.join(parts)}) -> {one.returns}"
    if len(line) <= 100:
        return line
    return "\n".join([f"{shown}(", *(f"    {part}," for part in parts), f") -> {one.returns}"])


def _text(one: Any) -> str:
    """The text of a docstring on one line, without its sections."""
    parts = one.docstring.parsed if one.docstring is not None else []
    return " ".join(" ".join(part.value.split()) for part in parts if part.kind is KIND.text)


def _sections(one: Any) -> Iterator[str]:
    """A docstring as Markdown."""
    for part in one.docstring.parsed if one.docstring is not None else []:
        if part.kind is KIND.text:
            yield from (part.value, "")
        elif part.kind in (KIND.parameters, KIND.attributes):
            yield from (f"* `{item.name}`: {_joined(item)}" for item in part.value)
            yield ""
        elif part.kind is KIND.returns:
            (item,) = part.value
            told = _joined(item)
            if item.annotation is not None and str(item.annotation) != str(one.returns):  # words before a colon
                told = f"{item.annotation}: {told}"
            yield from (f"**Returns** {told}", "")
        elif part.kind is KIND.raises:
            yield "**Raises**"
            yield ""
            yield from (f"* `{item.annotation}`: {_joined(item)}" for item in part.value)
            yield ""
        elif part.kind is KIND.examples:
            for kind, text in part.value:
                yield from (("```pycon", text, "```", "") if kind is KIND.examples else (text, ""))


def _joined(item: Any) -> str:
    return " ".join(item.description.split())
