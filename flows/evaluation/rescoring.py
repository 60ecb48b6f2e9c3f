"""Sets scored anew on some of their requests, from the features they stored; kept, as it takes as long as scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.features.stored import read_feature_set
from relaionet.evaluators.protocols import Protocol
from relaionet.evaluators.scoring.compare import Rescore
from relaionet.evaluators.scoring.influences import Influences, keep_influences, read_influences, write_influences
from relaionet.evaluators.scoring.measure import measure_set
from relaionet.evaluators.scoring.score import version_with
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import digest_of

KEPT = "common"
"""Folder beside a set's features."""


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
        folder, place = folders[label]
        found, reference = read(folder), read(place)
        made_of = digest_of(found.digest, reference.digest, protocol, version_with(found.extra_names), sorted(ids))
        path = folder / KEPT / f"{made_of[:16]}.npz"
        try:
            return replace(read_influences(path), label=label)  # the set may be called otherwise on another board
        except (BadInput, Corrupt):  # not there yet, or cut short
            pass
        kept = found.take([row for row, name in enumerate(found.ids) if name in ids])
        try:
            scored = keep_influences(measure_set(kept, reference, in_part=True), label)
        except BadInput:  # so few images that they have no metric at all
            return Influences(label, protocol.name, (), (), {})
        path.parent.mkdir(exist_ok=True)
        write_influences(path, scored)
        return scored

    return rescore
