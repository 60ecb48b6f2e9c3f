"""`relaionet init`: a recipe with every key, its meaning and its default, to be filled in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from relaionet.flows.drafts.keys import Key, list_keys, opened
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import write_atomic

Kind = Literal["curate", "evaluate"]
WIDTH = 110
EXAMPLES = {"source": '"laion/*.parquet"', "split": '"split"', "generator": '"my-samples.toml"'}
"""Key that must be given -> a value in its place."""
BY_KIND = {"path": '"PATH"', "text": '"TEXT"', "list of: text": '["TEXT"]', "whole number": "N", "number": "N"}
"""Type of a key that is not set -> a value of that type."""
HEADS = {
    "curate": "A curation: relaionet curate --recipe {name} --out runs/mine",
    "evaluate": "An evaluation: relaionet evaluate --recipe {name} --out runs/scores",
}


def draft_recipe(path: Path, kind: Kind) -> None:
    """Write a recipe whose keys stand as comments with their defaults, but for those that must be given.

    Args:
        path: file to write, which is not there yet.
        kind: the command it is for.

    Raises:
        BadInput: the file is there.
    """
    if path.exists():
        raise BadInput(f"{path} is there already; name another file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "\n".join(draft_lines(kind, path.name)).encode() + b"\n")


def draft_lines(kind: Kind, name: str) -> list[str]:
    """The lines of such a recipe.

    Args:
        kind: the command it is for.
        name: of its file.
    """
    if kind == "curate":
        from relaionet.flows.curation.recipe import CurateRecipe as Recipe
    else:
        from relaionet.flows.evaluation.recipe import EvaluateRecipe as Recipe  # type: ignore[assignment]
    head = [
        f"# {HEADS[kind].format(name=name)}",
        "# A key behind a # has the value that is written there, or none where that is PATH, TEXT or N.",
        "# Take the # away to set it. Relative paths are relative to this file.",
        "",
    ]
    return [*head, *_table_lines(Recipe, "")]


def _table_lines(table: type, at: str, *, off: bool = False) -> Iterator[str]:
    """Keys of a table, then the tables in it; `off` where the table itself is not there unless it is asked for."""
    own = list_keys(table)
    for key in own:
        if not key.table:
            yield from _comment(key.meaning)
            yield ("#" if off or key.default != "required" else "") + f"{key.name} = {_value(key)}"
    for key in own:
        if key.table:
            name, repeated = f"{at}.{key.name}".strip("."), key.kind.startswith("list")
            left_out = off or key.default not in ("", "required")
            yield ""
            yield from _comment(key.meaning or opened(key))
            yield ("#" if left_out else "") + (f"[[{name}]]" if repeated else f"[{name}]")
            yield from _table_lines(key.table, name, off=left_out)


def _comment(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _value(key: Key) -> str:
    if key.default == "required":
        return EXAMPLES.get(key.name, BY_KIND.get(key.kind, '"TEXT"'))
    return BY_KIND.get(key.kind.partition(" or ")[0], '"TEXT"') if key.default == "none" else key.default.strip("`")
