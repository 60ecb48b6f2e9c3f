"""Every metric of a protocol for one set of images, each with the influence of every image on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.metrics.accuracy import score_accuracy
from relaionet.evaluators.metrics.alignment import score_alignment
from relaionet.evaluators.metrics.catalogue import find_extra
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import Gaussian, check_dimensions, fit_gaussian, score_frechet
from relaionet.evaluators.metrics.frechet_infinity import score_infinity
from relaionet.evaluators.metrics.inception_score import score_inception
from relaionet.evaluators.metrics.kernel import score_cmmd, score_kernel
from relaionet.evaluators.metrics.precision_recall import Neighbours, score_neighbours
from relaionet.evaluators.metrics.scaled import PREFIXES, score_scaled
from relaionet.evaluators.protocols import check_comparable, check_made_alike
from relaionet.manifests.errors import BadInput

VERSION = "2"


@dataclass(frozen=True, eq=False)
class Measured:
    """The metrics of one set of images.

    Attributes:
        estimates: metric -> value and influences.
        samples: the images scored.
        reference: the split's own images they were scored against.
        neighbours: nearest distances, where the extra `neighbours` was asked for.
    """

    estimates: dict[str, Estimate]
    samples: FeatureSet
    reference: FeatureSet
    neighbours: Neighbours | None = None


def measure_set(samples: FeatureSet, reference: FeatureSet, *, others: dict[str, Gaussian] | None = None) -> Measured:
    """Every metric of the protocol for one set of generated images.

    Args:
        samples: features of the generated images; they carry the protocol.
        reference: features of the split's own images. Where the two differ in number (samples that failed), only the
            requests both have are scored, since the Fréchet distance depends on the number.
        others: name -> statistics of other images in the protocol's features; each gives "FID to <name>".

    Raises:
        BadInput: the sets are of different protocols or models, or differ in number and share no request.
    """
    check_comparable([samples.protocol, reference.protocol], "features")
    for name in {*samples.made_with, *reference.made_with}:
        check_made_alike([samples.made_with.get(name, "not there"), reference.made_with.get(name, "not there")])
    if len(samples) != len(reference):
        samples, reference = match_rows(samples, reference)
    protocol, wnids = samples.protocol, samples.wnids
    found = {
        protocol.fd_name: score_frechet(samples.features, fit_gaussian(reference.features), classes=wnids),
        protocol.kd_name: score_kernel(
            samples.features,
            reference.features,
            classes=(wnids, reference.wnids) if protocol.kd_by_class else None,
            strata=wnids,
            block_count=protocol.kd_block_count,
            seed=protocol.is_seed or 0,
        ),
    }
    found |= measure_alone(samples, found[protocol.fd_name], reference)
    for name, gaussian in (others or {}).items():
        check_dimensions(samples.features, gaussian)
        found[f"{protocol.fd_name} to {name}"] = score_frechet(samples.features, gaussian, classes=wnids)
    neighbours = None
    for name in samples.extra_names:
        if find_extra(name).kind == "neighbours":
            neighbours = find_neighbours(samples, reference)
            found |= {part: getattr(neighbours, part) for part in ("precision", "recall", "density", "coverage")}
        else:
            found |= _measure_extra(name, samples, reference)
    return Measured(found, samples, reference, neighbours)


def measure_alone(images: FeatureSet, distance: Estimate | None, reference: FeatureSet) -> dict[str, Estimate]:
    """Metrics that need no second set, and the scaled ones (the relative forms need the split's own alignment)."""
    protocol = images.protocol
    inception = score_inception(
        images.logits, splits=min(protocol.is_splits, len(images)), split_images=protocol.is_split_images,
        seed=protocol.is_seed,
    )  # fmt: skip
    found = {"IS": inception}
    for name, cosines in images.cosines.items():
        alignment = score_alignment(cosines)
        prefix = PREFIXES[name]
        real = score_alignment(reference.cosines[name]).value
        found[name] = alignment
        found |= score_scaled(
            distance, inception, alignment, names=(prefix + protocol.fd_name, f"{prefix}IS"), real=real
        )
    found |= {name: Estimate(float(values.mean()), values - values.mean()) for name, values in images.ratings.items()}
    return found | measure_accuracy(images)


def measure_accuracy(images: FeatureSet) -> dict[str, Estimate]:
    """Accuracy, and top-5 where it was asked for and the classifier has more than five classes it knows."""
    if not images.classes:
        return {}
    found = {"accuracy": score_accuracy(images.logits, images.wnids, images.classes)}
    if "top-5" in images.extra_names:
        found["top-5"] = score_accuracy(images.logits, images.wnids, images.classes, top=5)
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def find_neighbours(samples: FeatureSet, reference: FeatureSet) -> Neighbours:
    """Precision, recall, density and coverage over the protocol's number of images at most, evenly from the set."""
    protocol, n = samples.protocol, len(samples)
    if not protocol.neighbour_count or max(n, len(reference)) <= protocol.neighbour_count:
        return score_neighbours(samples.features, reference.features, k=protocol.neighbour_k, strata=samples.wnids)
    own = np.linspace(0, n - 1, min(n, protocol.neighbour_count)).astype(np.int64)
    other = np.linspace(0, len(reference) - 1, min(len(reference), protocol.neighbour_count)).astype(np.int64)
    strata = [samples.wnids[row] for row in own]
    return score_neighbours(samples.features[own], reference.features[other], k=protocol.neighbour_k, strata=strata)


def _measure_extra(name: str, samples: FeatureSet, reference: FeatureSet) -> dict[str, Estimate]:
    kind, wnids = find_extra(name).kind, samples.wnids
    if kind == "infinity":
        both = (wnids, reference.wnids)
        return {f"{samples.protocol.fd_name}∞": score_infinity(samples.features, reference.features, classes=both)}
    if kind == "top5":
        return {}  # with the accuracy
    ours, theirs = samples.extras[name], reference.extras[name]
    if kind == "cmmd":
        return {name: score_cmmd(ours, theirs, strata=wnids)}
    return {name: score_frechet(ours, fit_gaussian(theirs), classes=wnids)}


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
