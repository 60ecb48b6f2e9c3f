"""What an evaluation is made of: its recipe, the split's rows, and the sets of images it will make and score."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from relaionet.evaluators.generators.protocol import Info, Settings, check_settings
from relaionet.evaluators.metrics.catalogue import find_extra
from relaionet.evaluators.protocols import find_protocol
from relaionet.evaluators.set_labels import count_steps, set_label
from relaionet.flows.evaluate_inputs import RaterEntry, read_inputs
from relaionet.flows.generator_shelf import Shelf, device_of
from relaionet.flows.recipe import find_recipe, read_recipe
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json
from relaionet.pipeline.splits.build import read_split


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
        protocol: named set of choices the scores are made under.
        generators: what is scored.
        prompt: text for generators that take one; {class} is the class name.
        base_seed: every sample's seed is a hash of this, the split's name and the sample's id.
        limit: requests at most, the first of every class in turn; 0 takes all.
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


@dataclass(frozen=True, kw_only=True)
class ScoredSet:
    """One generator at one setting.

    Attributes:
        name: of the generator, as it stands in tables.
        entry: how it is loaded.
        info: what it is.
        settings: what it is run at.
        asked: what the recipe asks for.
        root: folder of the evaluation.
    """

    name: str
    entry: GeneratorEntry
    info: Info
    settings: Settings
    asked: Settings
    root: Path

    @property
    def is_record_only(self) -> bool:
        """True where it does not run at what was asked for."""
        return self.settings != self.asked

    @property
    def folder(self) -> Path:
        """Where its samples are."""
        return self.root / "samples" / self.slug

    @property
    def slug(self) -> str:
        """File-safe name of the set, distinct within an evaluation."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:60]
        return f"{plain}-steps{self.asked.steps}-guidance{self.asked.guidance:g}"

    @property
    def label(self) -> str:
        """How tables of comparisons name the set."""
        return set_label(self.name, self.asked.steps, self.asked.guidance)


def read_evaluate_recipe(name: str) -> EvaluateRecipe:
    """Read a recipe; its relative paths are relative to its own folder.

    Raises:
        BadInput: see `recipe.read_recipe`.
    """
    recipe = read_recipe(name, EvaluateRecipe)
    folder = find_recipe(name).parent.resolve()
    entries = tuple(_beside(entry, folder) for entry in recipe.generators)
    raters = tuple(replace(rater, command=_find_program(rater.command, folder)) for rater in recipe.raters)
    return replace(
        recipe,
        split=folder / recipe.split,
        generators=entries,
        references={name: str(folder / path) for name, path in recipe.references.items()},
        raters=raters,
        groups=str(folder / recipe.groups) if recipe.groups else "",
        mmhm_bounds=str(folder / recipe.mmhm_bounds) if recipe.mmhm_bounds else "",
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


def plan_sets(recipe: EvaluateRecipe, out: Path, shelf: Shelf | None = None) -> list[ScoredSet]:
    """Load every generator, one after the other, and check every setting before anything is made.

    Args:
        recipe: what to do.
        out: folder of the evaluation.
        shelf: holds the last one loaded afterwards.

    Raises:
        BadInput: a generator is unknown or cannot honour a setting, or two sets would have one name.
    """
    check_recipe(recipe)
    shelf = shelf or Shelf(device_of(recipe.device))
    sets = [one for entry in recipe.generators for one in sets_of(entry, shelf.load(entry).info, recipe, out)]
    slugs = [one.slug for one in sets]
    twice = sorted({slug for slug in slugs if slugs.count(slug) > 1})
    if twice:
        raise BadInput(f"the recipe asks for '{twice[0]}' twice; give one of the two generators another name.")
    return sets


def check_recipe(recipe: EvaluateRecipe) -> None:
    """What can be wrong with a recipe whatever its generators are.

    Raises:
        BadInput: no generators, a number that makes no sense, or an unknown protocol, metric or file.
    """
    if not recipe.generators:
        raise BadInput("the recipe names no generators; add at least one [[generators]] table.")
    if recipe.limit < 0:
        raise BadInput(f"limit is {recipe.limit}; it must be 0 (all) or more.")
    find_protocol(recipe.protocol)
    for name in recipe.extras:
        find_extra(name)
    read_inputs(recipe)


def sets_of(entry: GeneratorEntry, info: Info, recipe: EvaluateRecipe, out: Path = Path()) -> list[ScoredSet]:
    """Every number of steps with every guidance; where both words for one scale are given, it is run once.

    Args:
        entry: of the recipe.
        info: what its generator is.
        recipe: what to do.
        out: folder of the evaluation.

    Raises:
        BadInput: it cannot honour a setting, and the recipe wants to be told.
    """
    scales = [info.natural_guidance if scale == "natural" else scale for scale in entry.guidance]
    sets = []
    for steps in entry.steps:
        for guidance in dict.fromkeys(scales):
            asked = Settings(steps=steps, guidance=guidance)
            settings = honour(info, asked, is_strict=recipe.unhonoured == "error")
            name = entry.name or info.name
            if settings != asked:
                name += f" (really {count_steps(settings.steps)}, guidance {settings.guidance:g})"
            sets.append(ScoredSet(name=name, entry=entry, info=info, settings=settings, asked=asked, root=out))
    return sets


def honour(info: Info, asked: Settings, *, is_strict: bool) -> Settings:
    """What a generator runs at when it is asked for a setting.

    Args:
        info: of the generator.
        asked: the setting.
        is_strict: refuse what it cannot honour; else the nearest number of steps and scale it has are taken.

    Raises:
        BadInput: it cannot honour the setting.
    """
    try:
        check_settings(info, asked)
    except BadInput:
        if is_strict:
            raise
    else:
        return asked
    low, high = info.guidance_range
    guidance = 1.0 if info.guidance in ("none", "baked") else min(max(asked.guidance, low), high)
    steps = min(info.steps or (max(1, asked.steps),), key=lambda steps: (abs(steps - asked.steps), steps))
    settings = Settings(steps=steps, guidance=guidance)
    check_settings(info, settings)
    return settings


def read_rows(recipe: EvaluateRecipe) -> tuple[pl.DataFrame, str]:
    """The split's kept rows and its name, cut to the recipe's limit class by class in turn."""
    rows, info = read_split(recipe.split)
    if rows.is_empty():
        raise BadInput(f"split {recipe.split} keeps no image; rebuild it, or choose another.")
    return limit_rows(rows, recipe.limit), recipe.split_name or str(info["release"])


def limit_rows(rows: pl.DataFrame, limit: int) -> pl.DataFrame:
    """The first `limit` rows, class by class in turn; all where it is 0."""
    if not limit:
        return rows
    turn = pl.int_range(pl.len()).over("wnid")
    rows = rows.with_columns(turn=turn).sort("turn", "class_index", maintain_order=True)
    return rows.head(limit).drop("turn")


def split_digest(folder: Path) -> str:
    """The split's digest, which depends on the rows kept alone."""
    return str(read_json(folder / "split.json")["digest"])
