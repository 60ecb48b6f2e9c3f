"""What a flow is handed beside its parameters.

Prefect sends a flow's parameters to its server and stores them, so they are plain and small: paths, names, numbers.
What is none of that (a run with its reporter, a recipe made in memory, a plan, a client with its key, a proxy whose
address may hold a password) is handed over in the process and seen by nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
_handed: ContextVar[object] = ContextVar("handed", default=None)


@contextmanager
def handing(work: object) -> Iterator[None]:
    """Hand something to the flow that is called inside.

    Args:
        work: what it works with, of a type that only this flow asks for.
    """
    token = _handed.set(work)
    try:
        yield
    finally:
        _handed.reset(token)


def handed(kind: type[T]) -> T | None:
    """What was handed to the flow that asks; None where it was called with its parameters alone.

    Args:
        kind: its type; what was handed to a flow around this one is of another.
    """
    work = _handed.get()
    return work if isinstance(work, kind) else None
