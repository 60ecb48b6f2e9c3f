"""All attempts, found by their modules."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

import tests.attempts
from tests.attempts.attempt import Attempt

DECLARED = re.compile(r"^ATTEMPTS\b", re.MULTILINE)


@cache
def attempt_modules() -> tuple[str, ...]:
    """Names of the modules and packages in here that declare `ATTEMPTS`, sorted; none of them is imported."""
    root = Path(tests.attempts.__file__).parent
    found = (path for path in root.rglob("*.py") if DECLARED.search(path.read_text(encoding="utf-8")))
    return tuple(
        sorted(".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in found)
    )


def attempts_of(module: str) -> list[Attempt]:
    """The attempts that a module declares."""
    return list(importlib.import_module(f"tests.attempts.{module}").ATTEMPTS)
