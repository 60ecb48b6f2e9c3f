"""Fit a calibration: the scale, offsets of classes, and how often captions of each kind are wrong.

The scale is the one that makes the classes of labelled pictures most probable (temperature scaling, Guo et al. 2017).
Where too few are labelled, it is found together with the share of wrong captions from captions that name one class: the
picture of a right caption is drawn from the probabilities, that of a wrong one from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import Label
from relaionet.pipeline.proposals.calibration import ASSUMPTIONS, WORDS, Calibration
from relaionet.pipeline.proposals.caption_errors import Captions, fit_caption_errors, fit_on_captions
from relaionet.pipeline.proposals.probabilities import log_probabilities, logits_of, spread, sum_by_group
from relaionet.pipeline.proposals.reliability import measure_reliability
from relaionet.pipeline.proposals.temperature import fit_offset, fit_scale, fit_scale_and_bias
from relaionet.pipeline.proposals.thresholds import find_thresholds

LEAST_GAIN = 0.005  # nats per picture
MOST_TRIED = 3000  # labelled pictures that the strength of offsets is chosen on
LEAST_PER_CLASS = 5  # labelled pictures per class, on average, before offsets per class are looked at


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig:
    """What the probabilities are fitted on: labelled pictures, else captions, else the first pictures that are settled.

    Attributes:
        file: a calibration of an earlier run, taken as it is; refused where it is another encoder's.
        labelled: folder of pictures with known labels: one folder per wnid, or file names that begin with one.
        use_controls: the recipe's controls are labelled pictures too.
        reviews: finished runs with the same encoder, whose settled verdicts are labels.
        use_captions: fit on captions where fewer than `min_labelled_count` pictures are labelled.
        min_labelled_count: labelled pictures that are enough.
        min_captions_count: captions naming one class that are enough.
        class_bias: look whether offsets per class help on labelled pictures that were held out, and use them if so.
        wanted_precision: share of proposals at or above a class's threshold that are to be right, 0 to 1.
        max_examples_count: pictures, and captions, looked at.
        folds: parts the labelled pictures are cut into to measure on what the fit has not seen.
        seed: of sample and folds.
    """

    file: Path | None = None
    labelled: Path | None = None
    use_controls: bool = True
    reviews: tuple[Path, ...] = ()
    use_captions: bool = True
    min_labelled_count: int = 50
    min_captions_count: int = 100
    class_bias: bool = True
    wanted_precision: float = 0.8
    max_examples_count: int = 10_000
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.wanted_precision < 1:
            raise BadInput(f"calibrate: wanted_precision is {self.wanted_precision}; it lies between 0 and 1.")
        for name, least in (
            ("min_labelled_count", 2),
            ("min_captions_count", 2),
            ("max_examples_count", 2),
            ("folds", 2),
        ):
            if getattr(self, name) < least:
                raise BadInput(f"calibrate: {name} is {getattr(self, name)}; expected at least {least}.")


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Pictures with known labels.

    Attributes:
        vectors: [N, D] unit rows.
        wnids: of each, its class.
        sources: where they are from -> how many.
    """

    vectors: np.ndarray
    wnids: Sequence[str]
    sources: Mapping[str, int] = field(default_factory=dict)


def fit_calibration(
    examples: Examples, captions: Captions, label_vectors: np.ndarray, labels: Sequence[Label],
    config: CalibrateConfig, own: Calibration, *, group_of: Callable[[str], str] = str,
) -> Calibration:  # fmt: skip
    """Fit a calibration on what there is.

    Args:
        examples: labelled pictures.
        captions: of the set itself.
        label_vectors: [C, D] unit rows of the class texts.
        labels: of the C rows.
        config: what is fitted on, the wanted precision, and the folds it is measured on.
        own: `uncalibrated`: the encoder's own numbers.
        group_of: wnid -> name of what it cannot be told apart from; thresholds take any member for right.

    Raises:
        BadInput: a label is none of `labels`.
    """
    own = replace(own, sources=dict(examples.sources))
    places = {label.wnid: place for place, label in enumerate(labels)}
    known = np.array([_place(places, wnid) for wnid in examples.wnids], dtype=np.int64)
    cosines = logits_of(examples.vectors, label_vectors, 1.0) if len(known) else np.zeros((0, len(labels)))
    named = [[_place(places, wnid) for wnid in wnids] for wnids in captions.named]
    is_sure = [row for row, words in enumerate(captions.words) if words == "sure" and len(named[row]) == 1]
    if len(known) >= config.min_labelled_count:
        found = _fit_labelled(own, cosines, known, labels, config, group_of)
    elif config.use_captions and len(is_sure) >= config.min_captions_count:
        chosen = is_sure[: config.max_examples_count]
        one = np.array([named[row][0] for row in chosen])
        found = fit_on_captions(own, logits_of(captions.vectors[chosen], label_vectors, 1.0), one)
    else:  # what captions are worth cannot be told without probabilities of the pictures
        return replace(own, captions_count={words: captions.words.count(words) for words in WORDS}, seed=config.seed)
    errors, counts = fit_caption_errors(found, captions, named, label_vectors, labels)
    return replace(found, caption_errors=errors, captions_count=counts, seed=config.seed)


def fit_on_review(
    examples: Examples, captions: Captions, label_vectors: np.ndarray, labels: Sequence[Label],
    config: CalibrateConfig, own: Calibration, *, group_of: Callable[[str], str] = str,
) -> Calibration:  # fmt: skip
    """The same where the labelled pictures are the first that reviewers of this very set settled.

    Returns:
        A calibration of the basis `review`, without thresholds: every picture was asked about already.
    """
    found = fit_calibration(examples, captions, label_vectors, labels, config, own, group_of=group_of)
    if found.basis != "labelled":
        return found
    return replace(found, basis="review", assumption=ASSUMPTIONS["review"], thresholds=None)


def _place(places: Mapping[str, int], wnid: str) -> int:
    if wnid not in places:
        raise BadInput(f"calibrate: '{wnid}' is none of the {len(places)} classes searched.")
    return places[wnid]


def _folds(count: int, config: CalibrateConfig) -> list[np.ndarray]:
    order = np.random.default_rng(config.seed).permutation(count)
    return [part for part in np.array_split(order, min(config.folds, count)) if len(part)]


def _choose_bias(cosines: np.ndarray, known: np.ndarray, config: CalibrateConfig) -> float | None:
    """Strength of the penalty on class offsets that does best on held-out pictures; None where none beats no offsets.

    The gain must be worth having and twice its standard error, and the classes must have examples enough.
    """
    if len(known) < LEAST_PER_CLASS * len(np.unique(known)):
        return None
    best, best_gain = None, 0.0
    cosines, known = cosines[:MOST_TRIED], known[:MOST_TRIED]
    for strength in (1.0, 0.3, 0.1, 0.03):
        gains = []
        for held in _folds(len(known), config):
            rest = np.setdiff1d(np.arange(len(known)), held)
            scale = fit_scale(cosines[rest], known[rest])
            refit, bias = fit_scale_and_bias(cosines[rest], known[rest], strength)
            row = np.arange(len(held))
            with_it = log_probabilities(refit * cosines[held] + bias)[row, known[held]]
            gains.append(with_it - log_probabilities(scale * cosines[held])[row, known[held]])
        gain = np.concatenate(gains)
        mean, error = float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain)))
        if mean > max(2 * error, LEAST_GAIN, best_gain):
            best, best_gain = strength, mean
    return best


@dataclass(frozen=True, kw_only=True)
class _Fit:
    scale: float
    offset: float
    bias: np.ndarray


def _fit_once(cosines: np.ndarray, known: np.ndarray, strength: float | None, *, is_sigmoid: bool) -> _Fit:
    if strength is None:
        scale, bias = fit_scale(cosines, known), np.zeros(cosines.shape[1])
    else:
        scale, bias = fit_scale_and_bias(cosines, known, strength)
    offset = fit_offset(cosines + bias / scale, scale, float(len(known))) if is_sigmoid else 0.0
    return _Fit(scale=scale, offset=offset, bias=bias)


def _fit_labelled(
    own: Calibration, cosines: np.ndarray, known: np.ndarray, labels: Sequence[Label], config: CalibrateConfig,
    group_of: Callable[[str], str],
) -> Calibration:  # fmt: skip
    """Fit on all labelled pictures; measure on folds that the fit has not seen."""
    is_sigmoid = own.with_none
    chosen = np.random.default_rng(config.seed).permutation(len(known))[: config.max_examples_count]
    cosines, known = cosines[chosen], known[chosen]
    strength = _choose_bias(cosines, known, config) if config.class_bias else None
    unseen = np.zeros_like(cosines)
    for held in _folds(len(known), config):
        rest = np.setdiff1d(np.arange(len(known)), held)
        fit = _fit_once(cosines[rest], known[rest], strength, is_sigmoid=is_sigmoid)
        logits = fit.scale * cosines[held] + fit.bias + fit.offset
        unseen[held] = spread(np.exp(log_probabilities(logits, with_none=is_sigmoid)), 1 / (len(rest) + 1))
    before = np.exp(log_probabilities(own.logit_scale * cosines + own.logit_bias, with_none=is_sigmoid))
    fit = _fit_once(cosines, known, strength, is_sigmoid=is_sigmoid)
    bias = {label.wnid: float(value) for label, value in zip(labels, fit.bias, strict=True) if value}
    index: dict[str, int] = {}
    member = np.array([index.setdefault(group_of(label.wnid), len(index)) for label in labels])
    summed = sum_by_group(unseen, member)
    group = summed.argmax(axis=1)
    best = np.where(member[None, :] == group[:, None], unseen, -1.0).argmax(axis=1)
    scores, right = summed[np.arange(len(group)), group].clip(0, 1), group == member[known]
    return replace(
        own, logit_scale=fit.scale, logit_bias=fit.offset, lapse=1 / (len(known) + 1), class_bias=bias,
        basis="labelled", assumption=ASSUMPTIONS["labelled"], examples_count=len(known),
        thresholds=find_thresholds(scores, right, [labels[int(place)].wnid for place in best], config.wanted_precision),
        reliability=measure_reliability(unseen.max(axis=1).clip(0, 1), unseen.argmax(axis=1) == known),
        reliability_before=measure_reliability(before.max(axis=1).clip(0, 1), before.argmax(axis=1) == known),
    )  # fmt: skip
