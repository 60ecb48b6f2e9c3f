"""All attempts, found by their modules."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import tests.attempts
from tests.attempts.attempt import Attempt


@cache
def attempt_modules() -> tuple[str, ...]:
    """Names of the modules that may hold attempts, sorted; none of them is imported."""
    own = {"attempt", "collected", "trial", "table", "test_attempts", "__main__"}
    return tuple(sorted(found.name for found in pkgutil.iter_modules(tests.attempts.__path__) if found.name not in own))


def attempts_of(module: str) -> list[Attempt]:
    """The attempts of a module; none where it declares none."""
    return list(getattr(importlib.import_module(f"tests.attempts.{module}"), "ATTEMPTS", ()))
