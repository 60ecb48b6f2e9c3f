"""Two sets of pictures compared: how far apart, in which classes, of what shape, in several representations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from relaionet.evaluators.comparison.draws import MIN_PER_CLASS, DrawConfig, Draws, draw_any_mix, draw_equal_mix
from relaionet.evaluators.comparison.measured import Pair, measure_pair
from relaionet.evaluators.comparison.rows import DrawnRows, Rows, swap_sides
from relaionet.evaluators.comparison.sets import ComparedSet
from relaionet.evaluators.comparison.told import tell_classes, tell_draws
from relaionet.manifests.errors import BadInput

VERSION = "1"
Mix = Literal["both", "equal", "any"]


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """How two sets are compared.

    Attributes:
        draw: how the pictures are drawn.
        mix: `equal` number of pictures of each class on both sides, classes as they are (`any`), or `both` of these,
            as far as the sets allow it.
        k: which nearest picture is the edge of a ball, and whose distance is the density's.
    """

    draw: DrawConfig = field(default_factory=DrawConfig)
    mix: Mix = "both"
    k: int = 3

    def __post_init__(self) -> None:
        if self.mix not in ("both", "equal", "any"):
            raise BadInput(f"mix = '{self.mix}': expected both, equal or any.")
        if self.k < 1:
            raise BadInput(f"k = {self.k}: expected 1 or more.")


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """What came of it.

    Attributes:
        rows: SHIFTS.
        drawn: sentences on what was drawn of what.
        lacks: sentences on what one of the sets has not, and what is therefore not said.
        counts: wnid -> pictures of the class on each side, where the class mix is equal.
    """

    rows: pl.DataFrame
    drawn: tuple[str, ...]
    lacks: tuple[str, ...]
    counts: Mapping[str, int]


def compare_pair(
    one: ComparedSet, other: ComparedSet, config: CompareConfig | None = None, say: Callable[[str], None] | None = None
) -> Comparison:
    """Compare two sets at equal number, and at equal class mix, in every representation both have.

    Exchanging the sets exchanges A and B and nothing else; the order of the rows decides nothing.

    Args:
        one: the first set, A.
        other: the second, B, mostly the better known one.
        config: how.
        say: called with the name of each representation before it is measured.

    Returns:
        SHIFTS rows of the sets as wholes and, at equal mix, of each class.

    Raises:
        BadInput: the sets are too small, share no representation, or cannot be compared in the way asked for.
    """
    config = config or CompareConfig()
    first, second = (other, one) if other.digest < one.digest else (one, other)
    names = [name for name in one.features if name in other.features]
    if not names:
        raise BadInput(f"{one.name} and {other.name} share no representation; extract the same features of both.")
    draws = _draw(first, second, config)
    rows = Rows(one=first.name, other=second.name)
    for name in names:
        if say is not None:
            say(name)
        for drawn in draws:
            pair = Pair(
                one=first, other=second, representation=name, draws=drawn, k=config.k, seed=config.draw.seed
            )  # fmt: skip
            measure_pair(pair, DrawnRows(rows=rows, representation=name, draws=drawn))
    equal = next((drawn for drawn in draws if drawn.mix == "equal"), None)
    lacks = tell_classes(one, other, equal) if config.mix != "any" else []
    told = tuple(dict.fromkeys(line for drawn in draws for line in tell_draws(one, other, drawn)))
    frame = rows.frame() if first is one else swap_sides(rows.frame())
    return Comparison(rows=frame, drawn=told, lacks=tuple(lacks), counts=equal.counts if equal else {})


def _draw(one: ComparedSet, other: ComparedSet, config: CompareConfig) -> list[Draws]:
    """What can be drawn of what was asked for."""
    made = []
    if config.mix in ("both", "equal"):
        made.append(draw_equal_mix(one.labelled, other.labelled, config.draw))
    if config.mix in ("both", "any"):
        made.append(draw_any_mix(one.labelled, other.labelled, config.draw))
    there = [draws for draws in made if draws.n]
    if there:
        return there
    if config.mix == "equal":
        common = set(one.wnids) & set(other.wnids)
        why = f"{len(common)} classes are in both, none with {MIN_PER_CLASS} pictures to draw on each side"
        raise BadInput(
            f"{one.name} and {other.name} cannot be compared at equal class mix: "
            f"{why if common else 'no class is in both'}. mix 'any' compares them with their classes as they are."
        )
    raise BadInput(
        f"{one.name} has {len(one.ids)} pictures and {other.name} {len(other.ids)}: too few to compare; expected "
        f"{2 * MIN_PER_CLASS} or more on each side that are not in both."
    )
