"""A set of pictures as it is compared: what each picture is, its class, and its features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from relaionet.evaluators.comparison.draws import Labelled
from relaionet.manifests.errors import BadInput


@dataclass(frozen=True, eq=False, kw_only=True)
class ComparedSet:
    """What is known of a set of pictures.

    Attributes:
        name: as it stands in tables.
        digest: of its content; decides from which set is drawn first, and nothing else.
        ids: of its pictures, distinct.
        wnids: class of each, empty where nobody says it.
        keys: what each picture is: a picture that both sets hold has one key in both.
        features: representation -> [N, D] float32, may lie on disk.
    """

    name: str
    digest: str
    ids: Sequence[str]
    wnids: Sequence[str]
    keys: Sequence[str]
    features: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        sizes = {len(self.ids), len(self.wnids), len(self.keys), *map(len, self.features.values())}
        if len(sizes) > 1:
            raise BadInput(f"{self.name}: ids, classes, keys and features differ in number: {sorted(sizes)}.")

    @cached_property
    def labelled(self) -> Labelled:
        """What draws know of it."""
        return Labelled(self.wnids, self.keys, self.ids)
