"""Pictures and records of stored evaluations, each read when a page asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from relaionet.evaluators.metrics.catalogue import ALIGNMENTS
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.evaluators.scoring.influences import find_influences
from relaionet.evaluators.scoring.score import REAL
from relaionet.flows.evaluation.plan import keep_core, limit_rows
from relaionet.flows.evaluation.stored_sets import StoredEvaluation, StoredSet
from relaionet.flows.pages.evaluation.contents import SetFacts
from relaionet.flows.pages.thumbnails import PagePicture
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json
from relaionet.manifests.labels import find_label
from relaionet.pipeline.splits.build import read_split

if TYPE_CHECKING:
    from relaionet.evaluators.sampling.shards import ShardedImages


@dataclass(frozen=True, eq=False)
class EvaluationPictures:
    """Pictures and records of one stored evaluation, each read when it is asked for."""

    evaluation: StoredEvaluation

    @cached_property
    def about_split(self) -> dict[str, Any]:
        """The split's `split.json`; empty where the folder is gone."""
        path = self.evaluation.split / "split.json"
        return dict(read_json(path)) if path.is_file() else {}

    @cached_property
    def rows(self) -> pl.DataFrame | None:
        """The split's rows that were scored; None where the folder is gone."""
        if not self.about_split:
            return None
        try:
            rows = read_split(self.evaluation.split)[0]
            rows = keep_core(rows, self.evaluation.split) if self.evaluation.core else rows
            rows = limit_rows(rows, self.evaluation.limit)
        except BadInput:
            return None
        ids = self.evaluation.ids
        return rows if ids is None else rows.filter(pl.col("candidate_id").is_in(list(ids)))

    def facts(self) -> list[SetFacts]:
        """Where the numbers of each set come from."""
        return [
            SetFacts(label=one.label, split=self.evaluation.split_name, record=one.record(), warnings=one.warnings())
            for one in self.evaluation.sets
        ]

    def gallery(self) -> dict[str, list[PagePicture]]:
        """All pictures of the split, by class; the page counts them and shows the first."""
        gallery: dict[str, list[PagePicture]] = {}
        for row in [] if self.rows is None else self.rows.iter_rows(named=True):
            name = find_label(row["wnid"]).name
            picture = PagePicture(image=Path(row["path"]), alt=name, note=row["candidate_id"][:12])
            gallery.setdefault(name, []).append(picture)
        return gallery

    @cached_property
    def made(self) -> dict[str, MadeImages]:
        """Label -> images of a set."""
        return {one.label: MadeImages(one) for one in self.evaluation.sets}


@dataclass(frozen=True, eq=False)
class MadeImages:
    """The images of one set, with the alignment of each where it is known."""

    one: StoredSet

    @cached_property
    def _samples(self) -> tuple[pl.DataFrame, ShardedImages]:
        samples, images = read_samples(self.one.folder)
        return samples.filter(pl.col("row").is_not_null()), images

    @cached_property
    def _places(self) -> dict[str, int]:
        return dict(self._samples[0].select("sample_id", "row").iter_rows())

    @cached_property
    def _by_class(self) -> dict[str, list[str]]:
        by_class: dict[str, list[str]] = {}
        for sample_id, wnid in self._samples[0].select("sample_id", "wnid").iter_rows():
            by_class.setdefault(wnid, []).append(sample_id)
        return by_class

    @cached_property
    def _marks(self) -> dict[str, str]:
        kept = find_influences(self.one.folder / "influences.npz")
        name = next((name for name in ALIGNMENTS if kept and name in kept.estimates), None)
        if kept is None or name is None:
            return {}
        values: np.ndarray = kept.estimates[name].value + kept.estimates[name].influence
        return {sample_id: f"{name} {value:.1f}" for sample_id, value in zip(kept.ids, values, strict=True)}

    def picture(self, sample_id: str, name: str) -> PagePicture | None:
        """The image of one request; None where there is none."""
        place = self._places.get(sample_id)
        if place is None:
            return None
        mark = self._marks.get(sample_id, "")
        image = self._samples[1][[place]][0]
        return PagePicture(image=image, alt=f"{name} by {self.one.label}", note=sample_id[:12], mark=mark)

    def of_class(self, wnid: str, count: int) -> list[PagePicture]:
        """The first images of a class."""
        name = find_label(wnid).name
        found = [self.picture(sample_id, name) for sample_id in self._by_class.get(wnid, [])[:count]]
        return [picture for picture in found if picture is not None]


class PictureFinder:
    """`pictures_of` of a report: the first pictures of a class, of a set or of the split itself.

    Args:
        evaluations: of the evaluations on the page.
        count: pictures at most.
    """

    def __init__(self, evaluations: Sequence[EvaluationPictures], count: int = 8) -> None:
        self._evaluations = evaluations
        self._count = count

    def __call__(self, split: str, label: str, wnid: str) -> list[PagePicture]:
        """Pictures of one class; none where the set or the split's folder is not there."""
        for pictures in self._evaluations:
            if pictures.evaluation.split_name != split:
                continue
            if label == REAL and pictures.rows is not None:
                rows = pictures.rows.filter(wnid=wnid).head(self._count).iter_rows(named=True)
                alt = f"real image of {find_label(wnid).name}"
                return [PagePicture(image=Path(row["path"]), alt=alt, note=row["candidate_id"][:12]) for row in rows]
            if label in pictures.made:
                return pictures.made[label].of_class(wnid, self._count)
        return []
