"""Everything that is measured of two sets in one representation, over all draws of one kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from relaionet.evaluators.comparison.distances import (
    Classes,
    classes_both,
    frechet_both,
    frechet_floor,
    kernel_both,
    mean_of_classes,
    neighbours_both,
    neighbours_floor,
)
from relaionet.evaluators.comparison.draws import NO_CLASS, Draw, Draws
from relaionet.evaluators.comparison.geometry import measure_density, measure_rank, measure_similarity
from relaionet.evaluators.comparison.joined import BothWays, Joined, join_both, join_one
from relaionet.evaluators.comparison.measures import (
    CLASS_KD,
    DENSITY,
    FD,
    KD,
    PRECISION,
    RANK,
    RECALL,
    SIMILARITY,
    Measure,
)
from relaionet.evaluators.comparison.rows import DrawnRows
from relaionet.evaluators.comparison.sets import ComparedSet
from relaionet.evaluators.metrics.estimate import Estimate

FLOORS_COUNT = 3
"""Ways at least in which both sets are dealt out anew for a floor."""


@dataclass(frozen=True, eq=False)
class Cut:
    """Features of the pictures of one draw.

    Attributes:
        one: [n, D] of the first set.
        other: [n, D] of the second.
        classes: of the rows of either; None where classes are as they are.
        fixed: classes whose numbers are no accident of the draw: those of equal mix, and those of a set that is taken
            whole; of a set of which some is taken at random, one name for all.
    """

    one: np.ndarray
    other: np.ndarray
    classes: Classes
    fixed: tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pair:
    """Two sets in one representation with what was drawn of them.

    Attributes:
        one: the first set.
        other: the second.
        representation: whose features are looked at.
        draws: what was drawn.
        k: which nearest picture counts.
        seed: of the shuffles.
    """

    one: ComparedSet
    other: ComparedSet
    representation: str
    draws: Draws
    k: int
    seed: int

    def cuts(self) -> list[Cut]:
        """Features of every draw."""
        return [self._cut(draw) for draw in self.draws.draws]

    def _cut(self, draw: Draw) -> Cut:
        sides = ((self.one, draw.one), (self.other, draw.other))
        first, second = (np.asarray(side.features[self.representation][rows], np.float32) for side, rows in sides)
        one, other = ([side.wnids[row] for row in rows.tolist()] for side, rows in sides)
        if self.draws.mix == "equal":
            return Cut(first, second, (one, other), (one, other))
        fixed = [names if len(names) == len(side.ids) else [NO_CLASS] * len(names)
                 for names, (side, _) in zip((one, other), sides, strict=True)]  # fmt: skip
        return Cut(first, second, None, (fixed[0], fixed[1]))

    def join(self, found: Sequence[BothWays], wnid: str = "") -> Joined:
        """A number of both sets, or of one class of both, over the draws."""
        return join_both(found, self._of_class(wnid), self.one.labelled, self.other.labelled)

    def shapes(self, found: tuple[Sequence[Estimate], Sequence[Estimate]], wnid: str = "") -> tuple[Joined, Joined]:
        """A number of each set over the draws."""
        draws = self._of_class(wnid)
        return (
            join_one(found[0], [draw.one for draw in draws.draws], draws, self.one.labelled),
            join_one(found[1], [draw.other for draw in draws.draws], draws, self.other.labelled),
        )

    def _of_class(self, wnid: str) -> Draws:
        if not wnid:
            return self.draws
        names = list(self.draws.counts)
        start = sum(self.draws.counts[name] for name in names[: names.index(wnid)])
        part = slice(start, start + self.draws.counts[wnid])
        some = tuple(Draw(draw.one[part], draw.other[part]) for draw in self.draws.draws)
        return Draws("equal", some, {wnid: self.draws.counts[wnid]})


def measure_pair(pair: Pair, into: DrawnRows) -> None:
    """Measure two sets in one representation.

    Args:
        pair: the sets and what was drawn of them; draws of equal mix are also measured class by class.
        into: what the rows are added to.
    """
    cuts = pair.cuts()
    into.add(FD, pair.join([frechet_both(cut.one, cut.other, cut.classes) for cut in cuts]),
             floors=_floors(cuts, pair.seed, frechet_floor))  # fmt: skip
    into.add(
        KD, pair.join([kernel_both(cut.one, cut.other, cut.fixed, stratified=cut.classes is not None) for cut in cuts])
    )
    if pair.draws.n > pair.k:
        near = [neighbours_both(cut.one, cut.other, pair.k) for cut in cuts]
        floors = _floors(cuts, pair.seed, partial(neighbours_floor, k=pair.k))
        for place, measure in enumerate((PRECISION, RECALL)):
            into.add(measure, pair.join([both[place] for both in near]), floors=floors)
    if pair.draws.n > pair.k + 1:
        _add_shape(pair, into, DENSITY, cuts, lambda rows: measure_density(rows, pair.k))
    _add_shape(pair, into, RANK, cuts, measure_rank)
    if pair.draws.mix == "equal":
        _measure_classes(pair, into, cuts)


def _floors(
    cuts: Sequence[Cut], seed: int, measure: Callable[[np.ndarray, np.ndarray, Classes, int], float]
) -> list[float]:
    """A distance of both sets dealt out anew, once for each draw and at least `FLOORS_COUNT` times."""
    times = max(len(cuts), FLOORS_COUNT)
    return [
        measure(cut.one, cut.other, cut.classes, seed * 1000 + time)
        for time, cut in ((time, cuts[time % len(cuts)]) for time in range(times))
    ]


def _add_shape(
    pair: Pair, into: DrawnRows, measure: Measure, cuts: Sequence[Cut], find: Callable[[np.ndarray], Estimate]
) -> None:
    first, second = pair.shapes(([find(cut.one) for cut in cuts], [find(cut.other) for cut in cuts]))
    _add_three(into, measure, first, second)


def _add_three(
    into: DrawnRows, measure: Measure, one: Joined, other: Joined, part: str = "", n: int | None = None
) -> None:
    into.add(measure, one, "A", part=part, n=n)
    into.add(measure, other, "B", part=part, n=n)
    into.add(measure, one.less(other), "A − B", part=part, n=n)


def _measure_classes(pair: Pair, into: DrawnRows, cuts: Sequence[Cut]) -> None:
    """What is measured within classes: the mean over them, then each."""
    apart, alike = [], []
    for cut in cuts:
        if cut.classes is not None:
            apart.append(classes_both(cut.one, cut.other, cut.classes))
            alike.append(
                [measure_similarity(rows, names) for rows, names in zip((cut.one, cut.other), cut.classes, strict=True)]
            )
    into.add(CLASS_KD, pair.join([mean_of_classes(found) for found in apart]))
    wholes = tuple([found[side][0] for found in alike] for side in (0, 1))
    _add_three(into, SIMILARITY, *pair.shapes((wholes[0], wholes[1])))
    for wnid, count in pair.draws.counts.items():
        into.add(CLASS_KD, pair.join([found[wnid] for found in apart], wnid), part=wnid, n=count)
        parts = tuple([found[side][1][wnid] for found in alike] for side in (0, 1))
        _add_three(into, SIMILARITY, *pair.shapes((parts[0], parts[1]), wnid), wnid, count)
