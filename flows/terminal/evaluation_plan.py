"""`relaionet evaluate --plan`: what a recipe will run, and what is missing, before anything is made or fetched."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from relaionet.evaluators.generators.dry_run import ADAPTIVE, COUNTED, DryRun
from relaionet.evaluators.generators.protocol import Foreseen, Request
from relaionet.evaluators.generators.registry import look_ahead
from relaionet.evaluators.generators.requests import check_classes
from relaionet.evaluators.protocols import Protocol
from relaionet.evaluators.scoring.warnings import REASONS_SHOWN
from relaionet.evaluators.set_labels import count_steps
from relaionet.flows.evaluation.checks import ModelsAhead, check_inputs, look_at_models
from relaionet.flows.evaluation.inputs import read_inputs
from relaionet.flows.evaluation.plan import ScoredSet, SplitAhead, check_recipe, check_sets, look_at_split, sets_of
from relaionet.flows.evaluation.recipe import EvaluateRecipe, GeneratorEntry, read_protocol
from relaionet.flows.runs.runners import THREADS, check_runner
from relaionet.manifests.errors import BadInput
from relaionet.manifests.words import say_count

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
    sets = [
        PlannedSet(
            name=_name(entry, dry_run), asked=_text(one.asked.steps, one.asked.guidance),
            runs=_text(one.settings.steps, one.settings.guidance), is_record_only=one.is_record_only,
            calls=dry_run.calls(one.settings),
        )
        for one in sets_of(entry, dry_run.info, recipe)
    ]  # fmt: skip
    return dry_run, sets


@dataclass(frozen=True, kw_only=True)
class _Planned:
    """One generator of a recipe, its sets, and what is known of its images."""

    entry: GeneratorEntry
    dry_run: DryRun
    sets: list[PlannedSet]
    foreseen: Foreseen

    @property
    def name(self) -> str:
        return _name(self.entry, self.dry_run)


def plan_lines(recipe: EvaluateRecipe, on: str = THREADS) -> list[str]:
    """All that `--plan` prints.

    Args:
        recipe: what would be done.
        on: where sampling would be done.

    Raises:
        BadInput: see `plan_entry`; also where the recipe, or a file it names, is wrong. Missing weights are none.
    """
    _check_place(recipe, on)
    check_recipe(recipe)
    protocol, inputs, split = read_protocol(recipe.protocol), read_inputs(recipe), _look_at_split(recipe)
    requests = [] if isinstance(split, str) else split.requests
    if isinstance(split, str):
        check_inputs(inputs, protocol)
    else:
        check_inputs(inputs, protocol, set(split.rows["wnid"]), split.shown)
    planned = [_plan(entry, recipe, requests) for entry in recipe.generators]
    check_sets([one for each in planned for one in _sets_of(each.entry, each.dry_run, recipe)])
    models = look_at_models(recipe, protocol, inputs)
    sets = [one for each in planned for one in each.sets]
    about_split = (
        split if isinstance(split, str) else f"split {split.shown}: {say_count(len(requests), 'image')} of every set"
    )
    lines = [f"{recipe.name}: {say_count(len(sets), 'set')}, protocol {protocol.name}", about_split, ""]
    lines += [*_sets_lines(sets, len(requests)), *_models_lines(protocol, models)]
    for each in planned:
        lines += ["", *_weights_lines(each.entry, each.dry_run), *_images_lines(each.foreseen, len(requests))]
    lacking = ["the split"] * isinstance(split, str) + [each.name for each in planned if each.dry_run.missing]
    lacking += ["the metrics' models"] * bool(models.outlook.missing)
    return [*lines, "", *_ready_lines(lacking, planned), "What the metrics need: relaionet metrics --protocols."]


def _check_place(recipe: EvaluateRecipe, on: str) -> None:
    if on != THREADS:
        from relaionet.flows.evaluation.sampling import check_place

        check_runner(on)
        check_place(recipe)


def _plan(entry: GeneratorEntry, recipe: EvaluateRecipe, requests: Sequence[Request]) -> _Planned:
    dry_run, sets = plan_entry(entry, recipe)
    foreseen = Foreseen()
    if dry_run.check is not None:
        foreseen = dry_run.check(requests)
    elif dry_run.info is not None:
        check_classes(dry_run.info, {one.class_index: one.wnid for one in requests})
    # a generator that was made for it is let go
    return _Planned(entry=entry, dry_run=replace(dry_run, check=None), sets=sets, foreseen=foreseen)


def _sets_of(entry: GeneratorEntry, dry_run: DryRun, recipe: EvaluateRecipe) -> list[ScoredSet]:
    return [] if dry_run.info is None else sets_of(entry, dry_run.info, recipe)


def _sets_lines(sets: Sequence[PlannedSet], images: int) -> list[str]:
    """Every set with its settings, and the calls of all together."""
    lines = [f"{'set':<22} {'asked for':<24} {'runs at':<24} {'calls/image':>12}"]
    for one in sets:
        told = "record only" if one.is_record_only else ""
        lines.append(f"{one.name:<22.22} {one.asked:<24} {one.runs:<24} {one.calls:>12}  {told}".rstrip())
    lines += [""]
    known = sum(int(one.calls) for one in sets if one.calls not in (COUNTED, ADAPTIVE))
    if images:
        more = ", and those of sets whose calls are not known before they run"
        is_whole = all(one.calls not in (COUNTED, ADAPTIVE) for one in sets)
        lines.append(f"forward calls: {known * images:,}{'' if is_whole else more}.")
    is_recorded = any(one.is_record_only for one in sets)
    return (
        lines
        + ["A row 'record only' runs at what the generator can do, and its name in the tables says so."] * is_recorded
    )


def _models_lines(protocol: Protocol, models: ModelsAhead) -> list[str]:
    """Where the models of the metrics are, and what of the recipe's files waits for them."""
    items = [f"here: {one}" for one in models.outlook.here]
    items += [f"fetched when they are first loaded: {one}" for one in models.outlook.to_fetch]
    items += [f"MISSING {one}" for one in models.outlook.missing]
    items += [f"{name}: {why}" for name, why in models.unchecked.items()]
    return ["", f"metrics of protocol {protocol.name}:", *_set_in(items)]


def _images_lines(foreseen: Foreseen, images: int) -> list[str]:
    """Images that are known to be missing, with the most frequent reasons, and those that nobody asks for."""
    items = []
    if foreseen.missing:
        reasons = Counter(foreseen.missing.values()).most_common()
        told = [f"{count:,} × {reason}" for reason, count in reasons[:REASONS_SHOWN]]
        told += ["and others"] * (len(reasons) > REASONS_SHOWN)
        items.append(f"MISSING {len(foreseen.missing):,} of {say_count(images, 'image')}: {'; '.join(told)}")
    if foreseen.unused:
        items.append(f"left over: {say_count(foreseen.unused, 'image')} that no request of this split asks for")
    return _set_in(items)


def _ready_lines(lacking: Sequence[str], planned: Sequence[_Planned]) -> list[str]:
    """What keeps the recipe from running, and what will not be whole."""
    lines = [f"Not ready, see MISSING: {', '.join(lacking)}."] if lacking else []
    parts = [f"{each.name} ({len(each.foreseen.missing):,} missing)" for each in planned if each.foreseen.missing]
    lines += [f"Will not be whole, see MISSING: the images of {', '.join(parts)}."] * bool(parts)
    return lines or ["Nothing is missing."]


def _name(entry: GeneratorEntry, dry_run: DryRun) -> str:
    return entry.name or (dry_run.info.name if dry_run.info else entry.generator)


def _text(steps: int, guidance: float) -> str:
    return f"{count_steps(steps)}, guidance {guidance:g}"


def _look_at_split(recipe: EvaluateRecipe) -> SplitAhead | str:
    """The split, or a line about what is missing of it."""
    if not recipe.split.is_dir():
        return f"MISSING split: {recipe.split.name}/ is not there. Name yours with --split."
    try:
        return look_at_split(recipe)
    except BadInput as error:
        return f"MISSING split: {error} Name yours with --split."


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
    return found + _set_in(items)


def _set_in(items: Sequence[str]) -> list[str]:
    lines = []
    for item in items:
        lines += textwrap.wrap(item, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return lines
