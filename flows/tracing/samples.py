"""The samples an evaluation made for one row, with the numbers of each and the scores of their set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.evaluators.metrics.catalogue import METRICS
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.evaluators.scoring.influences import find_influences
from relaionet.flows.evaluation.stored_sets import StoredEvaluation, StoredSet
from relaionet.flows.tracing.places import row_of
from relaionet.manifests.errors import ReLAIONetError
from relaionet.manifests.store import Store
from relaionet.manifests.tables import SAMPLES

if TYPE_CHECKING:
    import numpy as np

MEANS = tuple(metric.name for metric in METRICS if metric.is_mean)
"""Metrics that are the mean of a number of each image."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RowSample:
    """One sample that was made for a row.

    Attributes:
        evaluation: that asked for it.
        one: the scored set it is of.
        sample: its row of SAMPLES.
        numbers: metric -> the number of this sample alone, where a metric is the mean of such numbers.
    """

    evaluation: StoredEvaluation
    one: StoredSet
    sample: dict[str, Any]
    numbers: dict[str, float]

    def told(self) -> dict[str, Any]:
        """What is shown of it."""
        settings = self.one.settings
        given = {"steps": settings.steps, "guidance": settings.guidance, "protocol": self.evaluation.protocol}
        kept = ("sample_id", "seed", "nfe", "status", "reason")
        about = {key: self.sample[key] for key in kept if self.sample[key] is not None}
        return {"generator": self.one.label, **given, **about, **self.numbers}

    def image(self) -> np.ndarray | None:
        """[H, W, 3] uint8; None where it failed, or its images are not there any more."""
        if self.sample["row"] is None:
            return None
        try:
            image: np.ndarray = read_samples(self.one.folder)[1][self.sample["row"]]
        except (ReLAIONetError, OSError):
            return None
        return image


def find_samples(evaluation: StoredEvaluation, candidate_id: str) -> list[RowSample]:
    """Every sample made for a row, set by set in the order of the evaluation.

    Raises:
        Corrupt: a stored table is not what its receipt says.
    """
    found = []
    for one in evaluation.sets:
        samples = Store(one.folder).read_all(SAMPLES).filter(row_of(pl.col("sample_id")) == candidate_id)
        if samples.height:
            numbers = _numbers(one, samples["sample_id"].to_list())
            found += [
                RowSample(evaluation=evaluation, one=one, sample=sample, numbers=numbers.get(sample["sample_id"], {}))
                for sample in samples.sort("sample_id").iter_rows(named=True)
            ]
    return found


def _numbers(one: StoredSet, sample_ids: list[str]) -> dict[str, dict[str, float]]:
    """Sample -> metric -> its own number."""
    kept, wanted = find_influences(one.folder / "influences.npz"), set(sample_ids)
    if kept is None:
        return {}
    places = {name: place for place, name in enumerate(kept.ids) if name in wanted}
    return {
        name: {
            metric: float(kept.estimates[metric].value + kept.estimates[metric].influence[place])
            for metric in MEANS
            if metric in kept.estimates
        }
        for name, place in places.items()
    }


def scores_of(found: RowSample) -> dict[str, str]:
    """Metric -> value and interval of the sample's set, in words."""
    asked, scores = found.one.asked, found.evaluation.read("scores")
    rows = scores.filter(
        (pl.col("generator") == found.one.name)
        & (pl.col("steps") == asked.steps)
        & (pl.col("guidance") == asked.guidance)
    )
    return {row["metric"]: _with_interval(row) for row in rows.iter_rows(named=True)}


def _with_interval(row: dict[str, Any]) -> str:
    interval = f" [{row['low']:.4g}, {row['high']:.4g}]" if row["low"] is not None and row["high"] is not None else ""
    return f"{row['value']:.4g}{interval}" if row["value"] is not None else "not a number"
