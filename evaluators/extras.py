"""Metrics beyond a protocol's own, asked for by name: other feature spaces, neighbours, distances without bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from relaionet.manifests.errors import BadInput, nearest_name

Kind = Literal["frechet", "cmmd", "neighbours", "infinity", "top5"]


@dataclass(frozen=True, kw_only=True)
class Extra:
    """One metric that can be added to any protocol.

    Attributes:
        name: as it is asked for, and as tables call it (`neighbours` gives four metrics of other names).
        kind: how it is computed.
        extractor: whose features it compares; empty takes the protocol's own.
        array: which of the extractor's arrays.
        meaning: one line for people.
    """

    name: str
    kind: Kind
    extractor: str = ""
    array: str = "features"
    meaning: str


EXTRAS = {
    extra.name: extra
    for extra in (
        Extra(name="sFID", kind="frechet", extractor="inception", array="spatial",
              meaning="Fréchet distance of Inception's spatial features (ADM): shapes and places, not only content"),
        Extra(name="FD-DINOv2", kind="frechet", extractor="dinov2",
              meaning="Fréchet distance of DINOv2 ViT-L/14 features, which agree better with people"),
        Extra(name="CLIP-FD", kind="frechet", extractor="encoder:ViT-L-14/openai",
              meaning="Fréchet distance of CLIP ViT-L/14 unit rows"),
        Extra(name="CMMD", kind="cmmd", extractor="encoder:ViT-L-14-336/openai",
              meaning="kernel distance of CLIP ViT-L/14-336 unit rows, × 1000"),
        Extra(name="neighbours", kind="neighbours",
              meaning="precision, recall, density and coverage in the protocol's features"),
        Extra(name="infinity", kind="infinity",
              meaning="the protocol's Fréchet distance without the bias of few images, for sets of different size"),
        Extra(name="top-5", kind="top5",
              meaning="how often the requested class is among the classifier's first five"),
    )
}  # fmt: skip
SPACES: dict[str, Kind] = {"FD:": "frechet", "CMMD:": "cmmd"}
"""`FD:<extractor>` and `CMMD:<extractor>` take any extractor `load_extractor` knows."""


def find_extra(name: str) -> Extra:
    """The extra metric of a name.

    Raises:
        BadInput: there is none; the message names the nearest.
    """
    if name in EXTRAS:
        return EXTRAS[name]
    for prefix, kind in SPACES.items():
        if name.startswith(prefix) and len(name) > len(prefix):
            return Extra(name=name, kind=kind, extractor=name.removeprefix(prefix), meaning=f"{kind} of other features")
    forms = "'FD:<extractor>' and 'CMMD:<extractor>' work too."
    raise BadInput(f"there is no extra metric '{name}'.{nearest_name(name, EXTRAS)} Besides, {forms}")
