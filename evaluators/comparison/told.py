"""What a reader of a comparison must know: what was drawn, and what one of the sets lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from relaionet.evaluators.comparison.draws import MIN_PER_CLASS, NO_CLASS, Draws
from relaionet.evaluators.comparison.sets import ComparedSet
from relaionet.manifests.labels import labels_by_wnid

SHOWN = 5


def tell_classes(one: ComparedSet, other: ComparedSet, equal: Draws | None) -> list[str]:
    """Which classes could not be compared, and why.

    Args:
        one: the first set.
        other: the second.
        equal: what was drawn at equal class mix; None where nothing was.
    """
    counts = [Counter(wnid for wnid in side.wnids if wnid != NO_CLASS) for side in (one, other)]
    said = []
    for side, own, others in ((one, counts[0], counts[1]), (other, counts[1], counts[0])):
        alone = sorted(set(own) - set(others))
        if alone:
            pictures = sum(own[wnid] for wnid in alone)
            said.append(
                f"{_many(len(alone), 'class', 'classes')} of {_many(pictures, 'picture', 'pictures')} in {side.name} "
                f"alone, first {name_classes(alone)}: left out wherever the class mix is equal."
            )
    common = set(counts[0]) & set(counts[1])
    compared = set(equal.counts) if equal is not None else set()
    few = sorted(common - compared)
    if few and compared:
        said.append(
            f"{_many(len(few), 'class', 'classes')} that both sets have with fewer than {MIN_PER_CLASS} pictures to "
            f"draw on a side, first {name_classes(few)}: left out wherever the class mix is equal."
        )
    if not compared:
        why = f"none of the {len(common)} classes both have has {MIN_PER_CLASS} pictures to draw on each side"
        said.append(
            f"Nothing is said at equal class mix: {why if common else 'no class is in both sets'}. What is said of "
            "the classes as they are holds what their difference in classes makes, too."
        )
    return said


def tell_draws(one: ComparedSet, other: ComparedSet, draws: Draws) -> list[str]:
    """How many pictures were drawn of how many, where that is not all of them."""
    shared = set(one.keys) & set(other.keys)
    how = "of each class as many" if draws.mix == "equal" else "whatever their classes"
    drawn = (
        f"{draws.n:,} pictures of each set, {how}, of {len(one.ids):,} in {one.name} and {len(other.ids):,} in "
        f"{other.name}; {_many(len(draws.draws), 'draw', 'draws')}."
    )
    said = [drawn]
    if shared:
        said.append(
            f"{_many(len(shared), 'picture is', 'pictures are')} in both sets: a draw takes each for one of them only, "
            "so that no picture is compared with itself."
        )
    return said


def name_classes(wnids: Sequence[str]) -> str:
    """The first of some classes by name and wnid."""
    labels = labels_by_wnid()
    named = (f"{labels[wnid].name} ({wnid})" if wnid in labels else wnid for wnid in wnids[:SHOWN])
    return ", ".join(named) + (", …" if len(wnids) > SHOWN else "")


def _many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
