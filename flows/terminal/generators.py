"""What `relaionet generators` prints."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from relaionet.evaluators.generators.catalogue import Entry, catalogue_names, find_entry, read_entry
from relaionet.evaluators.generators.check import Trial, check_generator, default_settings
from relaionet.evaluators.generators.protocol import Settings
from relaionet.evaluators.generators.registry import (
    BUILT_IN,
    ENTRY_POINT_GROUP,
    list_generators,
    load_generator,
    read_definition,
)
from relaionet.evaluators.set_labels import count_steps
from relaionet.manifests.containers.limits import Refused
from relaionet.manifests.containers.texts import parse_toml
from relaionet.manifests.errors import BadInput, nearest_name

WIDTH = 110
SCRIPT = "RELAIONET_SCRIPT"
VARIABLE = re.compile(r"\$\{?(RELAIONET_\w+)")
HEADINGS = (
    "Of the literature (relaionet generators show NAME says where the weights are):",
    "Of the literature, by a script of this project in an environment of the model's own (RELAIONET_PYTHON):",
    "Of the literature, by a script of yours (RELAIONET_SCRIPT; relaionet generators script writes one to start from):",
)


def list_lines(*, everything: bool) -> list[str]:
    """One line per generator: name, adapter, size, guidance, licence, whether its weights can be had."""
    entries = [read_entry(name) for name in catalogue_names()]
    can, cannot = [one for one in entries if one.adapter != "none"], [one for one in entries if one.adapter == "none"]
    lines = ["Built in:"]
    lines += [f"  {name}" for name in sorted(BUILT_IN)]
    for heading, some in zip(HEADINGS, _by_need(can), strict=True):
        lines += ["", heading, *map(_line, some)] if some else []
    installed = sorted(point.name for point in metadata.entry_points(group=ENTRY_POINT_GROUP))
    if installed:
        lines += ["", "Installed by other packages:", *(f"  {name}" for name in installed)]
    if everything:
        lines += ["", "Known, and not to be had:"]
        lines += [f"  {one.slug:<24} {one.about.why}" for one in cannot]
    elif cannot:
        lines += ["", f"{len(cannot)} more are known and cannot be had: --all lists them with why."]
    return lines


def _by_need(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """The entries that run as they are, those that want an environment of their own, those that want a script too."""
    here: list[Entry] = []
    elsewhere: list[Entry] = []
    scripted: list[Entry] = []
    for one in entries:
        needs = list_needs(one)
        (scripted if SCRIPT in needs else elsewhere if needs else here).append(one)
    return here, elsewhere, scripted


def list_needs(entry: Entry) -> list[str]:
    """Variables of the environment that an entry's command reads, in its order: what the user has to bring."""
    command = " ".join(map(str, entry.options.get("command", ())))
    return list(dict.fromkeys(VARIABLE.findall(command)))


def _line(entry: Entry) -> str:
    size = entry.options.get("native_size_px") or entry.options.get("codec", {}).get("image_size_px") or "?"
    facts = [f"{size} px", entry.about.condition, entry.adapter, f"guidance {entry.guidance}", entry.licence]
    return f"  {entry.slug:<24} {', '.join(filter(None, facts))}"


def show_lines(name: str, *, toml: bool = False) -> list[str]:
    """All that is known of a generator without loading it.

    Raises:
        BadInput: it is none of the catalogue.
    """
    if name in BUILT_IN:
        return [f"{name}: built in, {BUILT_IN[name]}"]
    if name not in catalogue_names():
        raise BadInput(f"no generator is called '{name}'.{nearest_name(name, list_generators())}")
    if toml:
        return [find_entry(name).read_text(encoding="utf-8").rstrip()]
    entry = read_entry(name)
    about = entry.about
    facts = {
        "name": entry.name,
        "reached by": "nothing: " + about.why if entry.adapter == "none" else entry.adapter,
        "needs": ", ".join(list_needs(entry)),
        "told a": about.condition,
        "paper": about.paper,
        "code": about.code,
        "weights": " ".join(filter(None, [about.weights, f"({about.access})" if about.access != "none" else ""])),
        "licence": entry.licence,
        "guidance": f"{entry.guidance}, natural scale {_natural(entry)}",
        "steps": ", ".join(map(str, entry.options.get("steps", ["any from 1"]))),
        "benchmark": ", ".join(f"{key} {value}" for key, value in about.paper_settings.items()),
    }
    lines = [f"{key + ':':<13}{value}" for key, value in facts.items() if value]
    for note in about.notes:
        lines += textwrap.wrap(note, WIDTH, initial_indent="* ", subsequent_indent="  ")
    return lines


def _natural(entry: Entry) -> str:
    """The scale its authors report with, and where they take another."""
    others = entry.options.get("natural_by_steps", {}).items()
    at_steps = (f"{scale:g} at {count_steps(int(steps))}" for steps, scale in others)
    return ", ".join([f"{entry.options.get('natural_guidance', 1):g}", *at_steps])


def read_options(texts: Sequence[str]) -> dict[str, Any]:
    """Options from the command line, `key=value` with the value as in TOML; a bare word is a text.

    Raises:
        BadInput: there is no `=`.
    """
    options: dict[str, Any] = {}
    for text in texts:
        key, found, value = text.partition("=")
        if not found or not key:
            raise BadInput(f"--option {text}: expected KEY=VALUE.")
        try:
            options[key] = parse_toml(f"value = {value}")["value"]
        except Refused:
            options[key] = value
    return options


def try_generator(
    name: str, *, steps: int | None, guidance: float | None, device: str, options: dict[str, Any]
) -> Trial:  # fmt: skip
    """Load a generator and try it.

    Raises:
        BadInput: it is not there, or cannot honour the settings.
    """
    from relaionet.pipeline.embeddings.encoders import pick_device

    generator = load_generator(name, device=pick_device(device), **options)
    default = default_settings(generator.info)
    settings = Settings(
        steps=default.steps if steps is None else steps,
        guidance=default.guidance if guidance is None else guidance,
    )
    return check_generator(generator, settings)


def convert_lines(name: str, checkpoint: Path, out: Path, tree: str) -> list[str]:
    """Convert a flax checkpoint, and say what to do with the file.

    Raises:
        BadInput: the generator is none of a backbone here, or the checkpoint none of it.
        Corrupt: it cannot be read.
    """
    from relaionet.evaluators.generators.flow_maps.flax_conversion import convert_checkpoint

    definition = read_definition(name)
    if definition is None:
        raise BadInput(f"no generator with a file is called '{name}'.{nearest_name(name, catalogue_names())}")
    made = convert_checkpoint(definition, checkpoint, out, tree)
    return [
        f"{made.source}: {tree}, {made.tensors_count} tensors, {made.parameters_count:,} parameters",
        f"written: {made.path}",
        "In a recipe, below [[generators]]:",
        f'  generator = "{name}"',
        f'  options = {{ weights = "{made.path.resolve()}" }}',
    ]


def write_script(folder: Path) -> list[Path]:
    """Copy the two files of a script for a model's own code.

    Raises:
        BadInput: one of them is there already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    commands = find_entry("").parent / "commands"
    made = []
    for name in ("job.py", "yours.py"):
        if (folder / name).exists():
            raise BadInput(f"{folder / name} is there already; name another --folder.")
        shutil.copyfile(commands / name, folder / name)
        made.append(folder / name)
    return made
