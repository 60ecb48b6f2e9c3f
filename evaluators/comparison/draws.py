"""Fair draws of two sets: equally many pictures of each, of the same classes in the same numbers, several times.

A picture's place in a draw is a hash of the seed, the draw and the picture itself, so neither the order of the rows nor
anything else that is compared decides which are taken. A picture that both sets hold is drawn for one of them only.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from relaionet.manifests.errors import BadInput

VERSION = "1"
NO_CLASS = ""
"""Class of a picture whose class nobody says."""
MIN_PER_CLASS = 2
"""Pictures of a class on each side without which nothing can be said about the class."""


@dataclass(frozen=True, kw_only=True)
class DrawConfig:
    """How the pictures that are compared are drawn.

    Attributes:
        draws: how often; where all pictures of both sets are taken anyway, once.
        count: pictures of each set at most, about.
        seed: another one draws other pictures.
    """

    draws: int = 5
    count: int = 5000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise BadInput(f"draws = {self.draws}: expected 1 or more.")
        if self.count < 2 * MIN_PER_CLASS:
            raise BadInput(f"count = {self.count}: expected {2 * MIN_PER_CLASS} or more pictures of each set.")


@dataclass(frozen=True, eq=False)
class Labelled:
    """What draws know of a set.

    Attributes:
        wnids: class of each picture.
        keys: what each picture is; a picture in both sets has one key in both.
        ids: of the pictures, distinct within the set.
    """

    wnids: Sequence[str]
    keys: Sequence[str]
    ids: Sequence[str]


@dataclass(frozen=True, eq=False)
class Draw:
    """Rows of either set, equally many.

    Attributes:
        one: [n] int64, rows of the first set, sorted by class, then id.
        other: [n] int64, rows of the second.
    """

    one: np.ndarray
    other: np.ndarray


@dataclass(frozen=True, eq=False)
class Draws:
    """All draws of two sets.

    Attributes:
        mix: `equal` number of pictures of each class, or classes as they are (`any`).
        draws: of one size; none where the sets have too few in common.
        counts: wnid -> pictures of each side in a draw; empty for `any`.
    """

    mix: Literal["equal", "any"]
    draws: tuple[Draw, ...]
    counts: Mapping[str, int]

    @property
    def n(self) -> int:
        """Pictures of each set in a draw."""
        return len(self.draws[0].one) if self.draws else 0


def draw_equal_mix(one: Labelled, other: Labelled, config: DrawConfig) -> Draws:
    """Equally many pictures of each class from both sets, of the classes with two on either side."""
    pools = [_split_shared(one, other, config.seed, draw) for draw in range(config.draws)]
    named = [[_by_class(side, rows) for side, rows in zip((one, other), pool, strict=True)] for pool in pools]
    classes = sorted((set(one.wnids) & set(other.wnids)) - {NO_CLASS})
    most = {
        wnid: min(len(side.get(wnid, ())) for pool in named for side in pool) for wnid in classes
    }  # fmt: skip
    most = {wnid: count for wnid, count in most.items() if count >= MIN_PER_CLASS}
    counts = _limit(most, config.count)
    if not counts:
        return Draws("equal", (), {})
    made = []
    for draw, pool in enumerate(named):
        rows = [
            np.concatenate([_choose(side, found[wnid], count, config.seed, draw) for wnid, count in counts.items()])
            for side, found in zip((one, other), pool, strict=True)
        ]
        made.append(Draw(*rows))
    return Draws("equal", _distinct(made), counts)


def draw_any_mix(one: Labelled, other: Labelled, config: DrawConfig) -> Draws:
    """Equally many pictures of both sets, whatever their classes."""
    first, second = (Labelled([NO_CLASS] * len(side.ids), side.keys, side.ids) for side in (one, other))
    pools = [_split_shared(first, second, config.seed, draw) for draw in range(config.draws)]
    n = min([config.count, *(len(rows) for pool in pools for rows in pool)])
    if n < 2 * MIN_PER_CLASS:
        return Draws("any", (), {})
    made = [
        Draw(*(_choose(side, rows, n, config.seed, draw) for side, rows in zip((one, other), pool, strict=True)))
        for draw, pool in enumerate(pools)
    ]
    return Draws("any", _distinct(made), {})


def _split_shared(one: Labelled, other: Labelled, seed: int, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows either set may draw from: of pictures that both hold, each is left to one of them, so as to even out."""
    shared = set(one.keys) & set(other.keys)
    if not shared:
        return np.arange(len(one.keys)), np.arange(len(other.keys))
    first, second = (dict(zip(side.keys, side.wnids, strict=True)) for side in (one, other))
    only = [
        Counter(wnid for key, wnid in zip(side.keys, side.wnids, strict=True) if key not in shared)
        for side in (one, other)
    ]
    groups: dict[tuple[str, str], list[str]] = {}
    for key in sorted(shared, key=lambda key: _place(key, seed, draw)):
        groups.setdefault((first[key], second[key]), []).append(key)
    taken: set[str] = set()
    for (wnid, other_wnid), keys in groups.items():
        lack = only[1][other_wnid] - only[0][wnid] + len(keys)
        taken |= set(keys[: min(max((lack + 1) // 2, 0), len(keys))])
    return (
        np.array([row for row, key in enumerate(one.keys) if key not in shared or key in taken], np.int64),
        np.array([row for row, key in enumerate(other.keys) if key not in taken], np.int64),
    )


def _by_class(side: Labelled, rows: np.ndarray) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row in rows.tolist():
        found.setdefault(side.wnids[row], []).append(row)
    return found


def _limit(counts: Mapping[str, int], most: int) -> dict[str, int]:
    """The counts, in proportion where they are more than `most` in all."""
    total = sum(counts.values())
    if total <= most:
        return dict(counts)
    return {wnid: max(MIN_PER_CLASS, count * most // total) for wnid, count in counts.items()}


def _choose(side: Labelled, rows: Sequence[int] | np.ndarray, count: int, seed: int, draw: int) -> np.ndarray:
    """`count` of the rows by their places in the draw, in the order of class and id."""
    chosen = sorted(map(int, rows), key=lambda row: _place(side.ids[row], seed, draw))[:count]
    return np.array(sorted(chosen, key=lambda row: (side.wnids[row], side.ids[row])), np.int64)


def _place(name: str, seed: int, draw: int) -> bytes:
    return hashlib.blake2b(f"{seed}:{draw}:{name}".encode(), digest_size=16).digest()


def _distinct(draws: Sequence[Draw]) -> tuple[Draw, ...]:
    """One draw where all are the same pictures."""
    first = draws[0]
    same = all(np.array_equal(first.one, one.one) and np.array_equal(first.other, one.other) for one in draws[1:])
    return (first,) if same else tuple(draws)
