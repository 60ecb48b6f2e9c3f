"""What a generator will be and what it still needs, said before any of its weights are read or fetched."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaionet.evaluators.generators.catalogue import About
from relaionet.evaluators.generators.definition import Definition
from relaionet.evaluators.generators.protocol import Foreseen, Info, Request, Settings
from relaionet.pipeline.hub import REPO_ID, HubAddress, is_fetched

COUNTED = "counted"
ADAPTIVE = "adaptive"


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
        check: requests -> what it foresees of its images, raising what it cannot serve; None where it is not made, and
            its classes are all that is known.
    """

    info: Info | None
    kind: str
    about: About
    here: tuple[str, ...] = ()
    to_fetch: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    calls: Callable[[Settings], str] = lambda _settings: COUNTED
    check: Callable[[Sequence[Request]], Foreseen] | None = None


def has_model(model: str, revision: str, name: str, base: Path) -> bool:
    """Whether a model is on this machine.

    Args:
        model: a folder relative to `base`, or `owner/name` on the Hub.
        revision: branch, tag or commit on the Hub; empty for its main branch.
        name: the file of the repository by which it is told.
        base: folder of the generator's file.
    """
    if (base / model).is_dir():
        return True
    if not REPO_ID.fullmatch(model):
        return False
    return is_fetched(HubAddress(kind="model", repo_id=model, revision=revision or None), name)


def info_fields(factory: Callable[..., Any], found: Definition) -> dict[str, Any]:
    """The keys of a file that are none of its factory's own: what the generator says of itself.

    Args:
        factory: of its adapter.
        found: the file.
    """
    own = inspect.signature(factory).parameters
    return {key: value for key, value in found.options.items() if key not in own}


def lacking(module: str, extra: str) -> list[str]:
    """How to install a package, where it is not there.

    Args:
        module: what is imported.
        extra: of this project, which brings it.
    """
    return [] if importlib.util.find_spec(module) else [f"pip install 'relaionet[{extra}]'"]
