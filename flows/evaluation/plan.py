"""What an evaluation is made of: the split's rows, and the sets of images it will make and score."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from relaionet.evaluators.generators.ask import check_requests
from relaionet.evaluators.generators.protocol import Info, Request, Settings, check_settings
from relaionet.evaluators.generators.registry import read_definition
from relaionet.evaluators.generators.requests import make_requests
from relaionet.evaluators.metrics.lookup import find_extra
from relaionet.evaluators.set_labels import count_steps, set_label
from relaionet.flows.evaluation.checks import check_names, check_set_name
from relaionet.flows.evaluation.inputs import read_inputs
from relaionet.flows.evaluation.loaded_generator import LoadedGenerator, device_of
from relaionet.flows.evaluation.recipe import EvaluateRecipe, GeneratorEntry, read_protocol
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json_object, write_atomic
from relaionet.manifests.release.copy import RELEASE_FOLDER
from relaionet.manifests.release.info import INFO_FILE as RELEASE_FILE
from relaionet.manifests.release.release import read_release
from relaionet.pipeline.splits.build import read_split


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


def plan_sets(
    recipe: EvaluateRecipe, out: Path, loaded: LoadedGenerator | None = None, requests: Sequence[Request] = ()
) -> list[ScoredSet]:
    """Load every generator, one after the other, and check every setting before anything is made.

    Args:
        recipe: what to do.
        out: folder of the evaluation.
        loaded: holds the last one loaded afterwards.
        requests: what every generator will be asked for, where that is known.

    Raises:
        BadInput: a generator is unknown, cannot honour a setting or serve the requests, or two sets would have one
            name.
    """
    check_recipe(recipe)
    loaded = loaded or LoadedGenerator(device_of(recipe.device))
    sets = []
    for entry in recipe.generators:
        generator = loaded.load(entry)
        sets += sets_of(entry, generator.info, recipe, out)
        check_requests(generator, requests)  # said now, not after hours of another generator
    check_sets(sets)
    return sets


def check_sets(sets: Sequence[ScoredSet]) -> None:
    """Refuse sets that tables could not tell apart, from each other or from the split's own images.

    Raises:
        BadInput: two have one name, or one has a name that is reserved.
    """
    for one in sets:
        check_set_name(one.name)
    for names in ([one.slug for one in sets], [one.label for one in sets]):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise BadInput(f"the recipe asks for '{twice}' twice; give one of the two generators another name.")


def check_recipe(recipe: EvaluateRecipe) -> None:
    """What can be wrong with a recipe whatever its generators are.

    Raises:
        BadInput: no generators, a number that makes no sense, a name that is taken, or an unknown protocol, metric,
            generator or file.
    """
    if not recipe.generators:
        raise BadInput("the recipe names no generators; add at least one [[generators]] table.")
    if recipe.limit < 0:
        raise BadInput(f"limit is {recipe.limit}; it must be 0 (all) or more.")
    read_protocol(recipe.protocol)
    for name in recipe.extras:
        find_extra(name)
    check_names(recipe)
    for one in recipe.generators:
        read_definition(one.generator, one.options)
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
    sets = []
    for steps in entry.steps:
        scales = [info.natural_at(steps) if scale == "natural" else scale for scale in entry.guidance]
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
    if recipe.core:
        rows = keep_core(rows, recipe.split)
    return limit_rows(rows, recipe.limit), recipe.split_name or str(info["release"])


@dataclass(frozen=True, kw_only=True)
class SplitAhead:
    """A split as an evaluation will ask for it.

    Attributes:
        rows: kept, cut to the recipe's limit.
        name: which the samples' seeds are made of.
        shown: the name as it stands in tables.
        requests: one for each row.
    """

    rows: pl.DataFrame
    name: str
    shown: str
    requests: list[Request]


def look_at_split(recipe: EvaluateRecipe) -> SplitAhead:
    """The split and what will be asked for.

    Raises:
        BadInput: it is not there, keeps no image, has no core where that is asked for, or a label of it is none.
    """
    rows, name = read_rows(recipe)
    requests = make_requests(rows, base_seed=recipe.base_seed, split_name=name, prompt=recipe.prompt)
    return SplitAhead(rows=rows, name=name, shown=shown_name(recipe, name), requests=requests)


def shown_name(recipe: EvaluateRecipe, split_name: str) -> str:
    """The split's name as it stands in tables: its core is another set of images than the whole.

    Args:
        recipe: what is done.
        split_name: from `read_rows`, which the samples' seeds are made of, so that they are those of the whole split.
    """
    return f"{split_name} core" if recipe.core else split_name


def keep_core(rows: pl.DataFrame, split: Path) -> pl.DataFrame:
    """The rows of a split that are in the core of the release it was rebuilt from.

    Args:
        rows: of the split.
        split: its folder.

    Raises:
        BadInput: the release names no core, or it does not lie in the split.
    """
    folder = split / RELEASE_FOLDER
    if not (folder / RELEASE_FILE).is_file():
        raise BadInput(f"{split} was rebuilt by an earlier version; run `relaionet rebuild` into it once more.")
    core = read_release(folder).manifest.filter("is_core")["candidate_id"]
    found = rows.filter(pl.col("candidate_id").is_in(core.implode()))
    if found.is_empty():
        raise BadInput(
            f"the release of {split} names no core, or nothing of it is here: `relaionet release core` makes one, of "
            "two rebuilds or checks."
        )
    return found


def limit_rows(rows: pl.DataFrame, limit: int) -> pl.DataFrame:
    """The first `limit` rows, class by class in turn; all where it is 0."""
    if not limit:
        return rows
    turn = pl.int_range(pl.len()).over("wnid")
    rows = rows.with_columns(turn=turn).sort("turn", "class_index", maintain_order=True)
    return rows.head(limit).drop("turn")


def split_digest(folder: Path) -> str:
    """The split's digest, which depends on the rows kept alone."""
    return str(read_json_object(folder / "split.json")["digest"])


def write_requests(recipe: EvaluateRecipe, path: Path) -> int:
    """Write what a recipe asks of every generator, a line of JSON each; returns how many.

    Raises:
        BadInput: the split is not there.
    """
    requests = look_at_split(recipe).requests
    write_atomic(path, "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in requests).encode())
    return len(requests)
