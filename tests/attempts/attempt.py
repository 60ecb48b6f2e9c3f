"""One thing a stranger might send, and what must become of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Something hostile that is given to the real code.

    Attributes:
        name: what it is, in a few words; once per kind.
        kind: heading of the table it stands in.
        input_shown: the input or its telling part; any text: the table makes it visible and cuts it.
        expected: what must happen.
        run: tries it in a fresh folder of its own and returns what happened, in words that are the same on every
            machine: no paths, ports, times or texts of libraries that change. It raises when the attempt got in:
            AssertionError where it looked, anything else where nobody expected it.
    """

    name: str
    kind: str
    input_shown: str
    expected: str
    run: Callable[[Path], str]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of an attempt.

    Attributes:
        name: of the attempt.
        kind: of the attempt.
        happened: what `run` returned, or how it got in.
        way_in: it got in, took more than is allowed, or ended its process.
        cpu_s: seconds of processor time, with those of the processes it started.
        peak_bytes: most memory its process held while it ran, or a process it started.
    """

    name: str
    kind: str
    happened: str
    way_in: bool
    cpu_s: float
    peak_bytes: int


def family(
    kind: str, expected: str, attempt: Callable[[Path, T], str], inputs: Mapping[str, T],
    *, show: Callable[[T], str] = str,
) -> list[Attempt]:  # fmt: skip
    """Attempts that differ in their input alone.

    Args:
        kind: heading of the table they stand in.
        expected: what must happen.
        attempt: tries one input in a folder and returns what happened.
        inputs: what each is called -> the input.
        show: the input, or its telling part, as the table shows it.
    """
    return [
        Attempt(
            name=name, kind=kind, input_shown=show(value), expected=expected, run=partial(_try_input, attempt, value)
        )
        for name, value in inputs.items()
    ]


def _try_input(attempt: Callable[[Path, T], str], value: T, folder: Path) -> str:
    return attempt(folder, value)
