"""Plain sentences about scores, computed from them: what guidance and steps change, and whether the bounds hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from relaionet.evaluators.metrics.catalogue import ALIGNMENTS, DISTANCES
from relaionet.evaluators.metrics.lookup import is_lower_better
from relaionet.evaluators.scoring.score import REAL
from relaionet.evaluators.set_labels import count_steps
from relaionet.flows.pages.charts.chart import format_number
from relaionet.flows.pages.evaluation.pairs import measure_agreement
from relaionet.flows.pages.evaluation.ranks import rank_sets, say_rank
from relaionet.manifests.words import format_count, say_count

PAPER = "arXiv 2603.14186"
COMPARED = {
    "guidance": "A comparison is one generator at one number of steps, from its lowest guidance to its highest.",
    "steps": "A comparison is one generator at one guidance, from its fewest steps to its most.",
}
"""What was varied -> what a comparison along it is."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One metric from the lowest to the highest setting.

    Attributes:
        metric: its name.
        before: at the lowest setting.
        after: at the highest setting.
        verdict: `better`, `worse`, or `unclear` where the two intervals overlap.
        best_at: the setting with the best value.
    """

    metric: str
    before: float
    after: float
    verdict: str
    best_at: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One generator along guidance (steps held) or along steps (guidance held)."""

    generator: str
    along: str
    held: float
    low: float
    high: float
    changes: Sequence[Change]

    def verdict(self, metrics: Sequence[str]) -> str | None:
        """Verdict on the first of the metrics that was scored."""
        return next((change.verdict for change in self.changes if change.metric in metrics), None)


def compare_settings(scores: pl.DataFrame, along: str, metrics: Sequence[str]) -> list[Comparison]:
    """Compare the lowest with the highest guidance (or steps) of every generator scored at two or more.

    Args:
        scores: SCORES rows of one split and protocol.
        along: `guidance` or `steps`.
        metrics: which to compare, in order.
    """
    held = "steps" if along == "guidance" else "guidance"
    found = []
    for (generator, fixed), rows in scores.sort("generator", held).group_by(["generator", held], maintain_order=True):
        settings = rows[along].unique().sort().to_list()
        if len(settings) < 2:
            continue
        changes = [_change(rows.filter(metric=metric), along) for metric in metrics if metric in rows["metric"]]
        found.append(
            Comparison(
                generator=str(generator),
                along=along,
                held=float(fixed),
                low=settings[0],
                high=settings[-1],
                changes=changes,
            )
        )
    return found


def _change(rows: pl.DataFrame, along: str) -> Change:
    rows = rows.sort(along)
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    metric, lower = first["metric"], is_lower_better(first["metric"])
    overlap = True
    if None not in (first["low"], first["high"], last["low"], last["high"]):
        overlap = first["low"] <= last["high"] and last["low"] <= first["high"]
    rose = last["value"] > first["value"]
    best = rows.sort("value", descending=not lower).row(0, named=True)
    return Change(
        metric=metric,
        before=first["value"],
        after=last["value"],
        verdict="unclear" if overlap else "better" if rose != lower else "worse",
        best_at=best[along],
    )


def conclude_settings(found: Sequence[Comparison], along: str) -> str:
    """One or two sentences on whether a setting trades distance for alignment here, as the paper describes, or not.

    Args:
        found: from `compare_settings`.
        along: `guidance` or `steps`.
    """
    if not found:
        what = "two guidance scales" if along == "guidance" else "two numbers of steps"
        return f"No generator was scored at {what}, so this run says nothing about {along}."
    pairs = [(one.verdict(DISTANCES), one.verdict(ALIGNMENTS)) for one in found]
    total, more = len(pairs), f"more {along}"
    ends = ("improves", "worsens") if along == "guidance" else ("improve", "worsen")
    better, worse = ends
    traded = pairs.count(("worse", "better"))
    reversed_ = pairs.count(("better", "worse"))
    parts = [
        (traded, f"{more} {better} alignment and {worse} the distance"),
        (reversed_, f"{more} {better} the distance and {worse} alignment"),
        (pairs.count(("better", "better")), f"{more} {better} both"),
        (pairs.count(("worse", "worse")), f"{more} {worse} both"),
    ]
    unclear = total - sum(count for count, _ in parts)
    parts.append((unclear, "at least one of the two stays within its interval"))
    said = "; ".join(f"{text} in {count:,} of {say_count(total, 'comparison')}" for count, text in parts if count)
    text = f"{said}. {COMPARED[along]}"
    shown = _show_example(found, pairs, max(set(pairs), key=pairs.count))
    if traded or reversed_:
        return (
            f"What {PAPER} describes shows here: {text} {shown} A ranking by distance alone would pick images that "
            "agree less with the class they were asked for."
        )
    return f"The trade {PAPER} describes, distance against alignment, does not show here: {text} {shown}"


def _show_example(found: Sequence[Comparison], pairs: Sequence[object], usual: object) -> str:
    """The numbers of the last comparison with the usual outcome (the one with the most steps of its generator)."""
    one = [comparison for comparison, pair in zip(found, pairs, strict=True) if pair == usual][-1]
    changes = {change.metric: change for change in one.changes}
    moved = [
        f"{metric} from {format_number(changes[metric].before)} to {format_number(changes[metric].after)}"
        for metric in (*DISTANCES, *ALIGNMENTS)
        if metric in changes
    ]
    held = f"guidance {one.held:g}" if one.along == "steps" else count_steps(one.held) if one.held else ""
    with_held = f" at {held}" if held else ""
    text = f"With {one.generator}{with_held}, {one.along} {one.low:g} to {one.high:g}"
    return f"{text} moves {' and '.join(moved)}." if one.along == "guidance" else f"{text} move {' and '.join(moved)}."


def conclude_ranking(scores: pl.DataFrame, roles: Mapping[str, str], differences: pl.DataFrame | None = None) -> str:
    """How alike distance and alignment order the sets, in one sentence; empty where there is nothing to order.

    Args:
        scores: SCORES rows of one split and protocol.
        roles: generator -> its role; sets with one are left out.
        differences: DIFFERENCES rows of the same, from which it is known what can be told apart.
    """
    names = [
        next((name for name in group if (scores["metric"] == name).any()), "") for group in (DISTANCES, ALIGNMENTS)
    ]
    agreement = measure_agreement(scores, roles, names) if all(names) else None
    if agreement is None or agreement.taus[0][1] is None:
        return ""
    tau, (distance, alignment) = agreement.taus[0][1], names
    closest, aligned = (rank_sets(scores, name, roles, differences) for name in names)
    if not closest.best:
        return ""
    blurred = [
        name
        for name, one in zip(names, (closest, aligned), strict=True)
        if all(rank == (1, len(one.order)) for rank in one.ranks.values())
    ]
    if blurred:
        return f"By {' and by '.join(blurred)} no set can be told from another, so that order says nothing."
    place = say_rank(aligned.ranks.get(closest.best))
    others = len(closest.ties | closest.equals) - 1
    more = f" (and {format_count(others)} more that cannot be told from it)" if others else ""
    words = ((0.6, "much alike"), (0.2, "partly alike"), (-0.2, "hardly alike"), (-2, "nearly opposite"))
    how = next(word for least, word in words if tau > least)
    return (
        f"{distance} and {alignment} put {say_count(agreement.n, 'set')} in orders that are {how} (Kendall's τ "
        f"{tau:.2f}; 1 is the same order, 0 none, −1 the reverse): the best by {distance}, {closest.best}{more}, "
        f"holds place {place} of {len(aligned.order)} by {alignment}."
    ).replace("τ -", "τ −")


def check_bounds(scores: pl.DataFrame, roles: Mapping[str, str]) -> list[tuple[str, bool]]:
    """Do the upper and lower bound enclose every generator's distance to the split, outside the intervals?

    Args:
        scores: SCORES rows of one split and protocol.
        roles: generator -> `upper bound` or `lower bound`.

    Returns:
        (sentence, whether it holds), one for each bound there is.
    """
    metric = next((name for name in DISTANCES if (scores["metric"] == name).any()), None)
    rows = scores.filter(pl.col("metric") == metric, pl.col("generator") != REAL)
    between = rows.filter(~pl.col("generator").is_in(list(roles)))
    checks = []
    for name, role in roles.items():
        bound = rows.filter(generator=name)
        if bound.is_empty() or between.is_empty():
            continue
        least, most = (float(between[end].sort()[place]) for end, place in (("low", 0), ("high", -1)))
        own_least, own_most = (float(bound[end].sort()[place]) for end, place in (("low", 0), ("high", -1)))
        if role == "upper bound":
            text = f"is at most {format_number(own_most)}, of every trained generator at least {format_number(least)}"
            checks.append((f"upper bound: {metric} of {name} {text}", own_most < least))
        else:
            text = f"is at least {format_number(own_least)}, of every trained generator at most {format_number(most)}"
            checks.append((f"lower bound: {metric} of {name} {text}", own_least > most))
    return checks
