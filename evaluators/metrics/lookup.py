"""Metrics by name, by what asks for them and by where they are shown; those of other packages included."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from relaionet.evaluators.metrics.catalogue import METRICS
from relaionet.evaluators.metrics.metric import LAST, RELATIVE, Metric, Section
from relaionet.evaluators.protocols import Protocol
from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.pipeline.declared import find_declared

GROUP = "relaionet.metrics"
BY_NAME = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True, kw_only=True)
class Extra:
    """What can be added to any protocol by its name: one metric, or several that share what they look at.

    Attributes:
        name: as it is asked for.
        extractor: whose features they look at; empty takes the protocol's own.
        array: which of the extractor's arrays.
        metrics: what it gives; which of them depends on the protocol.
    """

    name: str
    extractor: str
    array: str
    metrics: tuple[Metric, ...]


def find_metrics() -> tuple[Metric, ...]:
    """Every metric: the built-in ones, then those of installed packages (entry-point group `relaionet.metrics`).

    Raises:
        BadInput: a package declares something else, a name that is taken, or a metric that no extra asks for.
    """
    return METRICS + declared_elsewhere()


def declared_elsewhere() -> tuple[Metric, ...]:
    """Metrics of installed packages.

    Raises:
        BadInput: as `find_metrics` says.
    """
    return _declared(tuple(sys.path))


@lru_cache(maxsize=4)
def _declared(path: tuple[str, ...]) -> tuple[Metric, ...]:
    """Looked for once per search path: a page asks for metrics by the thousand."""
    found: list[Metric] = []
    for metric in find_declared(GROUP, Metric).values():
        names = {one.name for one in found} | set(BY_NAME)
        if metric.name in names:
            raise BadInput(f"{GROUP}: metric '{metric.name}' is there already; give it another name.")
        if metric.given_by != "extra" or not metric.extra or metric.compute is None or metric.is_family:
            raise BadInput(
                f"{GROUP}: metric '{metric.name}' must be given by an extra (given_by='extra', extra=its name in "
                "recipes) and have a function `compute`, so that scores made without it stay what they are."
            )
        if any(one.extra == metric.extra for one in METRICS):
            raise BadInput(f"{GROUP}: extra '{metric.extra}' of metric '{metric.name}' is there already; rename it.")
        found.append(metric)
    return tuple(found)


def find_metric(name: str) -> Metric | None:
    """The metric a name of the scores table stands for; None where it is a user's own.

    Args:
        name: of a metric, of its relative form, or of a member of a family (`FD:my_module:MyExtractor`).
    """
    metric = BY_NAME.get(name)
    if metric is not None and not metric.is_family:
        return metric
    whole = BY_NAME.get(name.removesuffix(RELATIVE))
    if whole is not None and whole.relative is not None:
        return whole
    other = next((one for one in declared_elsewhere() if one.name == name.removesuffix(RELATIVE)), None)
    if other is not None:
        return other
    family = next((one for one in METRICS if one.is_family and name.startswith(one.name) and name != one.name), None)
    return None if family is None else family.named(name)


def is_lower_better(metric: str) -> bool:
    """Direction of a metric, its relative form and distances in other features included."""
    found = find_metric(metric)
    return found is not None and found.is_lower_better


def explain_metric(metric: str) -> str:
    """What a metric says, in one line; empty where it is a user's own."""
    found = find_metric(metric)
    return found.meaning if found else ""


def is_ranked(metric: str) -> bool:
    """False where a metric only describes and neither way is better."""
    found = find_metric(metric)
    return found is None or found.direction != "neither"


def arrow_of(metric: str) -> str:
    """↓ where less is better, ↑ where more is; empty where neither."""
    found = find_metric(metric)
    return found.arrow if found else "↑"


def say_direction(metric: str) -> str:
    """Which way is better, in words, for the axis of a chart; empty where neither."""
    return ("less is better" if is_lower_better(metric) else "more is better") if is_ranked(metric) else ""


def find_extra(name: str) -> Extra:
    """What an entry of `extras` asks for.

    Args:
        name: as a recipe gives it.

    Raises:
        BadInput: there is none; the message names the nearest.
    """
    metrics = tuple(one for one in find_metrics() if one.given_by == "extra" and one.extra == name)
    if not metrics or metrics[0].is_family:
        family = next((one for one in families() if name.startswith(one.name) and name != one.name), None)
        metrics = () if family is None else (family.named(name),)
    if not metrics:
        forms = " and ".join(f"'{one.name}<extractor>'" for one in families())
        near = nearest_name(name, list_extras())
        raise BadInput(f"there is no extra metric '{name}'.{near} Besides, {forms} work too.")
    places = {(one.extractor, one.array) for one in metrics}
    if len(places) > 1:
        raise BadInput(f"metrics of the extra '{name}' look at different arrays; give each an extra of its own.")
    return Extra(name=name, extractor=metrics[0].extractor, array=metrics[0].array, metrics=metrics)


def list_extras() -> list[str]:
    """Names that `extras` takes, besides those of families."""
    return list(dict.fromkeys(one.extra for one in find_metrics() if one.given_by == "extra" and not one.is_family))


def families() -> list[Metric]:
    """Families of metrics whose members are asked for by `extras`."""
    return [one for one in METRICS if one.is_family and one.given_by == "extra"]


def metrics_under(protocol: Protocol, extras: Iterable[str] = ()) -> list[str]:
    """Names of the metrics that a protocol gives with some extras, without raters and other statistics.

    Args:
        protocol: whose metrics.
        extras: asked for beyond the protocol's own.
    """
    asked = {*protocol.extras, *extras}
    return [
        one.name
        for one in find_metrics()
        if one.under(protocol) and (one.given_by in ("protocol", "rows") or one.extra in asked)
    ]


def check_protocol(protocol: Protocol) -> None:
    """Refuse a protocol of somebody's own whose distances have names that mean something else, or none.

    Args:
        protocol: as it was read.

    Raises:
        BadInput: a distance has a name no metric is declared under, or Inception's name without Inception.
    """
    for kind, name, known in (
        ("fd_name", protocol.fd_name, ("FID", "FD")),
        ("kd_name", protocol.kd_name, ("KID", "KD")),
    ):
        if name not in known:
            raise BadInput(f"protocol '{protocol.name}': {kind} is '{name}'; expected {known[0]} or {known[1]}.")
        if name == known[0] and protocol.fd_extractor != "inception":
            raise BadInput(
                f"protocol '{protocol.name}': {kind} is {name}, kept for Inception's features, and fd_extractor is "
                f"'{protocol.fd_extractor}'; call it {known[1]}."
            )
    for extra in protocol.extras:
        find_extra(extra)


def order_columns(metrics: Iterable[str]) -> list[str]:
    """Metrics in the leaderboard's order; those without a place of their own at the end, by name."""
    columns = {one.name: one.shown.column for one in find_metrics()}
    return sorted(metrics, key=lambda name: (columns.get(name, LAST), name))


def list_shown(section: Section) -> tuple[str, ...]:
    """Metrics that a part of the report or the terminal shows, in its order.

    Args:
        section: which part, as `Shown` names them. A metric of which neither way is better is in `main` and `said`
            alone, since the others say what is best.
    """
    placed = []
    for one in find_metrics():
        place = getattr(one.shown, section)
        if place is not None and (one.direction != "neither" or section in ("main", "said")):
            placed.append((place, one.name))
    return tuple(name for _, name in sorted(placed))
