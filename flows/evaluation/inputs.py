"""Files and commands that a recipe of `evaluate` names beside the split: raters, groups, bounds, further references."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from relaionet.evaluators.features.statistics import Statistics, read_statistics
from relaionet.evaluators.scoring.bounds import Bounds, read_bounds
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import find_label

if TYPE_CHECKING:
    from relaionet.flows.evaluation.recipe import EvaluateRecipe


@dataclass(frozen=True, eq=False, kw_only=True)
class Inputs:
    """Files a recipe names beside the split.

    Attributes:
        groups: wnid -> group; None where there are none.
        bounds: of the MMHM; None takes them from the rows.
        references: name -> statistics that distances are given to as well.
    """

    groups: dict[str, str] | None
    bounds: Bounds | None
    references: dict[str, Statistics]


def read_inputs(recipe: EvaluateRecipe) -> Inputs:
    """Read the files a recipe names, before anything is made.

    Raises:
        BadInput: a file is missing or holds something else.
        Corrupt: a file is damaged.
    """
    return Inputs(
        groups=read_groups(Path(recipe.groups)) if recipe.groups else None,
        bounds=read_bounds(Path(recipe.mmhm_bounds)) if recipe.mmhm_bounds else None,
        references={name: read_statistics(Path(path)) for name, path in recipe.references.items()},
    )


def read_groups(path: Path) -> dict[str, str]:
    """Groups of classes: one line `wnid<TAB>group` each; empty lines and lines that begin with # are left out.

    Raises:
        BadInput: the file is missing, a line is none, a class is unknown or named twice.
    """
    if not path.is_file():
        raise BadInput(f"groups {path} do not exist.")
    groups: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        wnid, _, group = (part.strip() for part in line.partition("\t"))
        if not group:
            raise BadInput(f"{path}, line {number}: {line[:80]!r} is no 'wnid<TAB>group'.")
        find_label(wnid)
        if groups.setdefault(wnid, group) != group:
            raise BadInput(f"{path}, line {number}: {wnid} has two groups, {groups[wnid]} and {group}.")
    return groups
