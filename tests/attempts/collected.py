"""All attempts, found by their modules."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import tests.attempts
from tests.attempts.attempt import Attempt


@cache
def attempt_modules() -> tuple[str, ...]:
    """Names of the modules here and in folders here that may hold attempts, sorted; none of them is imported."""
    own = {"attempt", "collected", "trial", "table", "test_attempts", "test_trial", "__main__"}
    start = f"{tests.attempts.__name__}."
    found = pkgutil.walk_packages(tests.attempts.__path__, start)
    return tuple(
        sorted(
            one.name.removeprefix(start) for one in found if not one.ispkg and one.name.removeprefix(start) not in own
        )
    )


def attempts_of(module: str) -> list[Attempt]:
    """The attempts of a module; none where it declares none."""
    return list(getattr(importlib.import_module(f"tests.attempts.{module}"), "ATTEMPTS", ()))
