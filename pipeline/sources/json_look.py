"""What JSON lines hold, before they are read: their schema is that of all lines together, not of the first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.sources.columns import clean_name, find_schema, known_unasked, nested_numbers, nested_text
from relaionet.pipeline.sources.json_lines import ObjectNames, is_missing, make_names, read_object
from relaionet.pipeline.sources.schemas import OURS, REQUIRED, SourceSchema, get_schema

LOOK_ROWS, LOOK_BYTES = 20_000, 4 << 20
MAX_KEYS = 10_000
NESTED: dict[type, str] = {list: "lists", dict: "objects"}


@dataclass(kw_only=True)
class _Look:
    """What the lines say so far."""

    known: frozenset[str]
    rows_count: int = 0
    bytes_count: int = 0
    objects_count: int = 0
    first: bytes = b""
    keys: dict[str, None] = field(default_factory=dict)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def is_enough(self) -> bool:
        """As many lines as are looked at where nothing is missing."""
        return self.rows_count >= LOOK_ROWS or self.bytes_count >= LOOK_BYTES

    def add(self, line: bytes | None) -> bool:
        """Count a line; True where it has a field that may be used and that none before had."""
        self.rows_count += 1
        self.bytes_count += LOOK_BYTES if line is None else len(line)
        item = read_object(line)
        if item is None:
            return False
        self.objects_count += 1
        is_fresh = False
        for key, value in item.items():
            is_known = clean_name(key).casefold() in self.known
            if key not in self.keys and (is_known or len(self.keys) < MAX_KEYS):
                self.keys[key] = None
                is_fresh |= is_known
            if is_known and not is_missing(value):
                self.kinds[key, NESTED.get(type(value), "texts")] += 1
        return is_fresh


@dataclass(frozen=True, kw_only=True)
class ObjectLook:
    """What the first lines say.

    Attributes:
        schema: of their fields; None where the file is empty.
        columns: our name -> the file's, of the fields that stand in the lines looked at.
        names: what they may be called in any line.
        rows_count: lines of the whole file; None where it goes on.
        row_bytes: of a line, on average.
        notes: what is there and not read, in words.
    """

    schema: SourceSchema | None
    columns: Mapping[str, str]
    names: ObjectNames | None
    rows_count: int | None
    row_bytes: float
    notes: tuple[str, ...] = ()


def look_at_objects(lines: Iterator[bytes | None], schema: str | None, columns: Mapping[str, str] | None) -> ObjectLook:
    """Find the schema of JSON lines: that of the first 20,000 lines or 4 MiB together, or of as many as it takes.

    Args:
        lines: of the file.
        schema: name or TOML file of the schema the user says it has; None finds it.
        columns: our name -> the file's, for columns the user names.

    Raises:
        BadInput: no line is an object, the lines fit no schema, or URLs or captions are lists or objects throughout.
    """
    asked = known_unasked() if schema is None else [get_schema(schema)]
    known = {name for one in asked for names in one.columns.values() for name in names} | set((columns or {}).values())
    look = _Look(known=frozenset(clean_name(name).casefold() for name in known))
    found, is_tried = None, False
    for line in lines:
        is_fresh = look.add(line)
        if not look.objects_count:
            _refuse_other_json(look, line)
        elif look.is_enough and (is_fresh or not is_tried):
            found, is_tried = _try_schema(look, schema, columns), True
            if found is not None:
                break
    row_bytes = look.bytes_count / max(look.rows_count, 1)
    if not look.rows_count:
        return ObjectLook(schema=None, columns={}, names=None, rows_count=0, row_bytes=row_bytes)
    if not look.objects_count:
        _refuse_no_objects(look)
    count = look.rows_count if found is None else None
    found = found or find_schema(list(look.keys), schema, columns, each_once=False)
    names = make_names(found[0], is_asked=schema is not None, columns=columns)
    used, notes = _leave_nested(look, found[1], names)
    return ObjectLook(
        schema=found[0], columns=used, names=names, rows_count=count, row_bytes=row_bytes, notes=tuple(notes)
    )  # fmt: skip


def _try_schema(
    look: _Look, schema: str | None, columns: Mapping[str, str] | None
) -> tuple[SourceSchema, dict[str, str]] | None:
    try:
        return find_schema(list(look.keys), schema, columns, each_once=False)
    except BadInput:
        return None


def _refuse_other_json(look: _Look, line: bytes | None) -> None:
    """Refuse a file none of whose lines so far is an object, as soon as that says enough.

    Raises:
        BadInput: it does.
    """
    text = (line or b"").strip()
    if text and not look.first:
        look.first = text
        if text.startswith(b"[") and not _is_value(text):
            _refuse_no_objects(look)
    if look.rows_count >= LOOK_ROWS:
        _refuse_no_objects(look)


def _refuse_no_objects(look: _Look) -> NoReturn:
    wanted = "expected JSON lines, an object on each line"
    if look.first.startswith(b"["):
        raise BadInput(f"it holds a JSON array; {wanted}. `jq -c '.[]'` writes an array so.")
    if look.first.startswith(b"{"):
        raise BadInput(f"no line of it is a whole JSON object; {wanted}. `jq -c .` writes objects of several lines so.")
    start = repr(look.first[:40].decode("utf-8", "replace")) if look.first else "nothing that can be read"
    raise BadInput(f"no line of it is a JSON object; {wanted}. It begins with {start}.")


def _is_value(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _leave_nested(look: _Look, found: Mapping[str, str], names: ObjectNames) -> tuple[dict[str, str], list[str]]:
    """The columns without those of numbers that hold lists or objects throughout, and what is said of these."""
    used, notes = dict(found), []
    keys = dict(zip(OURS, names.keys_of(look.keys), strict=True))
    for ours, theirs in found.items():
        kinds = {kind for key in keys[ours] for kind in (*NESTED.values(), "texts") if look.kinds[key, kind]}
        if not kinds or "texts" in kinds:
            continue
        held = " and ".join(sorted(kinds))
        if ours in REQUIRED:
            raise BadInput(nested_text(ours, theirs, held))
        notes.append(nested_numbers(theirs, held))
        del used[ours]
    return used, notes
