"""`relaionet evaluate --plan`: what a recipe will run, and what is missing, before anything is loaded or fetched."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from relaionet.evaluators.generators.dry_run import ADAPTIVE, COUNTED, DryRun
from relaionet.evaluators.generators.registry import look_ahead
from relaionet.evaluators.set_labels import count_steps
from relaionet.flows.evaluation.plan import check_recipe, sets_of
from relaionet.flows.evaluation.recipe import EvaluateRecipe, GeneratorEntry, read_protocol
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.splits.build import read_split

WIDTH = 110


@dataclass(frozen=True, kw_only=True)
class PlannedSet:
    """One set of images that would be made.

    Attributes:
        name: of the generator, as it would stand in tables.
        asked: steps and guidance of the recipe.
        runs: what it would run at.
        is_record_only: the two differ.
        calls: forward calls for one image, or why they are not known yet.
    """

    name: str
    asked: str
    runs: str
    is_record_only: bool
    calls: str


def plan_entry(entry: GeneratorEntry, recipe: EvaluateRecipe) -> tuple[DryRun, list[PlannedSet]]:
    """One generator of a recipe and its sets; none where only loading it could tell what it is.

    Raises:
        BadInput: there is no such generator, its file is wrong, or it cannot honour a setting.
    """
    dry_run = look_ahead(entry.generator, entry.options)
    if dry_run.info is None:
        return dry_run, []
    sets = []
    for one in sets_of(entry, dry_run.info, recipe):
        sets.append(
            PlannedSet(
                name=_name(entry, dry_run), asked=_text(one.asked.steps, one.asked.guidance),
                runs=_text(one.settings.steps, one.settings.guidance), is_record_only=one.is_record_only,
                calls=dry_run.calls(one.settings),
            )
        )  # fmt: skip
    return dry_run, sets


def plan_lines(recipe: EvaluateRecipe) -> list[str]:
    """All that `--plan` prints.

    Raises:
        BadInput: see `plan_entry`; also where the recipe itself is wrong. Missing weights are none.
    """
    check_recipe(recipe)
    planned = [plan_entry(entry, recipe) for entry in recipe.generators]
    images, about_split = _split_of(recipe)
    sets = [one for _, made in planned for one in made]
    count = "1 set" if len(sets) == 1 else f"{len(sets)} sets"
    lines = [
        f"{recipe.name}: {count}, protocol {read_protocol(recipe.protocol).name}",
        about_split,
        "",
    ]
    lines += [f"{'set':<22} {'asked for':<24} {'runs at':<24} {'calls/image':>12}"]
    for one in sets:
        told = "record only" if one.is_record_only else ""
        lines.append(f"{one.name:<22.22} {one.asked:<24} {one.runs:<24} {one.calls:>12}  {told}".rstrip())
    lines += [""]
    known = sum(int(one.calls) for one in sets if one.calls not in (COUNTED, ADAPTIVE))
    if images:
        more = ", and those of sets whose calls are not known before they run"
        is_whole = all(one.calls not in (COUNTED, ADAPTIVE) for one in sets)
        lines.append(f"forward calls: {known * images:,}{'' if is_whole else more}.")
    lines += ["A row 'record only' runs at what the generator can do, and its name in the tables says so."] * any(
        one.is_record_only for one in sets
    )
    for entry, (dry_run, _) in zip(recipe.generators, planned, strict=True):
        lines += ["", *_weights_lines(entry, dry_run)]
    waiting = ["the split"] * (images is None)
    waiting += [
        _name(entry, dry_run) for entry, (dry_run, _) in zip(recipe.generators, planned, strict=True) if dry_run.missing
    ]
    ready = f"Not ready, see MISSING: {', '.join(waiting)}." if waiting else "Nothing is missing."
    return [*lines, "", ready, "What the metrics need: relaionet metrics --protocols."]


def _name(entry: GeneratorEntry, dry_run: DryRun) -> str:
    return entry.name or (dry_run.info.name if dry_run.info else entry.generator)


def _text(steps: int, guidance: float) -> str:
    return f"{count_steps(steps)}, guidance {guidance:g}"


def _split_of(recipe: EvaluateRecipe) -> tuple[int | None, str]:
    """Images of the split, and a line about it."""
    if not recipe.split.is_dir():
        return None, f"MISSING split: {recipe.split.name}/ is not there. Name yours with --split."
    try:
        rows, info = read_split(recipe.split)
    except BadInput as error:
        return None, f"MISSING split: {error} Name yours with --split."
    count = min(rows.height, recipe.limit or rows.height)
    return count, f"split {recipe.split_name or info['release']}: {count:,} images of every set"


def _weights_lines(entry: GeneratorEntry, dry_run: DryRun) -> list[str]:
    """Where a generator's weights are, which are here, and what is missing."""
    licence = f", licence {dry_run.info.licence}" if dry_run.info else ""
    found = [f"{_name(entry, dry_run)}: {dry_run.kind or 'python'}{licence}"]
    gated = "; gated: accept its terms on the Hub and log in" if dry_run.about.access == "gated" else ""
    items = [f"here: {one}" for one in dry_run.here]
    items += [f"fetched when it first runs: {one}{gated}" for one in dry_run.to_fetch]
    if dry_run.kind == "command":
        items.append(f"weights: {dry_run.about.weights or 'see its script'}")
    items += [f"MISSING {one}" for one in dry_run.missing]
    for item in items:
        found += textwrap.wrap(item, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return found
