"""Fréchet distance without the bias of few images, so that sets of different size can be compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relaionet.evaluators.lazy_rows import view_rows
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import fit_gaussian, frechet_distance, score_frechet
from relaionet.manifests.errors import BadInput

VERSION = "1"
HALVINGS = 4
"""Ways in which both sides are cut into halves."""
METHOD = "infinitesimal jackknife, both sides drawn anew"


def score_infinity(
    features: np.ndarray, reference: np.ndarray, *, classes: tuple[Sequence[str], Sequence[str]] | None = None
) -> Estimate:
    """Fréchet distance extrapolated to infinitely many images on both sides.

    The bias of the distance falls as 1 / n where there are clearly more images than dimensions: halves have twice the
    bias of the whole, so twice the whole less the mean of the halves has none to first order. With fewer images than a
    few times the dimensions some of the bias stays.

    Args:
        features: [N, D] of the images.
        reference: [M, D] of the split's own images.
        classes: requested class of each image on either side; halves are drawn within classes.

    Returns:
        The distance, which may fall below 0 where the two agree. Its interval is over new draws of both sides: what
        the reference's own draw adds is carried as `shared`, which differences of two sets leave out.

    Raises:
        BadInput: fewer than 8 images on a side.

    Source: Chong and Forsyth 2020, "Effectively unbiased FID and Inception Score", section 3 (there a line through many
        sizes of one side; here two sizes, cut from all images of both sides).
    """
    n, m = len(features), len(reference)
    if min(n, m) < 8:
        raise BadInput(f"FD without its bias needs 8 images on each side; got {n} and {m}.")
    ours, theirs = classes if classes is not None else (None, None)
    whole = score_frechet(features, fit_gaussian(reference), classes=ours)
    back = score_frechet(reference, fit_gaussian(features), classes=theirs)
    halves = []
    for seed in range(HALVINGS):
        own, other = _cut_half(n, ours, seed), _cut_half(m, theirs, seed + HALVINGS)
        for one, two in (map(np.flatnonzero, pair) for pair in ((own, other), (~own, ~other))):
            halves.append(
                frechet_distance(fit_gaussian(view_rows(features, one)), fit_gaussian(view_rows(reference, two)))
            )
    value = 2 * whole.value - float(np.mean(halves))
    shared = back.standard_error(theirs) ** 2
    return Estimate(value, whole.influence, excess=whole.excess, shared=shared, method=METHOD, pairs=whole.pairs)


def _cut_half(count: int, classes: Sequence[str] | None, seed: int) -> np.ndarray:
    """[N] bool, half of the images, equally many of each class as far as that goes."""
    order = np.random.default_rng(seed).permutation(count)
    if classes is not None:
        order = order[np.argsort(np.asarray(classes)[order], kind="stable")]
    chosen = np.zeros(count, bool)
    chosen[order[::2]] = True
    return chosen
