"""Every metric of a protocol for one set of images, each with the influence of every image on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import Gaussian
from relaionet.evaluators.metrics.lookup import find_extra, find_metric, find_metrics
from relaionet.evaluators.metrics.metric import RELATIVE, Metric, Sides, face
from relaionet.evaluators.metrics.precision_recall import Neighbours
from relaionet.evaluators.metrics.values import NEIGHBOURS, rating
from relaionet.evaluators.protocols import check_comparable, check_made_alike
from relaionet.manifests.errors import BadInput, ReLAIONetError

VERSION = "2"


@dataclass(frozen=True, eq=False)
class Measured:
    """The metrics of one set of images.

    Attributes:
        estimates: metric -> value and influences.
        samples: the images scored.
        reference: the split's own images they were scored against.
        neighbours: nearest distances, where the extra `neighbours` was asked for.
        lacking: metric that could not be computed of these images -> why.
    """

    estimates: dict[str, Estimate]
    samples: FeatureSet
    reference: FeatureSet
    neighbours: Neighbours | None = None
    lacking: Mapping[str, str] = field(default_factory=dict)


def measure_set(
    samples: FeatureSet, reference: FeatureSet, *, others: Mapping[str, Gaussian] | None = None, in_part: bool = False
) -> Measured:
    """Every metric of the protocol for one set of generated images.

    Args:
        samples: features of the generated images; they carry the protocol.
        reference: features of the split's own images. Where the two differ in number (samples that failed), only the
            requests both have are scored, since the Fréchet distance depends on the number.
        others: name -> statistics of other images in the protocol's features; each gives "FID to <name>".
        in_part: leave out the metrics that cannot be computed of these images (a distance of one image), and say why
            in `lacking`; else the first of them is raised.

    Raises:
        BadInput: the sets are of different protocols or models, or differ in number and share no request; or no metric
            at all can be computed.
    """
    check_comparable([samples.protocol, reference.protocol], "features")
    for name in {*samples.made_with, *reference.made_with}:
        check_made_alike([samples.made_with.get(name, "not there"), reference.made_with.get(name, "not there")])
    if len(samples) != len(reference):
        samples, reference = match_rows(samples, reference)
    sides = face(samples, reference)
    lacking: dict[str, str] | None = {} if in_part else None
    early, late = list_asked(samples)
    _measure(early, sides, lacking)
    for name, gaussian in (others or {}).items():
        metric = find_metric(f"{samples.protocol.fd_name} to {name}")
        if metric is not None:
            _measure([metric], replace(sides, gaussian=gaussian), lacking)
    _measure(late, sides, lacking)
    if not sides.found:
        raise BadInput(f"no metric can be computed of {len(samples):,} images: {'; '.join((lacking or {}).values())}")
    return Measured(sides.found, samples, reference, sides.kept.get(NEIGHBOURS), lacking or {})


def measure_alone(images: FeatureSet) -> Measured:
    """Metrics that need no second set, of the split's own images; relative forms are in relation to themselves."""
    early, late = list_asked(images)
    sides = face(images, images)
    _measure([metric for metric in early + late if "reference" not in metric.needs], sides)
    return Measured(sides.found, images, images)


def measure_part(samples: FeatureSet, reference: FeatureSet) -> dict[str, Estimate]:
    """Metrics that are given by class, of the images of one class or group against the split's own of the same.

    Args:
        samples: images of the part.
        reference: the split's own images of the part; may be none.
    """
    early, late = list_asked(samples)
    sides = face(samples, reference, is_part=True)
    _measure([metric for metric in early + late if metric.is_by_class], sides)
    return sides.found


def list_asked(images: FeatureSet) -> tuple[list[Metric], list[Metric]]:
    """What a set of images is scored by, in the order it stands in the table.

    Args:
        images: they carry the protocol, the extras asked for and the ratings.

    Returns:
        The protocol's own metrics with those extras that need no second set, as they are declared, the raters in the
        order of the recipe; then the other extras, in the order they were asked for.
    """
    there = [metric for metric in find_metrics() if not metric.is_family and metric.under(images.protocol)]
    raters = [find_metric(name) or _rater(name) for name in images.ratings]
    early: list[Metric] = []
    for metric in there:
        if metric.given_by == "rater":
            early += [one for one in raters if one not in early]
        elif metric.given_by == "protocol" or (metric.extra in images.extra_names and "reference" not in metric.needs):
            early.append(metric)
    late = [
        metric
        for name in images.extra_names
        for metric in find_extra(name).metrics
        if metric.under(images.protocol) and "reference" in metric.needs
    ]
    return early, late


def _rater(name: str) -> Metric:
    """A preference model of the user's own."""
    return Metric(
        name=name, meaning="", given_by="rater", needs=("ratings",), compute=rating(name), is_by_class=True
    )  # fmt: skip


def _measure(metrics: Iterable[Metric], sides: Sides, lacking: dict[str, str] | None = None) -> None:
    """Add the values of some metrics to what is found; relative forms follow the metrics that have them.

    Args:
        metrics: in order.
        sides: what they are computed from.
        lacking: takes metric -> why for those that cannot be computed; None raises what the first of them raises.
    """
    for _, alike in itertools.groupby(metrics, lambda metric: metric.relative is not None):
        some = list(alike)
        forms = [(one, one.name, one.compute) for one in some]
        for metric, name, compute in forms + [(one, one.name + RELATIVE, one.relative) for one in some]:
            if compute is None:
                continue
            try:
                estimate = compute(look_at(metric, sides))
            except Exception as error:  # a metric may be another package's, and raise anything
                if lacking is None:
                    raise
                is_said = isinstance(error, ReLAIONetError)
                lacking[name] = str(error) if is_said else f"{type(error).__name__}: {error}"
                continue
            if estimate is not None:
                sides.found[name] = estimate


def look_at(metric: Metric, sides: Sides) -> Sides:
    """The sides with the arrays the metric looks at; the protocol's features where it names no extractor."""
    if not metric.extractor:
        return sides
    ours, theirs = sides.samples.extras[metric.extra], sides.reference.extras[metric.extra]
    return replace(sides, features=ours, others=theirs)


def match_rows(samples: FeatureSet, reference: FeatureSet) -> tuple[FeatureSet, FeatureSet]:
    """Keep the requests both sets have, so that both are equally many.

    Args:
        samples: ids are candidate ids; `-k` appended marks the k-th sample of a request.
        reference: ids are candidate ids.

    Returns:
        Both sets with the same number of rows: one sample per request, each with its own real image.

    Raises:
        BadInput: there is no such request.
    """
    place = {name: index for index, name in enumerate(reference.ids)}
    pairs: dict[str, tuple[int, int]] = {}
    for row, name in enumerate(samples.ids):
        request = name.partition("-")[0]
        if request in place:
            pairs.setdefault(request, (row, place[request]))
    if not pairs:
        raise BadInput("no generated image was asked for by a row of this split; score it against its own split.")
    ours, theirs = zip(*pairs.values(), strict=True)
    if len(ours) == len(samples) == len(reference):
        return samples, reference
    return samples.take(ours), reference.take(theirs)
