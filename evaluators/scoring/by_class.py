"""The same metrics for each class, or for each group of classes, from the features that are there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.lazy_rows import view_rows
from relaionet.evaluators.metrics.accuracy import score_accuracy
from relaionet.evaluators.metrics.alignment import score_alignment
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import fit_gaussian, score_frechet
from relaionet.evaluators.metrics.inception_score import score_inception
from relaionet.evaluators.metrics.kernel import score_kernel
from relaionet.evaluators.scoring.measure import Measured
from relaionet.evaluators.scoring.score import Setting
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import CLASS_SCORES, shape_table

VERSION = "1"


def score_classes(measured: Measured, setting: Setting, groups: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Every metric of the protocol for each class, or each group of classes.

    With as few images as a class has, a Fréchet distance is mostly bias (it falls as images are added, whoever made
    them): compare it between generators of equal n only, and look at the kernel distance beside it.

    Args:
        measured: the set as a whole.
        setting: what was scored.
        groups: wnid -> group; None gives one part for each class. Classes without a group are left out.

    Returns:
        CLASS_SCORES rows, by part and metric.

    Raises:
        BadInput: no class has a group.
    """
    samples, reference = measured.samples, measured.reference
    ours, theirs = _find_parts(samples.wnids, groups), _find_parts(reference.wnids, groups)
    if not ours:
        raise BadInput("none of the classes scored has a group; groups are named by wnid.")
    rows = []
    for part, places in ours.items():
        strata = None if groups is None else [samples.wnids[place] for place in places]
        for metric, estimate in score_part(samples, places, reference, theirs.get(part, places[:0])).items():
            low, high = estimate.interval(None if estimate.scale == "fraction" else strata)
            rows.append((part, metric, estimate.value, low, high, len(places), estimate.say_method()))
    frame = pl.DataFrame(
        rows, schema=["part", "metric", "value", "low", "high", "n", "method"], orient="row"
    ).with_columns(
        pl.col("low", "high").fill_nan(None), kind=pl.lit("class" if groups is None else "group"),
        generator=pl.lit(setting.generator), split=pl.lit(setting.split), protocol=pl.lit(samples.protocol.name),
        steps=pl.lit(setting.steps), guidance=pl.lit(setting.guidance),
    )  # fmt: skip
    return shape_table(frame, CLASS_SCORES)


def score_part(
    samples: FeatureSet, places: np.ndarray, reference: FeatureSet, others: np.ndarray
) -> dict[str, Estimate]:
    """The metrics of some of the images, against some of the split's own.

    Args:
        samples: the whole set.
        places: [n] rows of the part.
        reference: the split's own images.
        others: [m] rows of the part there.

    Returns:
        Fréchet and kernel distance where both sides have two images, Inception Score, alignment, ratings, accuracy. All
        are exact; covariances of rank n - 1 are never made into D x D matrices.
    """
    protocol, found = samples.protocol, {}
    if min(len(places), len(others)) >= 2:
        own, other = view_rows(samples.features, places), view_rows(reference.features, others)
        found[protocol.fd_name] = score_frechet(own, fit_gaussian(other))
        found[protocol.kd_name] = score_kernel(own, other)
    logits = view_rows(samples.logits, places)
    found["IS"] = score_inception(logits, splits=1, seed=None)
    for name, cosines in samples.cosines.items():
        found[name] = score_alignment(cosines[places])
    for name, values in samples.ratings.items():
        found[name] = Estimate(float(values[places].mean()), values[places] - values[places].mean())
    if samples.classes:
        wnids = [samples.wnids[place] for place in places]
        tops = {"accuracy": 1, "top-5": 5} if "top-5" in samples.extra_names else {"accuracy": 1}
        for name, top in tops.items():
            accuracy = score_accuracy(logits, wnids, samples.classes, top=top)
            if accuracy is not None:
                found[name] = accuracy
    return found


def _find_parts(wnids: Sequence[str], groups: Mapping[str, str] | None) -> dict[str, np.ndarray]:
    """Part -> rows, parts sorted."""
    names = [wnid if groups is None else groups.get(wnid, "") for wnid in wnids]
    parts, place = np.unique(np.asarray(names), return_inverse=True)
    order = np.argsort(place, kind="stable")
    cuts = np.split(order, np.cumsum(np.bincount(place))[:-1])
    return {str(part): rows for part, rows in zip(parts, cuts, strict=True) if part}
