"""What turns an encoder's cosines into probabilities that come true, and where that was learned.

A calibration belongs to one encoder and one set of class texts; with any other it is refused. It is stored as JSON with
what it was fitted on, so that a number can always be asked where it is from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.labels import Label
from relaionet.pipeline.proposals.reliability import Reliability, ReliabilityBin
from relaionet.pipeline.proposals.thresholds import Thresholds

VERSION = "2"
BASIS = Literal["labelled", "captions", "review", "encoder"]
ASSUMPTIONS: Mapping[str, str] = {
    "labelled": "pictures of the set are as hard for the encoder as the labelled ones are",
    "captions": "a caption that names one class is right, or names any class by chance, whatever the picture is",
    "review": "pictures that nobody has looked at yet are as hard for the encoder as those that reviewers settled",
    "encoder": "nothing was fitted, and an encoder's own scores are no probabilities",
}
# how a caption can name classes: one for sure, by words that often mean something else, or several
WORDS = ("sure", "possible", "several")
USUAL_ERRORS: Mapping[str, float] = {"sure": 0.1, "possible": 0.3, "several": 0.2}


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """From cosines to probabilities.

    Attributes:
        activation: `softmax`, or `sigmoid` for encoders with a logit bias (SigLIP).
        logit_scale: factor of the cosines.
        logit_bias: added to every logit; 0 for softmax.
        lapse: share of every picture's probability that is spread over all classes: what was fitted on n pictures
            cannot show fewer failures than one in n + 1.
        class_bias: wnid -> added to the logit of that class; empty where it helped nothing.
        caption_errors: `sure`, `possible` and `several` -> share of such captions that name classes by chance.
        thresholds: least probability per class; null where too few labelled pictures are known.
        basis: `labelled`, `captions`, `review` (the run's own) or `encoder` (nothing): what the scale was fitted on.
        assumption: what has to hold for the probabilities to be true, in words.
        examples_count: pictures the scale was fitted on.
        sources: where these are from -> how many.
        captions_count: captions the errors were fitted on, by kind.
        reliability: of probabilities of labelled pictures that the fit did not see; null without labelled ones.
        reliability_before: the same with the encoder's own scale.
        encoder: name of the encoder.
        fingerprint: of the encoder.
        classes: digest of the class texts' vectors.
        seed: of folds and samples.
    """

    activation: Literal["softmax", "sigmoid"] = "softmax"
    logit_scale: float
    logit_bias: float = 0.0
    lapse: float = 0.0
    class_bias: Mapping[str, float] = field(default_factory=dict)
    caption_errors: Mapping[str, float] = field(default_factory=lambda: dict(USUAL_ERRORS))
    thresholds: Thresholds | None = None
    basis: BASIS = "encoder"
    assumption: str = ASSUMPTIONS["encoder"]
    examples_count: int = 0
    sources: Mapping[str, int] = field(default_factory=dict)
    captions_count: Mapping[str, int] = field(default_factory=dict)
    reliability: Reliability | None = None
    reliability_before: Reliability | None = None
    encoder: str = ""
    fingerprint: str = ""
    classes: str = ""
    seed: int = 0

    @property
    def is_fitted(self) -> bool:
        """The scores are probabilities; what nothing was fitted on is an order of classes at most."""
        return self.basis != "encoder"

    @property
    def asks_all(self) -> bool:
        """Every picture is proposed for review: nothing says which are unclear, or nothing did when they were asked."""
        return self.basis in ("encoder", "review")

    @property
    def with_none(self) -> bool:
        """The probabilities leave room for "none of the classes"."""
        return self.activation == "sigmoid"

    def least_score(self, wnid: str) -> float:
        """Least probability at which a class is proposed, as far as data say; 0 where they say nothing."""
        found = self.thresholds
        return 0.0 if found is None else found.by_wnid.get(wnid, found.score)


def uncalibrated(
    *, encoder: str, fingerprint: str, label_vectors: np.ndarray, logit_scale: float, logit_bias: float | None = None
) -> Calibration:
    """The encoder's own probabilities.

    Args:
        encoder: name.
        fingerprint: of the encoder.
        label_vectors: [C, D] unit rows of the class texts.
        logit_scale: the encoder's factor from cosines to logits.
        logit_bias: its offset, where it was trained with a sigmoid; None otherwise.
    """
    return Calibration(
        activation="softmax" if logit_bias is None else "sigmoid", logit_scale=logit_scale,
        logit_bias=logit_bias or 0.0, encoder=encoder, fingerprint=fingerprint,
        classes=classes_digest(label_vectors),
    )  # fmt: skip


def classes_digest(label_vectors: np.ndarray) -> str:
    """Digest of the class texts as the encoder sees them, to 3 decimals, so that devices agree."""
    import hashlib

    # rounding noise must not split one number in two: -0.0 and 0.0 are written alike
    rounded = np.round(label_vectors.astype(np.float64), 3) + 0.0
    return hashlib.sha256(rounded.astype(np.float32).tobytes()).hexdigest()


def check_calibration(found: Calibration, own: Calibration) -> Calibration:
    """Return a calibration if it is that of the encoder and the class texts of `own`, which is `uncalibrated`.

    Raises:
        BadInput: it is another's.
    """
    if found.fingerprint != own.fingerprint:
        raise BadInput(
            f"the calibration is that of encoder '{found.encoder}' ({found.fingerprint[:12]}…), not of '{own.encoder}' "
            f"({own.fingerprint[:12]}…): cosines of two encoders cannot be compared. Fit one for this encoder: leave "
            f"`file` out of [calibrate]."
        )
    if found.classes != own.classes:
        raise BadInput(
            f"the calibration was fitted with other class texts ({found.classes[:12]}…, here {own.classes[:12]}…); use "
            f"its templates, or leave `file` out of [calibrate]."
        )
    return found


def calibration_digest(found: Calibration) -> str:
    """Digest of all that probabilities and proposals depend on, 64 hex digits."""
    # what asks about every picture was not there when the first runs were made
    asking = [found.basis] if found.asks_all else []
    return digest_of(
        found.activation, found.logit_scale, found.logit_bias, found.lapse, found.class_bias, found.caption_errors,
        found.thresholds, found.fingerprint, found.classes, *asking,
    )  # fmt: skip


def bias_vector(found: Calibration, labels: Sequence[Label]) -> np.ndarray:
    """What is added to the logits, [C]."""
    return np.array([found.logit_bias + found.class_bias.get(label.wnid, 0.0) for label in labels])


def read_calibration(values: Mapping[str, Any]) -> Calibration:
    """A calibration from its stored form.

    Raises:
        BadInput: it is none.
    """
    try:
        parts = dict(values)
        for name in ("reliability", "reliability_before"):
            part = parts.get(name)
            if part is not None:
                bins = tuple(ReliabilityBin(**one) for one in part["bins"])
                parts[name] = Reliability(**{**part, "bins": bins})
        if parts.get("thresholds") is not None:
            parts["thresholds"] = Thresholds(**parts["thresholds"])
        return Calibration(**parts)
    except (TypeError, KeyError, ValueError) as error:
        raise BadInput(f"this is no calibration of proposals: {error}.") from None
