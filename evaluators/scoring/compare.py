"""Differences between scored sets on the same requests: intervals and p-values, corrected for many comparisons."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.evaluators.features.stored import pack_names, unpack_names
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.protocols import check_comparable
from relaionet.evaluators.scoring.measure import Measured
from relaionet.manifests.containers.limits import NUMBERS
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import write_atomic
from relaionet.manifests.tables import DIFFERENCES, shape_table
from relaionet.pipeline.arrays import read_npz

VERSION = "1"
# an influence of each image on each metric
LIMITS = replace(NUMBERS, max_bytes=512 << 20)


@dataclass(frozen=True, eq=False)
class Influences:
    """The metrics of one scored set with the influence of every image, as they are kept beside its samples.

    Attributes:
        label: generator, steps and guidance.
        protocol: name of the protocol.
        ids: [N] requests.
        wnids: [N] requested classes.
        estimates: metric -> value and influences.
    """

    label: str
    protocol: str
    ids: Sequence[str]
    wnids: tuple[str, ...]
    estimates: dict[str, Estimate]


def keep_influences(measured: Measured, label: str) -> Influences:
    """The part of a measured set that comparisons need: metrics with an influence for every image."""
    images = measured.samples
    whole = {name: one for name, one in measured.estimates.items() if len(one.influence) == len(images)}
    return Influences(label, images.protocol.name, images.ids, images.wnids, whole)


def write_influences(path: Path, kept: Influences) -> None:
    """Write influences as one npz."""
    import io

    names = list(kept.estimates)
    rows = [one.influence for one in kept.estimates.values()]
    file = io.BytesIO()
    np.savez_compressed(
        file, label=np.array(kept.label), protocol=np.array(kept.protocol),
        ids=pack_names(kept.ids), wnids=pack_names(kept.wnids),
        metrics=np.array(names),
        values=np.array([one.value for one in kept.estimates.values()]),
        excess=np.array([one.excess for one in kept.estimates.values()]),
        influences=np.array(rows, dtype=np.float32).reshape(len(names), -1),
    )  # fmt: skip
    write_atomic(path, file.getbuffer())


def read_influences(path: Path) -> Influences:
    """Read what `write_influences` wrote.

    Raises:
        BadInput: the file does not exist.
        Corrupt: it holds no influences.
    """
    if not path.is_file():
        raise BadInput(f"{path} does not exist; score the set again.")
    try:
        stored = read_npz(path, limits=LIMITS)
        parts = zip(stored["metrics"], stored["values"], stored["influences"], stored["excess"], strict=True)
        estimates = {str(name): Estimate(float(value), row, excess=float(excess)) for name, value, row, excess in parts}
        ids, wnids = (unpack_names(stored[key]) for key in ("ids", "wnids"))
        label, protocol = str(stored["label"]), str(stored["protocol"])
        return Influences(label, protocol, ids, tuple(map(sys.intern, wnids)), estimates)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Corrupt(f"{path} holds no influences ({error}); delete it and run again.") from None


def compare_sets(sets: Sequence[Influences], split: str) -> pl.DataFrame:
    """Difference of every pair of sets under every metric, request by request.

    Where both answered the same requests, what they share (an easy class, a hard one) falls out of the difference, so
    it is known better than two intervals side by side tell.

    Args:
        sets: scored on one split under one protocol.
        split: its name.

    Returns:
        DIFFERENCES rows; pairs that share no whole set of requests are left out. `p_holm` is corrected over all pairs
        of one metric.

    Raises:
        BadInput: the sets are of different protocols.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure". Differences of metrics by their
        influences, as everywhere here.
    """
    check_comparable([one.protocol for one in sets], "sets")
    rows = []
    for one, other in itertools.combinations(sets, 2):
        place = {name: index for index, name in enumerate(other.ids)}
        if len(one.ids) < 3 or set(one.ids) != set(place):
            continue
        order = np.array([place[name] for name in one.ids])
        rows += [
            (metric, one.label, other.label, *_compare(one, other, metric, order), len(order))
            for metric in one.estimates
            if metric in other.estimates
        ]
    schema = ["metric", "one", "other", "difference", "low", "high", "p_value", "n"]
    types = dict.fromkeys(schema[:3], pl.String) | dict.fromkeys(schema[3:7], pl.Float64) | {"n": pl.Int64}
    frame = pl.DataFrame(rows, schema=types, orient="row")
    corrected = [
        part.with_columns(p_holm=pl.Series(correct_holm(part["p_value"].to_numpy()), dtype=pl.Float64))
        for part in frame.partition_by("metric", maintain_order=True)
    ]
    whole = pl.concat(corrected) if corrected else frame.with_columns(p_holm=pl.lit(None, pl.Float64))
    protocol = sets[0].protocol if sets else ""
    return shape_table(whole.with_columns(split=pl.lit(split), protocol=pl.lit(protocol)), DIFFERENCES)


def correct_holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction.

    Args:
        p_values: [K], 0 to 1.

    Returns:
        [K] corrected: below α where the difference holds at level α over the whole family.
    """
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * (count - np.arange(count)))
    corrected = np.empty(count)
    corrected[order] = np.minimum(steps, 1)
    return corrected


def _compare(one: Influences, other: Influences, metric: str, order: np.ndarray) -> tuple[float, float, float, float]:
    """Difference, lower and upper end, and p-value."""
    first, second = one.estimates[metric], other.estimates[metric]
    apart = Estimate(
        first.value - second.value,
        np.subtract(first.influence, second.influence[order], dtype=np.float64),
        excess=first.excess + second.excess,
    )
    return apart.value, *apart.interval(one.wnids), apart.p_value(one.wnids)
