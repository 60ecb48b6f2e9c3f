"""A set against reference statistics: what can be said where the other pictures are not at hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from relaionet.evaluators.comparison.compare import CompareConfig, Comparison
from relaionet.evaluators.comparison.draws import MIN_PER_CLASS
from relaionet.evaluators.comparison.geometry import measure_density, measure_rank, rank_of_covariance
from relaionet.evaluators.comparison.measures import DENSITY, FD, RANK
from relaionet.evaluators.comparison.rows import Rows
from relaionet.evaluators.comparison.sets import ComparedSet
from relaionet.evaluators.features.statistics import Statistics
from relaionet.evaluators.metrics.frechet import fit_gaussian, score_frechet
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of

KIND = "comparison"
"""`about["kind"]` of statistics that a comparison wrote, whose `made_with` is that of its features."""
LACKS = (
    "{name} is a mean and a covariance: nothing is said of classes, neighbours, sizes or shared pictures; the sets are "
    "not equally large, and the interval of the distance is over new draws of {one} alone."
)
UNKNOWN = "{name} ({about}) does not say that its features were made as those here; that they are is yours to know."
OTHERS = "{name} was made with other choices or weights ({theirs}) than the features here ({ours}): extract both alike."


def keep_statistics(one: ComparedSet, representation: str, made: str) -> Statistics:
    """Mean and covariance of a set's features, to be compared with later.

    Args:
        one: the set.
        representation: whose features.
        made: digest of what they were made with.
    """
    fitted = fit_gaussian(one.features[representation])
    about = {"split": one.name, "kind": KIND, "representation": representation}
    digest = digest_of("statistics", one.digest, representation, made)
    return Statistics(fitted.mean, fitted.factor.T @ fitted.factor, fitted.n, digest, made, about)


def compare_with_statistics(
    one: ComparedSet, name: str, statistics: Statistics, made_with: Mapping[str, str],
    config: CompareConfig | None = None,
) -> Comparison:  # fmt: skip
    """Compare a set with the mean and covariance of another.

    Args:
        one: the set, A.
        name: of the statistics, B.
        statistics: from `read_statistics`.
        made_with: representation -> digest of the extractor and the choices behind the set's features.
        config: how; the pictures are all counted, as there is nothing to draw equally.

    Raises:
        BadInput: no representation has as many dimensions, they were made with something else, or the classes were to
            be equal.
    """
    config = config or CompareConfig()
    if config.mix == "equal":
        raise BadInput(f"{name} holds a mean and a covariance and no classes; they cannot be made equal.")
    if len(one.ids) < 2 * MIN_PER_CLASS:
        raise BadInput(f"{one.name} has {len(one.ids)} pictures; expected {2 * MIN_PER_CLASS} or more.")
    fits = {key: rows for key, rows in one.features.items() if rows.shape[1] == len(statistics.mean)}
    if not fits:
        told = ", ".join(f"{key} {rows.shape[1]}" for key, rows in one.features.items())
        raise BadInput(f"{name} has {len(statistics.mean)} dimensions; the representations have others: {told}.")
    lacks = [LACKS.format(name=name, one=one.name)]
    if statistics.about.get("kind") == KIND:
        alike = {key: rows for key, rows in fits.items() if made_with[key] == statistics.made_with}
        if not alike:
            raise BadInput(OTHERS.format(name=name, theirs=statistics.made_with, ours=made_with[next(iter(fits))]))
        fits = alike
    else:
        told = ", ".join(f"{key} {value}" for key, value in statistics.about.items())
        lacks.append(UNKNOWN.format(name=name, about=told))
    rows = Rows(one=one.name, other=name)
    for key, features in fits.items():
        _measure(rows, key, np.asarray(features, np.float32), statistics, config)
    counts = f"{statistics.n:,} pictures" if statistics.n else "a number of pictures that is not said"
    drawn = (f"All {len(one.ids):,} pictures of {one.name}; {name} is of {counts}.",)
    return Comparison(rows=rows.frame(), drawn=drawn, lacks=tuple(lacks), counts={})


def _measure(rows: Rows, name: str, features: np.ndarray, statistics: Statistics, config: CompareConfig) -> None:
    count = len(features)
    found = {FD: score_frechet(features, statistics.gaussian()), RANK: measure_rank(features)}
    if count > config.k + 1:
        found[DENSITY] = measure_density(features, config.k)
    for measure, estimate in found.items():
        rows.add(
            measure, estimate.value, estimate.interval(), about="both" if measure is FD else "A", n=count, mix="any",
            representation=name, method=estimate.say_method(),
        )  # fmt: skip
    rows.add(
        RANK, rank_of_covariance(statistics.covariance), None, about="B", n=statistics.n, mix="any", representation=name
    )
