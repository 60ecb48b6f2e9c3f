"""What a generator will be and what it still needs, said before any of its weights are read or fetched."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaionet.evaluators.generators.catalogue import About
from relaionet.evaluators.generators.flow_maps.checkpoints import HUB
from relaionet.evaluators.generators.protocol import Info, Settings, make_info
from relaionet.evaluators.generators.registry import (
    ADAPTERS,
    Definition,
    import_factory,
    load_generator,
    read_definition,
)
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.hub import REPO_ID, HubAddress, is_fetched

COUNTED = "counted"
ADAPTIVE = "adaptive"
VARIABLE = re.compile(r"\$\{?([A-Z][A-Z0-9_]*)")
READ = re.compile(r"""environ\[["']([A-Z][A-Z0-9_]*)["']\]""")


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """A generator that is not loaded.

    Attributes:
        info: what it is; None where only loading it could tell.
        kind: its adapter; empty for one that is no file.
        about: where it comes from.
        here: weights that are on this machine.
        to_fetch: weights that the first run fetches from the Hub.
        missing: what must be done before it can run, in words.
        calls: settings -> forward calls for one image, or why they are not known yet.
    """

    info: Info | None
    kind: str
    about: About
    here: tuple[str, ...] = ()
    to_fetch: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    calls: Callable[[Settings], str] = lambda _settings: COUNTED


def look_ahead(name: str, options: Mapping[str, Any] | None = None) -> DryRun:
    """Look at a generator as a recipe names it.

    Args:
        name: as for `registry.load_generator`.
        options: of its factory.

    Raises:
        BadInput: there is none of that name, or its file is wrong.
    """
    found = read_definition(name, options)
    if found is not None and found.kind in LOOKS:
        return LOOKS[found.kind](found)
    about = About() if found is None else found.about
    kind = "" if found is None else found.kind
    try:
        info = load_generator(name, **(options or {})).info
    except BadInput as error:
        if found is None:
            raise
        return DryRun(info=None, kind=kind, about=about, missing=(str(error),))
    return DryRun(info=info, kind=kind, about=about, here=(info.weights,))


def _look_at_flow_map(found: Definition) -> DryRun:
    """A backbone of ours: its file says all but the weights; its calls are counted with a network that does nothing."""
    from relaionet.evaluators.generators.adapters.flow_map import plan_flow_map

    options = dict(found.options)
    places = [str(options.pop("weights")), str((options.pop("guide", None) or {}).get("weights", ""))]
    for key in ("chunk_size",):
        options.pop(key, None)
    plan = plan_flow_map(**options)
    here: list[str] = []
    to_fetch: list[str] = []
    missing: list[str] = []
    for place in filter(None, places):
        hub = HUB.fullmatch(place)
        if hub is None:
            path = found.path.parent / place
            here += [str(path)] if path.is_file() else []
            missing += [] if path.is_file() else [f"{path.name}: {found.about.weights or 'it is not there'}"]
            continue
        address = HubAddress(kind="model", repo_id=hub["repo"], revision=hub["revision"])
        (here if is_fetched(address, hub["file"]) else to_fetch).append(place)
    if plan.codec.kind != "pixel":
        name = f"{plan.codec.subfolder}/config.json".lstrip("/")
        known = _has_model(plan.codec.model, plan.codec.revision, name, found.path.parent)
        (here if known else to_fetch).append(plan.codec.model)
        missing += _lacks("diffusers", "diffusers")
    return DryRun(
        info=plan.info, kind=found.kind, about=found.about, here=tuple(here), to_fetch=tuple(to_fetch),
        missing=tuple(missing), calls=lambda settings: _count_calls(plan.spec, settings),
    )  # fmt: skip


def _count_calls(spec: Any, settings: Settings) -> str:
    """Calls of the sampler itself, with a network that gives zeros, on one number."""
    from relaionet.evaluators.generators.flow_maps.sampler import sample_flow_map

    if spec.step_rule == "dopri5":
        return ADAPTIVE

    def nothing(x: Any, *_: Any) -> Any:
        return x * 0

    _, calls = sample_flow_map(
        nothing, spec, labels=[0], seeds=[0], shape=(1, 1, 1), null_label=1, steps=settings.steps,
        guidance=settings.guidance, weak=nothing,
    )  # fmt: skip
    return str(calls[0])


def _look_at_diffusers(found: Definition) -> DryRun:
    """A pipeline: the calls are those of a scheduler of first order, and are counted when it runs."""
    options = found.options
    model, revision, base = str(options["model"]), str(options.get("revision", "")), found.path.parent
    info = make_info(_info_fields(found), name=options["name"], weights=model)
    parts = [
        one["model"] for one in (*options.get("components", {}).values(), *options.get("loras", ())) if "model" in one
    ]
    fetched = _has_model(model, revision, "model_index.json", base)
    others = tuple(dict.fromkeys(part for part in parts if not (base / part).is_dir()))

    def calls(settings: Settings) -> str:
        passes = 2 if info.guidance == "two_pass" and settings.guidance > 1 else 1
        return f"{settings.steps * passes}"

    return DryRun(
        info=info, kind=found.kind, about=found.about, here=(model,) if fetched else (),
        to_fetch=(() if fetched else (model,)) + others, missing=tuple(_lacks("diffusers", "diffusers")), calls=calls,
    )  # fmt: skip


def _look_at_command(found: Definition) -> DryRun:
    """A command: the variables that it and its script need must be set, and its program must be there."""
    options, base = found.options, found.path.parent
    command = options["command"]
    texts = [command] if isinstance(command, str) else list(command)
    names = [name for text in texts for name in VARIABLE.findall(text)]
    scripts = [base / one for one in options.get("identity", ()) if one.endswith(".py") and (base / one).is_file()]
    names += [name for script in scripts for name in READ.findall(script.read_text(encoding="utf-8"))]
    known = {**os.environ, **options.get("environment", {})}
    missing = [
        f"set {name}: {WANTED.get(name, 'its command needs it')}"
        for name in dict.fromkeys(names)
        if not known.get(name)
    ]
    info = make_info(_info_fields(found), name=options["name"])
    try:
        info = import_factory(ADAPTERS["command"])(**options, base=base).info
    except BadInput as error:
        missing.append(str(error))
    return DryRun(info=info, kind=found.kind, about=found.about, missing=tuple(missing))


WANTED = {
    "RELAIONET_PYTHON": "the interpreter of the environment its code needs",
    "RELAIONET_CODE": "a checkout of its code",
    "RELAIONET_WEIGHTS": "its file of weights",
    "RELAIONET_SCRIPT": "your script around its code; `relaionet generators script` writes one to start from",
}
LOOKS: dict[str, Callable[[Definition], DryRun]] = {
    "flow_map": _look_at_flow_map,
    "diffusers": _look_at_diffusers,
    "command": _look_at_command,
}


def _info_fields(found: Definition) -> dict[str, Any]:
    """The keys of a file that are none of its adapter's own."""
    own = inspect.signature(import_factory(ADAPTERS[found.kind])).parameters
    return {key: value for key, value in found.options.items() if key not in own}


def _has_model(model: str, revision: str, name: str, base: Path) -> bool:
    if (base / model).is_dir():
        return True
    if not REPO_ID.fullmatch(model):
        return False
    return is_fetched(HubAddress(kind="model", repo_id=model, revision=revision or None), name)


def _lacks(module: str, extra: str) -> list[str]:
    return [] if importlib.util.find_spec(module) else [f"pip install 'relaionet[{extra}]'"]
