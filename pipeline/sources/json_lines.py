"""JSON lines: an object per line, each of which names its fields itself.

A field has the names its schema gives it and, where the user asked for no schema, those of every other known one: lines
of one file may name theirs differently, and writers leave out what is null. So no line's fields depend on another's.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from relaionet.pipeline.sources.columns import BOM, clean_name, known_unasked
from relaionet.pipeline.sources.schemas import OURS, SourceSchema

KNOWN_LAYOUTS = 1_000
FAULT_LINE, FAULT_TWICE = "line", "twice"
FAULT_NESTED = {"url": "url_nested", "caption": "caption_nested"}


class RepeatedNames(dict[str, Any]):
    """An object that gives a name two values.

    Attributes:
        repeated: these names.
    """

    repeated: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class ObjectNames:
    """What the fields of a line may be called.

    Attributes:
        names: for each of OURS the names, best first, each with whether its case counts for nothing.
    """

    names: tuple[tuple[tuple[str, bool], ...], ...]
    _layouts: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = field(default_factory=dict, compare=False)

    def keys_of(self, item: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
        """For each of OURS the keys of an object that hold it, best first."""
        layout = tuple(item)
        known = self._layouts.get(layout)
        if known is None:
            if len(self._layouts) >= KNOWN_LAYOUTS:
                self._layouts.clear()
            known = self._layouts[layout] = self._find(layout)
        return known

    def _find(self, layout: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        exact = {clean_name(key): key for key in reversed(layout)}
        folded = {name.casefold(): key for name, key in exact.items()}
        found = []
        for names in self.names:
            keys = (exact.get(name) or (folded.get(name.casefold()) if any_case else None) for name, any_case in names)
            found.append(tuple(dict.fromkeys(key for key in keys if key is not None)))
        return tuple(found)


def make_names(schema: SourceSchema, *, is_asked: bool, columns: Mapping[str, str] | None) -> ObjectNames:
    """The names of a file's fields.

    Args:
        schema: of the file.
        is_asked: the user says it has this schema; no other's names are taken.
        columns: our name -> the file's, for columns the user names; they have no other name.
    """
    schemas = [schema] if is_asked else [schema, *known_unasked()]
    named = columns or {}
    return ObjectNames(
        names=tuple(
            ((named[ours], False),)
            if ours in named
            else tuple((name, one.any_case) for one in schemas for name in one.columns.get(ours, ()))
            for ours in OURS
        )
    )


def read_object(line: bytes | None) -> dict[str, Any] | None:
    """The object a line holds; None for a line that is none. Bytes that are not UTF-8 become lone surrogates."""
    if line is None:
        return None
    try:
        item = DECODER.decode(line.decode("utf-8", "surrogateescape").lstrip(BOM))
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) == len(pairs):
        return item
    repeated = RepeatedNames(item)
    repeated.repeated = frozenset(name for name, value in pairs if value != item[name])
    return repeated


DECODER = json.JSONDecoder(object_pairs_hook=_object)  # made once: that takes as long as a line


def read_values(line: bytes | None, names: ObjectNames) -> tuple[list[str | None], str | None]:
    """A line's values, for each of OURS, and its fault.

    Args:
        line: of the file.
        names: what its fields may be called.

    Returns:
        Texts, null where the line has none, or NaN; the fault is `line` for a line that is no object, `twice` where it
        gives a field two values under one name, `url_nested` or `caption_nested` where that is a list or an object.
    """
    item = read_object(line)
    if item is None:
        return [None] * len(OURS), FAULT_LINE
    layout = names.keys_of(item)
    if isinstance(item, RepeatedNames) and not item.repeated.isdisjoint(itertools.chain(*layout)):
        return [None] * len(OURS), FAULT_TWICE
    values: list[str | None] = []
    fault = None
    for ours, keys in zip(OURS, layout, strict=True):
        value = item[keys[0]] if keys else None
        if keys and (type(value) is not str or not value):
            there = [item[key] for key in keys if not is_missing(item[key])]
            value = next((one for one in there if not isinstance(one, list | dict)), None)
            if value is None and there:
                fault = fault or FAULT_NESTED.get(ours)
        values.append(_text(value))
    return values, fault


def is_missing(value: Any) -> bool:
    """True for what stands for no value: null, NaN and the empty text."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool) else repr(value)
