"""Which schema a table has, from the names of its columns; and the names themselves where a table states none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.pipeline.sources.schemas import (
    CUSTOM,
    PLAIN,
    REQUIRED,
    SourceSchema,
    built_in_schemas,
    check_schema,
    get_schema,
    list_schemas,
)

BOM = "\N{BYTE ORDER MARK}"


def find_schema(
    found: Sequence[str],
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    *,
    each_once: bool = True,
) -> tuple[SourceSchema, dict[str, str]]:
    """The schema of a table.

    Args:
        found: names of its columns; spaces and byte-order marks around them count for nothing.
        name: of the schema the user says it has, in any case, or its TOML file; None finds the first of
            `schemas.list_schemas` that fits.
        columns: our name -> the table's, for columns the user names; taken before those of the schema.
        each_once: every row has all of the columns, so one that is used must not be there twice. False where the names
            are those of several lines together.

    Returns:
        The schema, and our name -> the table's of every column that is used.

    Raises:
        BadInput: no such schema, a column that is used is there twice, or the table fits none; the message lists the
            columns found and what the nearest schema lacks.
    """
    check_schema(name, columns)
    originals = {clean_name(theirs): theirs for theirs in reversed(found)}
    named = {ours: clean_name(theirs) for ours, theirs in (columns or {}).items()}
    schema, resolved = _find_schema([clean_name(theirs) for theirs in found], name, named)
    if each_once:
        _check_each_once([clean_name(theirs) for theirs in found], schema, resolved, named)
    return schema, {ours: originals[theirs] for ours, theirs in resolved.items()}


def clean_name(name: str) -> str:
    """The name of a column without what programs leave around it: spaces, byte-order marks."""
    return name.strip().strip(BOM).strip()


def nested_text(ours: str, theirs: str, held: str) -> str:
    """What is said of a column of texts that holds lists or objects throughout."""
    return (
        f"column '{theirs}' holds {held}; expected text. Take one text out of each into a column of its own, or name "
        f"another with --column {ours}=… ([candidates.columns])."
    )


def nested_numbers(theirs: str, held: str) -> str:
    """What is said of a column of numbers that holds none throughout."""
    return f"column '{theirs}' holds {held}, no numbers: not read"


def _check_each_once(
    found: Sequence[str], schema: SourceSchema, resolved: Mapping[str, str], named: Mapping[str, str]
) -> None:
    for ours, theirs in resolved.items():
        if found.count(theirs) > 1:
            raise BadInput(
                f"{found.count(theirs)} columns are called '{theirs}', and which of them is the {ours} is not to be "
                f"told; give each a name of its own, or name another with --column {ours}=… ([candidates.columns])."
            )
        alike = [name for name in found if name.casefold() == theirs.casefold()]
        if len(alike) > 1 and schema.any_case and ours not in named and theirs not in schema.columns[ours]:
            raise BadInput(
                f"columns {_listed(alike)} differ in upper and lower case alone; say which is the {ours} with "
                f"--column {ours}=… ([candidates.columns])."
            )


def _find_schema(found: Sequence[str], name: str | None, named: dict[str, str]) -> tuple[SourceSchema, dict[str, str]]:
    lost = [theirs for theirs in named.values() if theirs not in found]
    if lost:
        raise BadInput(f"there is no column '{lost[0]}'.{nearest_name(lost[0], found)} Found: {_listed(found)}.")
    if set(REQUIRED) <= set(named) and name is None:
        used = get_schema(PLAIN).resolve(found) | named
        return SourceSchema(name=CUSTOM, columns={ours: (theirs,) for ours, theirs in used.items()}), used
    candidates = [get_schema(name)] if name is not None else known_unasked()
    for schema in candidates:
        resolved = schema.resolve(found) | named
        if set(REQUIRED) <= set(resolved) and (name is not None or not schema.lacks(found, named)):
            return schema, resolved
    raise BadInput(_why_none(found, candidates, name, named))


def known_unasked() -> list[SourceSchema]:
    """Schemas a table may be taken for; one of another package must have columns that nothing else has."""
    built_in = built_in_schemas()
    return [schema for schema in list_schemas() if schema.marks or schema in built_in]


def _why_none(
    found: Sequence[str], candidates: Sequence[SourceSchema], name: str | None, named: Mapping[str, str]
) -> str:
    nearest = min(candidates, key=lambda schema: (len(schema.lacks(found, named)), -len(schema.resolve(found))))
    missing = ", ".join(nearest.lacks(found, named))
    how = 'name its columns with [candidates.columns], such as url = "…" and caption = "…"'
    if name is not None:
        return f"columns {_listed(found)} are not those of {name}, which lacks {missing}; {how}."
    return f"columns {_listed(found)} fit no known metadata; {nearest.name} is nearest and lacks {missing}; or {how}."


def name_columns(fields: Sequence[Sequence[str]], name: str | None = None) -> tuple[list[str], bool]:
    """Names of the columns of a text table, from its first rows.

    Args:
        fields: fields of its first rows.
        name: of the schema the user says it has, or its TOML file; it goes before the others.

    Returns:
        The names, and whether the first row holds them. Where no row does: those of the first schema without a line of
        names whose table has as many columns and its addresses in the same place; else `column 1`, `column 2`, ….
    """
    if not fields:
        return [], False
    # a line or two may be broken
    width = Counter(len(row) for row in fields).most_common(1)[0][0]
    whole = [row for row in fields if len(row) == width]
    addresses = [sum(_is_address(row[place]) for row in whole) for place in range(width)]
    first_is_names = not any(_is_address(field) for field in fields[0])
    if first_is_names and (len(fields) == 1 or max(addresses, default=0) == 0 or _known_name(fields[0])):
        return [clean_name(field) for field in fields[0]], True
    if max(addresses) * 2 > len(whole):
        place = addresses.index(max(addresses))
        for schema in (*([] if name is None else [get_schema(name)]), *list_schemas()):
            if len(schema.unnamed) == width and schema.unnamed[place] in schema.columns["url"]:
                return list(schema.unnamed), False
    return [f"column {place + 1}" for place in range(width)], False


def headless_schema(names: Sequence[str]) -> str | None:
    """Name of the first collection without a line of names whose columns these are; None for none."""
    return next((schema.name for schema in list_schemas() if schema.unnamed == tuple(names)), None)


def _is_address(field: str) -> bool:
    return field.lstrip().lower().startswith(("http://", "https://"))


def _known_name(fields: Sequence[str]) -> bool:
    known = {name.casefold() for schema in list_schemas() for names in schema.columns.values() for name in names}
    return any(clean_name(field).casefold() in known for field in fields)


def _listed(found: Sequence[str], most: int = 40) -> str:
    shown = [name if name.isprintable() else ascii(name) for name in found[:most]]
    return (", ".join(shown) or "(none)") + (f" and {len(found) - most} more" if len(found) > most else "")
