"""The same metrics for each class, or for each group of classes, from the features that are there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from relaionet.evaluators.scoring.measure import Measured, measure_part
from relaionet.evaluators.scoring.score import Setting
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import CLASS_SCORES, shape_table

VERSION = "1"


def score_classes(measured: Measured, setting: Setting, groups: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Every metric that is given by class, for each class, or each group of classes.

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
        found = measure_part(samples.take(places), reference.take(theirs.get(part, places[:0])))
        for metric, estimate in found.items():
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


def _find_parts(wnids: Sequence[str], groups: Mapping[str, str] | None) -> dict[str, np.ndarray]:
    """Part -> rows, parts sorted."""
    names = [wnid if groups is None else groups.get(wnid, "") for wnid in wnids]
    parts, place = np.unique(np.asarray(names), return_inverse=True)
    order = np.argsort(place, kind="stable")
    cuts = np.split(order, np.cumsum(np.bincount(place))[:-1])
    return {str(part): rows for part, rows in zip(parts, cuts, strict=True) if part}
