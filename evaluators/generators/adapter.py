"""What an adapter is: a way to reach generators, which a generator's TOML file names by `type`.

An adapter is one module of `adapters/`, named as its kind is, with a `GeneratorAdapter` called `ADAPTER`. Another
package declares one as an entry point of the group `relaionet.generator_adapters`, under its kind.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from relaionet.evaluators.generators.definition import Definition
from relaionet.evaluators.generators.dry_run import DryRun

# arguments that no file states: where its generator runs, and the folder the file is in
GIVEN = ("device", "base")


class Need(NamedTuple):
    """A package that not everybody has.

    Attributes:
        module: what is imported.
        extra: of this project, which brings it.
        when: in which case it is needed, in words; empty for always.
    """

    module: str
    extra: str
    when: str = ""


@dataclass(frozen=True, kw_only=True)
class GeneratorAdapter:
    """A way to reach generators.

    Attributes:
        kind: what a file names it by.
        about: what it reaches, in a line.
        factory: makes the `protocol.Generator` of the keys of a file, and of `device` and `base` (folder of the file),
            which it is given where it takes them by name or has a `**` argument. Its docstring says what the keys are.
        look: says what a generator will be and what it still needs, without its weights; None where making it is cheap
            and is how one looks.
        needs: packages it imports that not everybody has.
        order: place among the adapters, lowest first.
    """

    kind: str
    about: str
    factory: Callable[..., Any]
    look: Callable[[Definition], DryRun] | None = None
    needs: tuple[Need, ...] = ()
    order: int = 100

    def keys(self) -> dict[str, str]:
        """Keys of its files -> what they say, in order; besides them a file may state all fields of `protocol.Info`."""
        parameters = inspect.signature(self.factory).parameters.values()
        told = _argument_docs(inspect.getdoc(self.factory) or "")
        named = (one.name for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL))
        return {name: told.get(name, "") for name in named if name not in GIVEN}


def _argument_docs(text: str) -> dict[str, str]:
    """Argument -> what a docstring says of it under `Args:`, on one line."""
    lines = iter(text.splitlines())
    told: dict[str, str] = {}
    name = ""
    for line in lines:
        if line.strip() == "Args:":
            break
    for line in lines:
        if line and not line.startswith(" "):
            break
        start = re.match(r"    (\*{0,2}\w+): (.*)", line)
        if start:
            name = start[1]
            told[name] = start[2]
        elif line.strip() and name:
            told[name] += f" {line.strip()}"
    return told
