"""Every metric declared once, in the order they are computed; those of other packages come by entry points.

To add one: its formula in a file of this folder and one declaration here (what formulas take of a protocol's choices is
in `values`). A package of one's own declares a `Metric` and names it in the entry-point group `relaionet.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from relaionet.evaluators.metrics.estimate import JACKKNIFE, WILSON
from relaionet.evaluators.metrics.frechet_infinity import METHOD as BOTH_SIDES
from relaionet.evaluators.metrics.metric import RELATIVE, Metric, Shown
from relaionet.evaluators.metrics.precision_recall import LEAVING_OUT
from relaionet.evaluators.metrics.values import (
    accuracy,
    alignment,
    among_neighbours,
    cmmd,
    frechet,
    inception,
    infinity,
    kernel,
    rating,
    scaled,
)
from relaionet.evaluators.protocols import Protocol

LOG, SKEWNESS = f"{JACKKNIFE}, log scale", f"{JACKKNIFE}, skewness removed"
RECIPROCAL = f"{JACKKNIFE}, reciprocal scale of the biased form"
CLIP, PICK = "CLIP Score", "PickScore"


def _fd(name: str) -> Callable[[Protocol], bool]:
    return lambda protocol: protocol.fd_name == name


def _ps(name: str) -> Callable[[Protocol], bool]:
    return lambda protocol: protocol.fd_name == name and protocol.preference is not None


def _kd(name: str) -> Callable[[Protocol], bool]:
    return lambda protocol: protocol.kd_name == name


def _has_preference(protocol: Protocol) -> bool:
    return protocol.preference is not None


def _has_labels(protocol: Protocol) -> bool:
    return protocol.class_order != "none"


FID = Metric(
    name="FID", meaning="Fréchet distance of Inception features to the split's images", direction="lower",
    needs=("features", "reference"), under=_fd("FID"), compute=frechet, is_by_class=True, interval=LOG, part="distance",
    source="Heusel et al. 2017, section 3; torch-fidelity 0.4",
    shown=Shown(column=30, main=30, said=10, ranks=30, pairs=10, splits=10, classes=70),
)  # fmt: skip
FD = replace(
    FID, name="FD", meaning="Fréchet distance of other features to the split's images", under=_fd("FD"),
    shown=Shown(column=40, main=40, said=20, ranks=40, pairs=20, splits=20, classes=80),
)  # fmt: skip
KID = Metric(
    name="KID",
    meaning="kernel distance of Inception features, without bias; far from the split its 95 % are about 93 %",
    direction="lower", needs=("features", "reference"), under=_kd("KID"), compute=kernel, is_by_class=True,
    interval=RECIPROCAL, depends_on_count=False, source="Bińkowski et al. 2018, section 4; torch-fidelity 0.4",
    shown=Shown(column=160, main=160, pairs=30, splits=30, classes=50),
)  # fmt: skip
KD = replace(
    KID, name="KD",
    meaning="kernel distance of other features, without bias; far from the split its 95 % are about 93 %",
    under=_kd("KD"), shown=Shown(column=170, main=170, pairs=40, splits=40, classes=40),
)  # fmt: skip
CSFID = Metric(
    name="csFID", meaning="FID divided by the mean alignment", direction="lower", under=_fd("FID"),
    needs=("features", "text", "reference"), compute=scaled(CLIP, "distance"),
    relative=scaled(CLIP, "distance", RELATIVE), interval=LOG, source="the fair flow benchmark; chain rule",
    shown=Shown(column=50, main=50, ranks=50),
)  # fmt: skip
CSIS = Metric(
    name="csIS", meaning="Inception Score times the mean alignment", needs=("logits", "text"),
    compute=scaled(CLIP, "score"), relative=scaled(CLIP, "score", RELATIVE), interval=SKEWNESS,
    source="the fair flow benchmark; chain rule", shown=Shown(column=100, main=100, ranks=100),
)  # fmt: skip
ALIGNMENT = Metric(
    name=CLIP, meaning="100 × mean cosine of image and the text of its class", needs=("text",),
    compute=alignment(CLIP), is_by_class=True, is_mean=True, interval=SKEWNESS, part="alignment",
    depends_on_count=False, source="Hessel et al. 2021, without clamp and factor 2.5",
    shown=Shown(column=120, main=120, said=40, ranks=120, pairs=70, splits=70, classes=20),
)  # fmt: skip
ACCURACY = Metric(
    name="accuracy", meaning="how often a fixed classifier finds the requested class, or another that its row shows",
    needs=("logits", "labels"),
    under=_has_labels, compute=accuracy(1), is_by_class=True, interval=WILSON, depends_on_count=False,
    source="interval: Wilson 1927",
    shown=Shown(column=140, main=140, said=60, ranks=140, pairs=90, splits=90, classes=30),
)  # fmt: skip
RATER = Metric(
    name="ImageReward", meaning="mean reward of a model of human preference", given_by="rater", needs=("ratings",),
    compute=rating("ImageReward"), is_by_class=True, is_mean=True, interval=SKEWNESS, source="Xu et al. 2023",
    shown=Shown(column=280),
)  # fmt: skip
SFID = Metric(
    name="sFID", meaning="Fréchet distance of Inception's spatial features", direction="lower", given_by="extra",
    extra="sFID", extractor="inception", array="spatial", needs=("features", "reference"), compute=frechet,
    interval=LOG, source="Nash et al. 2021; ADM's evaluator", shown=Shown(column=200),
)  # fmt: skip
CMMD = replace(
    SFID, name="CMMD", meaning="kernel distance of CLIP's unit rows, × 1000", extra="CMMD",
    extractor="encoder:ViT-L-14-336/openai", array="features", compute=cmmd, shown=Shown(column=230),
    source="Jayasumana et al. 2024, section 4",
)  # fmt: skip
PRECISION = Metric(
    name="precision", meaning="share of images that lie among the split's own", given_by="extra", extra="neighbours",
    needs=("features", "reference"), compute=among_neighbours("precision"), interval=f"{JACKKNIFE}, {WILSON}",
    source="Kynkäänniemi et al. 2019, section 2; torch-fidelity 0.4", shown=Shown(column=240),
)  # fmt: skip
FID_INFINITY = Metric(
    name="FID∞", meaning="FID without the bias of few images", direction="lower", given_by="extra", extra="infinity",
    needs=("features", "reference"), under=_fd("FID"), compute=infinity, interval=f"{BOTH_SIDES}, skewness removed",
    depends_on_count=False, source="Chong and Forsyth 2020, section 3", shown=Shown(column=180),
)  # fmt: skip
FID_TO = replace(
    FID, name="FID to ", meaning="Fréchet distance of Inception features to other images named", given_by="statistics",
    is_family=True, is_by_class=False, part="", shown=Shown(),
)  # fmt: skip
MMHM = Metric(
    name="MMHM", meaning="harmonic mean of distance, score and alignment, each scaled from worst to best",
    given_by="rows", needs=("scores",), interval="ingredients of all sets drawn together", is_within_rows=True,
    source="the fair flow benchmark, ε = 1e-3", shown=Shown(column=10, main=900, ranks=900, pairs=100, splits=100),
)  # fmt: skip

METRICS = (
    FID,
    FD,
    KID,
    KD,
    Metric(
        name="IS", meaning="Inception Score: sure of each image, many classes found", needs=("logits",),
        compute=inception, is_by_class=True, interval=SKEWNESS, part="score",
        source="Salimans et al. 2016, section 4; torch-fidelity 0.4",
        shown=Shown(column=90, main=90, said=30, ranks=90, pairs=60, splits=60, classes=60),
    ),
    ALIGNMENT,
    CSFID,
    replace(
        CSFID, name="csFD", meaning="FD divided by the mean alignment", under=_fd("FD"),
        shown=Shown(column=60, main=60, ranks=60),
    ),
    CSIS,
    replace(
        ALIGNMENT, name=PICK, meaning="100 × mean cosine under a model of human preference", under=_has_preference,
        compute=alignment(PICK), source="Kirstain et al. 2023, at logit scale 100",
        shown=Shown(column=130, main=130, said=50, ranks=130, pairs=80, splits=80, classes=10),
    ),
    replace(
        CSFID, name="psFID", meaning="FID divided by the mean PickScore alignment", under=_ps("FID"),
        compute=scaled(PICK, "distance"), relative=scaled(PICK, "distance", RELATIVE),
        shown=Shown(column=70, main=70, ranks=70),
    ),
    replace(
        CSFID, name="psFD", meaning="FD divided by the mean PickScore alignment", under=_ps("FD"),
        compute=scaled(PICK, "distance"), relative=scaled(PICK, "distance", RELATIVE), shown=Shown(column=80),
    ),
    replace(
        CSIS, name="psIS", meaning="Inception Score times the mean PickScore alignment", under=_has_preference,
        compute=scaled(PICK, "score"), relative=scaled(PICK, "score", RELATIVE), shown=Shown(column=110),
    ),
    RATER,
    replace(
        RATER, name="HPSv2", meaning="mean score of a model of human preference; same prompts only",
        compute=rating("HPSv2"), source="Wu et al. 2023", shown=Shown(column=290),
    ),
    replace(
        RATER, name="aesthetic", meaning="mean beauty, 1 to 10, as a model learnt it from votes",
        compute=rating("aesthetic"), source="LAION's aesthetic predictor", shown=Shown(column=300),
    ),
    ACCURACY,
    replace(
        ACCURACY, name="top-5", meaning="how often such a class is among the classifier's first five",
        given_by="extra", extra="top-5", compute=accuracy(5), depends_on_count=True, shown=Shown(column=150),
    ),
    FID_TO,
    replace(FID_TO, name="FD to ", meaning="Fréchet distance of other features to other images named", under=_fd("FD")),
    FID_INFINITY,
    replace(
        FID_INFINITY, name="FD∞", meaning="FD without the bias of few images", under=_fd("FD"), shown=Shown(column=190)
    ),
    SFID,
    replace(
        SFID, name="FD-DINOv2", meaning="Fréchet distance of DINOv2 features, which agree better with people",
        extra="FD-DINOv2", extractor="dinov2", array="features", source="Stein et al. 2023",
        shown=Shown(column=210, pairs=50, splits=50),
    ),
    replace(
        SFID, name="CLIP-FD", meaning="Fréchet distance of CLIP's unit rows", extra="CLIP-FD",
        extractor="encoder:ViT-L-14/openai", array="features", source="as FD", shown=Shown(column=220),
    ),
    CMMD,
    PRECISION,
    replace(
        PRECISION, name="recall", meaning="share of the split's images that lie among the generated ones",
        compute=among_neighbours("recall"), interval=f"{LEAVING_OUT}, {WILSON}", shown=Shown(column=250),
    ),
    replace(
        PRECISION, name="density", meaning="how densely the split's own images lie around each image",
        compute=among_neighbours("density"), interval=SKEWNESS, source="Naeem et al. 2020, section 3",
        shown=Shown(column=260),
    ),
    replace(
        PRECISION, name="coverage", meaning="share of the split's images with a generated one beside them",
        compute=among_neighbours("coverage"), interval=f"{LEAVING_OUT}, {WILSON}",
        source="Naeem et al. 2020, section 3", shown=Shown(column=270),
    ),
    replace(
        SFID, name="FD:", meaning="Fréchet distance of the features of any extractor", extra="FD:", extractor="",
        array="features", is_family=True, source="as FD", shown=Shown(),
    ),
    replace(
        CMMD, name="CMMD:", meaning="CMMD of the features of any extractor", extra="CMMD:", extractor="",
        is_family=True, shown=Shown(),
    ),
    MMHM,
    replace(
        MMHM, name="MMHM (raw)", meaning="the published MMHM, whose ingredients are not kept within kept bounds",
        under=lambda protocol: protocol.mmhm_raw, shown=Shown(column=20),
    ),
)  # fmt: skip
"""Built-in metrics, in the order their values stand in the scores table."""
INGREDIENTS = tuple(metric.name for metric in METRICS if metric.part)
DISTANCES = tuple(metric.name for metric in METRICS if metric.part == "distance")
ALIGNMENTS = tuple(metric.name for metric in METRICS if metric.part == "alignment")
