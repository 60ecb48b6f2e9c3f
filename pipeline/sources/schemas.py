"""The metadata tables of published image-text collections: how each names its columns, and which one a table is.

Facts on the columns are those of the published files: LAION-400M and LAION-2B (laion.ai), Re-LAION-2B, DataComp,
COYO-700M (their cards on the Hub), CC3M and CC12M (tab-separated, without a line of names).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from relaionet.manifests.errors import BadInput, nearest_name

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
        marks: columns that only this family has; they must be there for the table to be taken for it unasked.
        any_case: take the table's names in upper and lower case alike.
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    marks: tuple[str, ...] = ()
    any_case: bool = False

    def resolve(self, found: Sequence[str]) -> dict[str, str]:
        """Our name -> the table's, of the columns that are there."""
        names = {name.casefold(): name for name in reversed(found)} if self.any_case else {name: name for name in found}
        key = str.casefold if self.any_case else str
        resolved = {
            ours: next((names[key(name)] for name in theirs if key(name) in names), None)
            for ours, theirs in self.columns.items()
        }
        return {ours: theirs for ours, theirs in resolved.items() if theirs is not None}

    def lacks(self, found: Sequence[str], named: Collection[str] = ()) -> list[str]:
        """Columns that are not there and must be; those of our names in `named` need not."""
        resolved = {*self.resolve(found), *named}
        missing = [self.columns[ours][0] for ours in REQUIRED if ours not in resolved]
        return missing + [mark for mark in self.marks if mark not in found]


# in order of preference: the first that fits is taken
SCHEMAS = (
    SourceSchema(
        name="LAION-400M",
        columns={
            "url": ("URL",), "caption": ("TEXT",), "width_px": ("WIDTH",), "height_px": ("HEIGHT",),
            "punsafe": ("punsafe",), "pwatermark": ("pwatermark",), "nsfw": ("NSFW",),
        },
        marks=("NSFW",),
    ),
    SourceSchema(
        name="LAION-2B",
        columns={
            "url": ("URL",), "caption": ("TEXT",), "width_px": ("WIDTH",), "height_px": ("HEIGHT",),
            "punsafe": ("punsafe",), "pwatermark": ("pwatermark",),
        },
    ),
    SourceSchema(
        name="DataComp",
        columns={
            "url": ("url",), "caption": ("text",), "width_px": ("original_width",), "height_px": ("original_height",),
        },
        marks=("uid", "clip_b32_similarity_score"),
    ),
    SourceSchema(
        name="COYO-700M",
        columns={
            "url": ("url",), "caption": ("text",), "width_px": ("width",), "height_px": ("height",),
            "punsafe": ("nsfw_score_opennsfw2",), "pwatermark": ("watermark_score",),
        },
        marks=("image_phash", "watermark_score"),
    ),
    SourceSchema(
        name="Re-LAION",
        columns={
            "url": ("url",), "caption": ("caption",), "width_px": ("width", "original_width", "WIDTH"),
            "height_px": ("height", "original_height", "HEIGHT"), "punsafe": ("punsafe",),
            "pwatermark": ("pwatermark",),
        },
        marks=("punsafe", "pwatermark"),
    ),
    # these two have no line of names; see `name_columns`
    SourceSchema(name="CC3M", columns={"url": ("url",), "caption": ("caption",)}, marks=(NO_NAMES,)),
    SourceSchema(name="CC12M", columns={"url": ("url",), "caption": ("caption",)}, marks=(NO_NAMES,)),
    SourceSchema(
        name=PLAIN,
        columns={
            "url": ("url", "image_url", "img_url"), "caption": ("caption", "text", "alt_text", "alt"),
            "width_px": ("width", "original_width"), "height_px": ("height", "original_height"),
            "punsafe": ("punsafe",), "pwatermark": ("pwatermark",),
        },
        any_case=True,
    ),
)  # fmt: skip
BY_NAME = {schema.name.casefold(): schema for schema in SCHEMAS}


def find_schema(
    found: Sequence[str], name: str | None = None, columns: Mapping[str, str] | None = None
) -> tuple[SourceSchema, dict[str, str]]:
    """The schema of a table.

    Args:
        found: names of its columns.
        name: of the schema the user says it has, in any case; None finds the first of `SCHEMAS` that fits.
        columns: our name -> the table's, for columns the user names; taken before those of the schema.

    Returns:
        The schema, and our name -> the table's of every column that is used.

    Raises:
        BadInput: no such schema, or the table fits none; the message lists the columns found and what the nearest
            schema lacks.
    """
    check_schema(name, columns)
    named = dict(columns or {})
    lost = [theirs for theirs in named.values() if theirs not in found]
    if lost:
        raise BadInput(f"there is no column '{lost[0]}'.{nearest_name(lost[0], found)} Found: {_listed(found)}.")
    if set(REQUIRED) <= set(named) and name is None:
        used = BY_NAME[PLAIN].resolve(found) | named
        return SourceSchema(name=CUSTOM, columns={ours: (theirs,) for ours, theirs in used.items()}), used
    candidates = [BY_NAME[name.casefold()]] if name is not None else list(SCHEMAS)
    for schema in candidates:
        resolved = schema.resolve(found) | named
        if set(REQUIRED) <= set(resolved) and (name is not None or not schema.lacks(found, named)):
            return schema, resolved
    nearest = min(candidates, key=lambda schema: (len(schema.lacks(found, named)), -len(schema.resolve(found))))
    missing = ", ".join(nearest.lacks(found, named))
    how = 'name its columns with [candidates.columns], such as url = "…" and caption = "…"'
    if name is not None:
        raise BadInput(f"columns {_listed(found)} are not those of {name}, which lacks {missing}; {how}.")
    raise BadInput(
        f"columns {_listed(found)} fit no known metadata; {nearest.name} is nearest and lacks {missing}; or {how}."
    )


def check_schema(name: str | None, columns: Mapping[str, str] | None) -> None:
    """Find wrong names before any file is opened.

    Raises:
        BadInput: there is no such schema, or no such column of ours.
    """
    if name is not None and name.casefold() not in BY_NAME:
        names = [schema.name for schema in SCHEMAS]
        raise BadInput(f"schema '{name}' is not known.{nearest_name(name, names)}")
    for ours in columns or {}:
        if ours not in OURS:
            raise BadInput(f"columns: '{ours}' is none of ours.{nearest_name(ours, OURS)}")


def name_columns(fields: Sequence[Sequence[str]]) -> tuple[list[str], bool]:
    """Names of the columns of a text table, from its first rows.

    Args:
        fields: fields of its first rows.

    Returns:
        The names, and whether the first row holds them. Where no row does: url and caption of a table of two columns
        by where the addresses stand, with the mark of CC3M or CC12M; else `column 1`, `column 2`, ….
    """
    if not fields:
        return [], False
    # a line or two may be broken
    width = Counter(len(row) for row in fields).most_common(1)[0][0]
    whole = [row for row in fields if len(row) == width]
    addresses = [sum(_is_address(row[place]) for row in whole) for place in range(width)]
    first_is_names = not any(_is_address(field) for field in fields[0])
    if first_is_names and (len(fields) == 1 or max(addresses, default=0) == 0 or _known_name(fields[0])):
        return [field.strip().lstrip("\N{BYTE ORDER MARK}") for field in fields[0]], True
    if width == len(REQUIRED) and max(addresses) * 2 > len(whole):
        url_first = addresses[0] >= addresses[1]
        return ["url", "caption"] if url_first else ["caption", "url"], False
    return [f"column {place + 1}" for place in range(width)], False


def headless_schema(names: Sequence[str]) -> str:
    """Which of the collections without names a table of url and caption is, by their order."""
    return "CC12M" if names[0] == "url" else "CC3M"


def _is_address(field: str) -> bool:
    return field.lstrip().lower().startswith(("http://", "https://"))


def _known_name(fields: Sequence[str]) -> bool:
    known = {name.casefold() for schema in SCHEMAS for names in schema.columns.values() for name in names}
    return any(field.strip().lstrip("\N{BYTE ORDER MARK}").casefold() in known for field in fields)


def _listed(found: Sequence[str], most: int = 40) -> str:
    shown = [name if name.isprintable() else ascii(name) for name in found[:most]]
    return (", ".join(shown) or "(none)") + (f" and {len(found) - most} more" if len(found) > most else "")
