"""Sets scored anew on some of their requests, from the features they stored."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.features.stored import read_feature_set
from relaionet.evaluators.protocols import Protocol
from relaionet.evaluators.scoring.compare import Rescore
from relaionet.evaluators.scoring.influences import Influences, keep_influences
from relaionet.evaluators.scoring.measure import measure_set


def rescoring(folders: Mapping[str, tuple[Path, Path]], protocol: Protocol) -> Rescore:
    """A function that scores a set on its images of some requests alone, against the split's own images of these.

    Args:
        folders: label of a set -> where its features lie, and those of the split's own images.
        protocol: they were made under.
    """

    @cache
    def read(folder: Path) -> FeatureSet:
        return read_feature_set(folder, protocol)

    def rescore(label: str, ids: frozenset[str]) -> Influences:
        folder, reference = folders[label]
        found = read(folder)
        kept = found.take([row for row, name in enumerate(found.ids) if name in ids])
        return keep_influences(measure_set(kept, read(reference), in_part=True), label)

    return rescore
