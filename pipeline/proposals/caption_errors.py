"""What captions tell of a calibration: the scale where nothing is labelled, and how often they are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from relaionet.manifests.labels import Label
from relaionet.pipeline.proposals.calibration import ASSUMPTIONS, USUAL_ERRORS, WORDS, Calibration, bias_vector
from relaionet.pipeline.proposals.probabilities import log_probabilities, probability_blocks
from relaionet.pipeline.proposals.temperature import HIGHEST, LOWEST, fit_offset

PRIOR_CAPTIONS = 10.0  # imagined captions that the share of wrong ones is shrunk with


@dataclass(frozen=True, kw_only=True)
class Captions:
    """Pictures whose captions name classes.

    Attributes:
        vectors: [N, D] unit rows.
        named: of each, the wnids its caption names, one or more.
        words: of each, `sure`, `possible` or `several`.
    """

    vectors: np.ndarray
    named: Sequence[Sequence[str]]
    words: Sequence[str]


def fit_on_captions(own: Calibration, cosines: np.ndarray, named: np.ndarray) -> Calibration:
    """Scale and share of wrong captions together, from captions [N] that name one class for sure."""
    from scipy.optimize import minimize

    rows, chance = np.arange(len(named)), 1 / cosines.shape[1]

    def loss(values: np.ndarray) -> float:
        scale, error = float(np.exp(values[0])), 1 / (1 + np.exp(-values[1]))
        said = np.exp(log_probabilities(scale * cosines)[rows, named])
        return float(-np.log((1 - error) * said + error * chance).mean() - _prior(error, "sure") / len(named))

    start = np.array([np.log(min(max(own.logit_scale, LOWEST), HIGHEST)), -2.0])
    found = min(
        (minimize(loss, start + shift, method="Nelder-Mead") for shift in ([0.0, 0.0], [-1.5, 0.0])),
        key=lambda one: float(one.fun),
    )
    scale, error = float(np.exp(found.x[0])), float(1 / (1 + np.exp(-found.x[1])))
    offset = fit_offset(cosines, scale, (1 - error) * len(named)) if own.with_none else 0.0
    return replace(
        own, logit_scale=scale, logit_bias=offset, lapse=1 / (len(named) + 1), basis="captions",
        assumption=ASSUMPTIONS["captions"], examples_count=len(named), sources={"captions": len(named)},
    )  # fmt: skip


def _prior(error: float, words: str) -> float:
    """Log of the prior of a share of wrong captions, that of `PRIOR_CAPTIONS` imagined ones."""
    usual = USUAL_ERRORS[words]
    return PRIOR_CAPTIONS * ((1 - usual) * float(np.log1p(-error)) + usual * float(np.log(error)))


def fit_caption_errors(
    found: Calibration, captions: Captions, named: Sequence[Sequence[int]], label_vectors: np.ndarray,
    labels: Sequence[Label],
) -> tuple[dict[str, float], dict[str, int]]:  # fmt: skip
    """How often captions of each kind name classes by chance, and how many of each kind there were.

    The most likely share given the pictures' probabilities, shrunk to `USUAL_ERRORS` by ten imagined captions.
    """
    errors, counts = dict(USUAL_ERRORS), dict.fromkeys(WORDS, 0)
    for words in WORDS:
        rows = [row for row, one in enumerate(captions.words) if one == words]
        counts[words] = len(rows)
        if rows:
            said = _said(found, captions.vectors[rows], [named[row] for row in rows], label_vectors, labels)
            chance = np.array([len(named[row]) for row in rows]) / len(labels)
            errors[words] = _most_likely_error(said, chance, words)
    return errors, counts


def _said(
    found: Calibration, vectors: np.ndarray, named: Sequence[Sequence[int]], label_vectors: np.ndarray,
    labels: Sequence[Label],
) -> np.ndarray:  # fmt: skip
    """Probability of the classes that each caption names, given the picture, [N]."""
    said = np.empty(len(vectors))
    bias = bias_vector(found, labels)
    for part, block in probability_blocks(
        vectors, label_vectors, found.logit_scale, bias, with_none=found.with_none, lapse=found.lapse
    ):
        said[part] = [row[list(places)].sum() for row, places in zip(block, named[part], strict=True)]
    return said


def _most_likely_error(said: np.ndarray, chance: np.ndarray, words: str) -> float:
    from scipy.optimize import minimize_scalar

    def loss(error: float) -> float:
        return -float(np.log((1 - error) * said + error * chance).sum()) - _prior(error, words)

    return float(minimize_scalar(loss, bounds=(1e-4, 1 - 1e-4), method="bounded").x)
