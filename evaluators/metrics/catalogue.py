"""What each metric is called, which way is better, and what it says in one line."""

from __future__ import annotations

from dataclasses import dataclass

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
