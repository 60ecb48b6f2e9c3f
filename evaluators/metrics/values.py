"""Each formula as a metric's function: which arrays and which of the protocol's choices it takes."""

from __future__ import annotations

from typing import Literal

import numpy as np

from relaionet.evaluators.metrics.accuracy import score_accuracy
from relaionet.evaluators.metrics.alignment import score_alignment
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import fit_gaussian, score_frechet
from relaionet.evaluators.metrics.frechet_infinity import score_infinity
from relaionet.evaluators.metrics.inception_score import score_inception
from relaionet.evaluators.metrics.kernel import score_cmmd, score_kernel
from relaionet.evaluators.metrics.metric import Compute, Sides
from relaionet.evaluators.metrics.precision_recall import Neighbours, score_neighbours
from relaionet.evaluators.metrics.scaled import score_scaled

NEIGHBOURS = "neighbours"


def mean_of(values: np.ndarray) -> Estimate:
    """Mean of one number per image, and each image's influence on it.

    Args:
        values: [N] any number type.

    Returns:
        The mean; its interval has the skewness of the numbers taken out.
    """
    numbers = np.asarray(values, dtype=np.float64)
    return Estimate(float(numbers.mean()), numbers - numbers.mean())


def frechet(sides: Sides) -> Estimate | None:
    """Fréchet distance of the features; None where a side of a part has fewer than two images."""
    if sides.is_part and min(len(sides.features), len(sides.others)) < 2:
        return None
    reference = sides.gaussian or fit_gaussian(sides.others)
    return score_frechet(sides.features, reference, classes=sides.strata)


def kernel(sides: Sides) -> Estimate | None:
    """Kernel distance of the features; None where a side of a part has fewer than two images."""
    if sides.is_part:
        few = min(len(sides.features), len(sides.others)) < 2
        return None if few else score_kernel(sides.features, sides.others)
    protocol = sides.samples.protocol
    both = (sides.samples.wnids, sides.reference.wnids)
    return score_kernel(
        sides.features, sides.others, classes=both if protocol.kd_by_class else None, strata=sides.strata,
        block_count=protocol.kd_block_count, seed=protocol.is_seed,
    )  # fmt: skip


def cmmd(sides: Sides) -> Estimate:
    """Kernel distance of unit rows with the Gaussian kernel."""
    return score_cmmd(sides.features, sides.others, strata=sides.strata)


def infinity(sides: Sides) -> Estimate:
    """Fréchet distance without the bias of few images."""
    return score_infinity(sides.features, sides.others, classes=(sides.samples.wnids, sides.reference.wnids))


def inception(sides: Sides) -> Estimate:
    """Inception Score in the protocol's splits; of a part in one."""
    protocol, logits = sides.samples.protocol, sides.samples.logits
    if sides.is_part:
        return score_inception(logits, splits=1, seed=None)
    splits = min(protocol.is_splits, len(sides.samples.ids))
    return score_inception(logits, splits=splits, split_images=protocol.is_split_images, seed=protocol.is_seed)


def alignment(name: str) -> Compute:
    """Mean cosine under one of the protocol's encoders, by the name of its metric."""

    def compute(sides: Sides) -> Estimate | None:
        cosines = sides.samples.cosines.get(name)
        return None if cosines is None else score_alignment(cosines)

    return compute


def scaled(name: str, form: Literal["distance", "score"], suffix: str = "") -> Compute:
    """The protocol's Fréchet distance or Inception Score, weighed by an alignment.

    Args:
        name: metric of the alignment.
        form: which of the two.
        suffix: `RELATIVE` for the form in relation to the split's own alignment.
    """

    def compute(sides: Sides) -> Estimate | None:
        own = sides.found.get(name)
        if own is None:
            return None

        def make() -> dict[str, Estimate]:
            distance = sides.found.get(sides.samples.protocol.fd_name)
            real = score_alignment(sides.reference.cosines[name]).value
            return score_scaled(distance, sides.found["IS"], own, names=("distance", "score"), real=real)

        return sides.once(f"scaled by {name}", make).get(form + suffix)

    return compute


def rating(name: str) -> Compute:
    """Mean of a rater's scores, by the name of its metric."""

    def compute(sides: Sides) -> Estimate | None:
        values = sides.samples.ratings.get(name)
        return None if values is None else mean_of(values)

    return compute


def accuracy(top: int) -> Compute:
    """How often a class of the image's row is among the classifier's first `top`."""

    def compute(sides: Sides) -> Estimate | None:
        images = sides.samples
        wnids = images.wnids if images.shown is None else images.shown
        return score_accuracy(images.logits, wnids, images.classes, top=top) if images.classes else None

    return compute


def among_neighbours(name: str) -> Compute:
    """Precision, recall, density or coverage; the four share what they look at."""

    def compute(sides: Sides) -> Estimate | None:
        found: Estimate = getattr(sides.once(NEIGHBOURS, lambda: find_neighbours(sides)), name)
        return found

    return compute


def find_neighbours(sides: Sides) -> Neighbours:
    """Precision, recall, density and coverage over the protocol's number of images at most, evenly from the set."""
    protocol, strata, n, m = sides.samples.protocol, sides.samples.wnids, len(sides.features), len(sides.others)
    count = protocol.neighbour_count
    if not count or max(n, m) <= count:
        return score_neighbours(sides.features, sides.others, k=protocol.neighbour_k, strata=strata)
    own = np.linspace(0, n - 1, min(n, count)).astype(np.int64)
    other = np.linspace(0, m - 1, min(m, count)).astype(np.int64)
    some = [strata[row] for row in own]
    return score_neighbours(sides.features[own], sides.others[other], k=protocol.neighbour_k, strata=some)
