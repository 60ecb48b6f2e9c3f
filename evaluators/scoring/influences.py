"""The metrics of one scored set with the influence of every image, as they are kept beside its samples."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from relaionet.evaluators.features.stored import pack_names, unpack_names
from relaionet.evaluators.metrics.estimate import SCALES, Estimate
from relaionet.evaluators.metrics.pairs import Pairs
from relaionet.evaluators.scoring.measure import Measured
from relaionet.manifests.containers.limits import NUMBERS
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import write_atomic
from relaionet.pipeline.arrays import read_npz

# an influence of each image on each metric
LIMITS = replace(NUMBERS, max_bytes=512 << 20)


@dataclass(frozen=True, eq=False)
class Influences:
    """The metrics of one scored set with the influence of every image.

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
    names, estimates = list(kept.estimates), list(kept.estimates.values())
    pairs: dict[str, Any] = {
        f"pairs_{part}_{index}": value
        for index, one in enumerate(estimates)
        if one.pairs is not None
        for part, value in _pack(one.pairs).items()
    }
    file = io.BytesIO()
    np.savez_compressed(
        file, label=np.array(kept.label), protocol=np.array(kept.protocol),
        ids=pack_names(kept.ids), wnids=pack_names(kept.wnids),
        metrics=np.array(names),
        values=np.array([one.value for one in estimates]),
        excess=np.array([one.excess for one in estimates]),
        scales=np.array([one.scale for one in estimates]),
        influences=np.array([one.influence for one in estimates], dtype=np.float32).reshape(len(names), -1),
        **pairs,
    )  # fmt: skip
    write_atomic(path, file.getbuffer())


def read_influences(path: Path) -> Influences:
    """Read what `write_influences` wrote.

    Raises:
        BadInput: the file does not exist, or is of an earlier version, which kept too little to compare sets by.
        Corrupt: it holds no influences.
    """
    if not path.is_file():
        raise BadInput(f"{path} does not exist; score the set again.")
    try:
        stored = read_npz(path, limits=LIMITS)
        if "influences" in stored and "scales" not in stored:
            raise BadInput(f"{path} is of an earlier version; run `relaionet evaluate` once more, which only scores.")
        names, scales = ([str(name) for name in stored[key]] for key in ("metrics", "scales"))
        if not set(scales) <= set(SCALES):
            raise ValueError("a metric of an unknown kind")
        parts = zip(names, stored["values"], stored["influences"], scales, stored["excess"], strict=True)
        estimates = {
            name: Estimate(float(value), row, scale, float(excess), pairs=_unpack(stored, index))  # type: ignore[arg-type]  # one of SCALES
            for index, (name, value, row, scale, excess) in enumerate(parts)
        }
        ids, wnids = (unpack_names(stored[key]) for key in ("ids", "wnids"))
        label, protocol = str(stored["label"]), str(stored["protocol"])
        return Influences(label, protocol, ids, tuple(map(sys.intern, wnids)), estimates)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise Corrupt(f"{path} holds no influences ({error}); delete it and run again.") from None


def find_influences(path: Path) -> Influences | None:
    """What `write_influences` wrote, for who can do without; None where there is nothing, or of an earlier version.

    Raises:
        Corrupt: it holds no influences.
    """
    try:
        return read_influences(path)
    except BadInput:
        return None


def _pack(pairs: Pairs) -> dict[str, np.ndarray]:
    upper = np.triu_indices(len(pairs.rows))
    return {
        "rows": pairs.rows,
        "weights": pairs.weights[upper].astype(np.float32),
        "counts": np.array([pairs.freedom, pairs.blocks]),
    }


def _unpack(stored: Any, index: int) -> Pairs | None:
    if f"pairs_rows_{index}" not in stored:
        return None
    rows, values, counts = (stored[f"pairs_{part}_{index}"] for part in ("rows", "weights", "counts"))
    weights = np.zeros((len(rows), len(rows)))
    weights[np.triu_indices(len(rows))] = values
    weights += np.triu(weights, 1).T
    return Pairs(rows.astype(np.int64), weights, int(counts[0]), int(counts[1]))
