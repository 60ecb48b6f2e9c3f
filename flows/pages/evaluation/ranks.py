"""Which sets the numbers tell apart: the best, what ties with it, and the ranks that hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from relaionet.evaluators.metrics.lookup import is_lower_better, is_ranked
from relaionet.evaluators.scoring.missing import count_missing
from relaionet.evaluators.scoring.score import REAL
from relaionet.evaluators.set_labels import add_labels
from relaionet.flows.pages.evaluation.pairs import LEVEL


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How the sets that compete stand under one metric; sets that lack images do not.

    Attributes:
        best: label of the set with the best value, the first of several; empty where none competes.
        equals: labels of all sets with that value.
        ties: labels of those with another value that cannot be told from it.
        ranks: label -> (first, last) place it may have: behind those shown to be better, before those shown worse.
        order: labels, best value first.
    """

    best: str = ""
    equals: frozenset[str] = frozenset()
    ties: frozenset[str] = frozenset()
    ranks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    order: tuple[str, ...] = ()


def rank_sets(
    scores: pl.DataFrame, metric: str, roles: Mapping[str, str], differences: pl.DataFrame | None = None
) -> Standing:
    """Rank the sets of one split under one metric, no finer than their differences hold.

    Args:
        scores: SCORES rows of one split and protocol, of any metrics.
        metric: its name.
        roles: generator -> its role; sets with one do not compete.
        differences: DIFFERENCES rows of the same. Two sets are told apart where the corrected p-value of their
            difference is below `LEVEL`; where their difference is not known, where their intervals do not meet.
    """
    missing = count_missing(scores)
    rows = add_labels(scores.filter(pl.col("metric") == metric, ~pl.col("generator").is_in([REAL, *roles])))
    rows = rows.filter(~pl.col("label").is_in([label for label, count in missing.items() if count]))
    if rows.is_empty() or not is_ranked(metric):
        return Standing()
    lower = is_lower_better(metric)
    rows = rows.sort("value", descending=not lower, maintain_order=True)
    order, values = rows["label"].to_list(), rows["value"].to_list()
    ends = list(rows.select("low", "high").iter_rows())
    known = _read_apart(differences, metric)

    def apart(one: int, other: int) -> bool:
        if values[one] == values[other]:
            return False
        pair = frozenset((order[one], order[other]))
        if pair in known:
            return known[pair]
        (low, high), (least, most) = ends[one], ends[other]
        return None not in (low, high, least, most) and (high < least or most < low)

    count = len(order)
    ranks = {
        order[one]: (
            1 + sum(apart(one, other) for other in range(one)),
            count - sum(apart(one, other) for other in range(one + 1, count)),
        )
        for one in range(count)
    }
    equals = frozenset(label for label, value in zip(order, values, strict=True) if value == values[0])
    ties = frozenset(order[other] for other in range(1, count) if not apart(0, other)) - equals
    return Standing(best=order[0], equals=equals, ties=ties, ranks=ranks, order=tuple(order))


def _read_apart(differences: pl.DataFrame | None, metric: str) -> dict[frozenset[str], bool]:
    """(one, other) -> whether they are told apart."""
    if differences is None:
        return {}
    rows = differences.filter(metric=metric).select("one", "other", "p_holm")
    return {frozenset((one, other)): p_holm is not None and p_holm < LEVEL for one, other, p_holm in rows.iter_rows()}


def say_rank(rank: tuple[int, int] | None) -> str:
    """The places a set may have, as tables give them: 2, or 2–4; a dash where it has none."""
    if rank is None:
        return "–"
    first, last = rank
    return f"{first}" if first == last else f"{first}–{last}"
