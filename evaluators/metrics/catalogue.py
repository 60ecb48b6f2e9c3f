"""What each metric is called, which way is better, and what it says in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from relaionet.manifests.errors import BadInput, nearest_name

RELATIVE = " (relative)"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric of the scores table.

    Attributes:
        name: as in tables.
        is_lower_better: direction.
        needs: what has to be asked for; empty where every protocol (or every one with such a model) gives it.
        meaning: one line for people.
    """

    name: str
    is_lower_better: bool = False
    needs: str = ""
    meaning: str


METRICS = (
    Metric(name="MMHM", meaning="harmonic mean of distance, score and alignment, each scaled from worst to best"),
    Metric(name="MMHM (raw)", meaning="the published MMHM, whose ingredients are not kept within kept bounds"),
    Metric(name="FID", is_lower_better=True, meaning="Fréchet distance of Inception features to the split's images"),
    Metric(name="FD", is_lower_better=True, meaning="Fréchet distance of other features to the split's images"),
    Metric(name="csFID", is_lower_better=True, meaning="FID divided by the mean alignment"),
    Metric(name="csFD", is_lower_better=True, meaning="FD divided by the mean alignment"),
    Metric(name="psFID", is_lower_better=True, meaning="FID divided by the mean PickScore alignment"),
    Metric(name="psFD", is_lower_better=True, meaning="FD divided by the mean PickScore alignment"),
    Metric(name="IS", meaning="Inception Score: sure of each image, many classes found"),
    Metric(name="csIS", meaning="Inception Score times the mean alignment"),
    Metric(name="psIS", meaning="Inception Score times the mean PickScore alignment"),
    Metric(name="CLIP Score", meaning="100 × mean cosine of image and the text of its class"),
    Metric(name="PickScore", meaning="100 × mean cosine under a model of human preference"),
    Metric(name="accuracy", meaning="how often a fixed classifier finds the requested class"),
    Metric(name="top-5", needs="top-5", meaning="how often the requested class is among the classifier's first five"),
    Metric(name="KID", is_lower_better=True,
           meaning="kernel distance of Inception features, without bias; far from the split its 95 % are about 93 %"),
    Metric(name="KD", is_lower_better=True,
           meaning="kernel distance of other features, without bias; far from the split its 95 % are about 93 %"),
    Metric(name="FID∞", is_lower_better=True, needs="infinity", meaning="FID without the bias of few images"),
    Metric(name="FD∞", is_lower_better=True, needs="infinity", meaning="FD without the bias of few images"),
    Metric(name="sFID", is_lower_better=True, needs="sFID", meaning="Fréchet distance of Inception's spatial features"),
    Metric(name="FD-DINOv2", is_lower_better=True, needs="FD-DINOv2",
           meaning="Fréchet distance of DINOv2 features, which agree better with people"),
    Metric(name="CLIP-FD", is_lower_better=True, needs="CLIP-FD", meaning="Fréchet distance of CLIP's unit rows"),
    Metric(name="CMMD", is_lower_better=True, needs="CMMD", meaning="kernel distance of CLIP's unit rows, × 1000"),
    Metric(name="precision", needs="neighbours", meaning="share of images that lie among the split's own"),
    Metric(name="recall", needs="neighbours", meaning="share of the split's images that lie among the generated ones"),
    Metric(name="density", needs="neighbours", meaning="how densely the split's own images lie around each image"),
    Metric(name="coverage", needs="neighbours", meaning="share of the split's images with a generated one beside them"),
    Metric(name="ImageReward", needs="a rater", meaning="mean reward of a model of human preference"),
    Metric(name="HPSv2", needs="a rater", meaning="mean score of a model of human preference; same prompts only"),
    Metric(name="aesthetic", needs="a rater", meaning="mean beauty, 1 to 10, as a model learnt it from votes"),
)  # fmt: skip
BY_NAME = {metric.name: metric for metric in METRICS}
LOWER_PREFIXES = ("FD:", "CMMD:", "FID to ", "FD to ")


def is_lower_better(metric: str) -> bool:
    """Direction of a metric, its relative form and distances in other features included."""
    found = BY_NAME.get(metric.removesuffix(RELATIVE))
    return found.is_lower_better if found else metric.startswith(LOWER_PREFIXES)


def explain_metric(metric: str) -> str:
    """What a metric says, in one line; empty where it is a user's own."""
    found = BY_NAME.get(metric.removesuffix(RELATIVE))
    return found.meaning if found else ""


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
