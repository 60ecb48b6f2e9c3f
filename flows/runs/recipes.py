"""Recipes: TOML files read into frozen dataclasses; an unknown key is an error that names the nearest known one."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from relaionet.manifests.containers.limits import Refused
from relaionet.manifests.containers.texts import parse_toml, read_toml
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.settings import build

T = TypeVar("T")
SUFFIX = ".toml"
SHIPPED = ("paper",)  # those that need nothing filled in but the split


def demo_recipe_file(name: str) -> Path:
    """A recipe of this package; the demo fills in its own, `miniature` and `evaluate-miniature`."""
    return Path(str(files("relaionet.flows").joinpath("recipes", name + SUFFIX)))


def find_recipe(name: str) -> Path:
    """The file of a recipe: a path, or the name of one that comes with the project.

    Raises:
        BadInput: there is no such file.
    """
    path = Path(name)
    if path.is_file():
        return path
    if name in SHIPPED:
        return demo_recipe_file(name)
    raise BadInput(
        f"recipe {name} is no file, and none that comes with the project ({', '.join(SHIPPED)}); "
        "`relaionet init curate FILE` and `relaionet init evaluate FILE` write one to start from."
    )


def is_text(recipe: str) -> bool:
    """True where a recipe is not named but given as TOML, as a deployed flow may be."""
    return "\n" in recipe


def folder_of(recipe: str) -> Path:
    """What a recipe's relative paths are relative to: its file's folder, or for one given as text the working folder.

    Raises:
        BadInput: there is no such file.
    """
    return Path.cwd() if is_text(recipe) else find_recipe(recipe).parent.resolve()


def read_recipe(name: str | Path, kind: type[T]) -> T:
    """Read a recipe.

    Args:
        name: path of a TOML file, or the text of one, which has more than one line.
        kind: the dataclass it must fit; nested dataclasses are tables.

    Raises:
        BadInput: no such file, no TOML, an unknown key, a missing key or a value of the wrong type; the message says
            where.
    """
    given = is_text(str(name))
    where = "given as text" if given else str(find_recipe(str(name)))
    try:
        values = parse_toml(str(name)) if given else read_toml(Path(where))
    except Refused as error:
        raise BadInput(f"recipe {where} is no TOML: {error}.") from None
    return build(kind, values, where=where)
