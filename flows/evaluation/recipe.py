"""The recipe of `evaluate`: every setting of the flow, read from TOML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from relaionet.evaluators.metrics.lookup import check_protocol
from relaionet.evaluators.protocols import Protocol, find_protocol, find_protocols
from relaionet.flows.runs.recipes import SUFFIX, folder_of, read_recipe
from relaionet.manifests.errors import BadInput
from relaionet.manifests.places import check_place, local_path


@dataclass(frozen=True, kw_only=True)
class RaterEntry:
    """One preference model that runs as a command in an environment of its own.

    Attributes:
        metric: what its mean is called in tables.
        command: program and arguments, started in the recipe's folder; images and answers go in JSON
            lines (docs/tutorials/evaluate.md).
    """

    metric: str
    command: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class GeneratorEntry:
    """One generator of a recipe and the settings it is run at.

    Attributes:
        name: as it stands in tables; the generator's own where empty.
        generator: built-in name, entry point, `package.module:factory`, or a TOML file relative to the recipe.
        steps: sampling steps; every one is combined with every guidance.
        guidance: guidance scales; 1 is none, "natural" the scale the generator's authors report with.
        options: passed to the generator's factory.
        role: `upper bound` or `lower bound` where it does not compete and is there to compare with.
    """

    name: str = ""
    generator: str
    steps: tuple[int, ...] = (1,)
    guidance: tuple[float | Literal["natural"], ...] = (1.0,)
    options: dict[str, Any] = field(default_factory=dict)
    role: Literal["", "upper bound", "lower bound"] = ""


@dataclass(frozen=True, kw_only=True)
class EvaluateRecipe:
    """All that steers the flow `evaluate`.

    Attributes:
        name: title of the report.
        split: folder of a rebuilt split; relative to the recipe's folder.
        split_name: as it stands in tables; the release's name where empty.
        protocol: named set of choices the scores are made under, or a TOML file of your own with them, relative to the
            recipe's folder; `relaionet metrics --protocols` lists those there are.
        generators: what is scored.
        prompt: text for generators that take one; {class} is the class name.
        base_seed: every sample's seed is a hash of this, the split's name and the sample's id.
        limit: requests at most, the first of every class in turn; 0 takes all.
        core: score on the rows of the release's core alone (`relaionet release core`).
        batch_size: requests per call of a generator; does not change the images.
        device: torch device, or `auto`.
        devices: a process of its own on each, such as ["cuda:0", "cuda:1"]; none samples in this process.
        time_limit_s: for one call of a generator, seconds; past it its process is ended and the image that hung is
            failed. 0 sets none.
        retry_failed: ask again for the images that failed in an earlier run.
        unhonoured: what becomes of a setting that a generator cannot honour: `error`, or `record`: it runs at what it
            can do, and its rows say so.
        weights: local files or folders in place of downloads: `inception`, `pickscore`, `dinov2`.
        extras: metrics beyond the protocol's own; `relaionet metrics` lists them.
        raters: preference models in environments of their own.
        groups: text file of lines `wnid<TAB>group`; scores by group are added to those by class.
        mmhm_bounds: `bounds.json` of an earlier evaluation, so that MMHM can be compared with its rows.
        references: name -> npz of statistics (ours, ADM's, clean-fid's); each adds a Fréchet distance to it.
    """

    name: str = "Evaluation"
    split: Path
    split_name: str = ""
    protocol: str = "paper"
    generators: tuple[GeneratorEntry, ...]
    prompt: str = "a photo of a {class}"
    base_seed: int = 0
    limit: int = 0
    core: bool = False
    batch_size: int = 64
    device: str = "auto"
    devices: tuple[str, ...] = ()
    time_limit_s: float = 0.0
    retry_failed: bool = False
    unhonoured: Literal["error", "record"] = "error"
    weights: dict[str, str] = field(default_factory=dict)
    extras: tuple[str, ...] = ()
    raters: tuple[RaterEntry, ...] = ()
    groups: str = ""
    mmhm_bounds: str = ""
    references: dict[str, str] = field(default_factory=dict)


def read_protocol(name: str) -> Protocol:
    """The protocol a recipe names.

    Args:
        name: of a protocol, or path of a TOML file whose keys are those of `Protocol`.

    Raises:
        BadInput: there is none, or the file is wrong or takes a name that is taken.
    """
    if not name.endswith(SUFFIX):
        found = find_protocol(name)
    elif not Path(name).is_file():
        raise BadInput(f"protocol {name} does not exist; name one of {', '.join(find_protocols())}, or a TOML file.")
    else:
        found = read_recipe(name, Protocol)
        if found.name in find_protocols():
            raise BadInput(f"protocol {name}: the name '{found.name}' is taken; give yours another.")
    check_protocol(found)
    return found


def read_evaluate_recipe(name: str) -> EvaluateRecipe:
    """Read a recipe; its relative paths are relative to its own folder.

    Raises:
        BadInput: see `recipe.read_recipe`.
    """
    recipe = read_recipe(name, EvaluateRecipe)
    folder = folder_of(name)
    for name, place in recipe.weights.items():
        check_place(place, "folder", f"weights.{name}")
    entries = tuple(_beside(entry, folder) for entry in recipe.generators)
    raters = tuple(replace(rater, command=_find_program(rater.command, folder)) for rater in recipe.raters)
    return replace(
        recipe,
        split=folder / recipe.split,
        protocol=str(folder / recipe.protocol) if recipe.protocol.endswith(SUFFIX) else recipe.protocol,
        generators=entries,
        references={
            name: str(folder / local_path(path, f"references.{name}")) for name, path in recipe.references.items()
        },
        raters=raters,
        groups=str(folder / local_path(recipe.groups, "groups")) if recipe.groups else "",
        mmhm_bounds=str(folder / local_path(recipe.mmhm_bounds, "mmhm_bounds")) if recipe.mmhm_bounds else "",
    )


def _beside(entry: GeneratorEntry, folder: Path) -> GeneratorEntry:
    """The entry with its file, and weights of the user's own, where they lie beside the recipe."""
    weights = entry.options.get("weights")
    if isinstance(weights, str) and weights and (folder / weights).is_file():
        entry = replace(entry, options={**entry.options, "weights": str(folder / weights)})
    return replace(entry, generator=str(folder / entry.generator)) if entry.generator.endswith(".toml") else entry


def _find_program(command: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Every part that names a file beside the recipe, by its whole path."""
    return tuple(str(folder / part) if part and (folder / part).is_file() else part for part in command)
