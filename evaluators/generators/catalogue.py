"""The catalogue: generators of the literature as TOML files that come with the project, read without an import.

An entry is an ordinary generator file with a table `[about]`: where the paper, the code and the weights are. Where no
weights can be had its type is `none` and it says why.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from relaionet.manifests.containers.texts import read_toml
from relaionet.manifests.errors import BadInput, nearest_name

ACCESS = ("public", "gated", "shipped", "none")


@dataclass(frozen=True, kw_only=True)
class About:
    """Where a generator comes from.

    Attributes:
        condition: what it is told: `class` or `prompt`.
        paper: where it is described.
        code: repository of the authors.
        weights: where they are.
        access: `public`; `gated`, where terms must be accepted first; `shipped` with this project; `none`.
        paper_settings: settings of the benchmark, arXiv 2603.14186, as {steps, guidance}.
        notes: what one should know before trusting its numbers.
        why: why it cannot be run, where it cannot.
    """

    condition: str = ""
    paper: str = ""
    code: str = ""
    weights: str = ""
    access: str = "public"
    paper_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One generator of the catalogue.

    Attributes:
        slug: what it is called in a recipe.
        name: as it stands in tables.
        adapter: how it is reached; `none` where it cannot be.
        options: what its adapter is given.
        about: where it comes from.
    """

    slug: str
    name: str
    adapter: str
    options: Mapping[str, Any]
    about: About

    @property
    def guidance(self) -> str:
        """How guidance enters."""
        found = self.options.get("guidance") or self.options.get("sampler", {}).get("guidance", "none")
        return str(found)

    @property
    def licence(self) -> str:
        """Licence of the weights."""
        return str(self.options.get("licence", "unknown"))


def about_of(values: Mapping[str, Any], where: str) -> About:
    """The table `[about]`.

    Raises:
        BadInput: an unknown key, or an access that is none.
    """
    known = [field.name for field in dataclasses.fields(About)]
    for key in values:
        if key not in known:
            raise BadInput(f"{where}: [about] has an unknown key '{key}'.{nearest_name(key, known)}")
    about = About(**{**values, "notes": tuple(values.get("notes", ()))})
    if about.access not in ACCESS:
        raise BadInput(f"{where}: [about] access is '{about.access}'; expected {', '.join(ACCESS)}.")
    return about


def _folder() -> Path:
    return Path(str(files("relaionet.evaluators.generators").joinpath("entries")))


@cache
def catalogue_names() -> tuple[str, ...]:
    """Names of all entries, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def find_entry(slug: str) -> Path:
    """The file of an entry, to start one of your own from."""
    return _folder() / f"{slug}.toml"


def read_entry(slug: str) -> Entry:
    """Read an entry; nothing is imported.

    Raises:
        BadInput: there is none of that name.
    """
    if slug not in catalogue_names():
        raise BadInput(f"the catalogue has no generator '{slug}'.{nearest_name(slug, catalogue_names())}")
    path = find_entry(slug)
    options = read_toml(path)
    about = about_of(options.pop("about", {}), path.name)
    return Entry(slug=slug, name=str(options["name"]), adapter=str(options.pop("type")), options=options, about=about)
