"""The numbers between cosines and probabilities: scale, offset, and offsets of single classes, each by one rule."""

from __future__ import annotations

import numpy as np

from relaionet.pipeline.proposals.probabilities import log_probabilities

LOWEST, HIGHEST = 0.5, 2000.0  # of the scale
TURNS = 4


def _log_loss(cosines: np.ndarray, known: np.ndarray, scale: float, bias: np.ndarray | float = 0.0) -> float:
    logs = log_probabilities(scale * cosines + bias)
    return float(-logs[np.arange(len(known)), known].mean())


def fit_scale(cosines: np.ndarray, known: np.ndarray, bias: np.ndarray | float = 0.0) -> float:
    """The factor of the cosines [N, C] that makes the known classes [N] most probable."""
    from scipy.optimize import minimize_scalar

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    found = minimize_scalar(
        lambda log: _log_loss(cosines, known, float(np.exp(log)), bias), bounds=bounds, method="bounded"
    )
    return float(np.exp(found.x))


def fit_offset(cosines: np.ndarray, scale: float, positives: float) -> float:
    """The offset at which sigmoids of all pairs [N, C] sum to the number of pairs that are right."""
    from scipy.optimize import brentq
    from scipy.special import expit

    logits = scale * cosines
    return float(brentq(lambda offset: expit(logits + offset).sum() - positives, -1e4, 1e4))


def fit_class_bias(cosines: np.ndarray, known: np.ndarray, scale: float, strength: float) -> np.ndarray:
    """Offsets of classes that are favoured or passed over, [C], 0 for classes without an example.

    Fitted among the classes that have examples, each class weighing the same, so that they learn nothing of how many
    examples a class has; a penalty of `strength` times their mean square keeps them small.
    """
    from scipy.optimize import minimize

    seen, inverse, counts = np.unique(known, return_inverse=True, return_counts=True)
    part, rows = scale * cosines[:, seen], np.arange(len(known))
    weight = (1 / counts)[inverse] / len(seen)

    def loss(bias: np.ndarray) -> tuple[float, np.ndarray]:
        logs = log_probabilities(part + bias)
        gradient = (np.exp(logs) * weight[:, None]).sum(axis=0) - np.bincount(inverse, weight, len(seen))
        return float(
            -(weight * logs[rows, inverse]).sum() + strength * bias @ bias / len(seen)
        ), gradient + 2 * strength * bias / len(seen)

    found = minimize(loss, np.zeros(len(seen)), jac=True, method="L-BFGS-B").x
    result = np.zeros(cosines.shape[1])
    result[seen] = found - found.mean()
    return result


def fit_scale_and_bias(cosines: np.ndarray, known: np.ndarray, strength: float) -> tuple[float, np.ndarray]:
    """The scale and the offsets of classes [C] together, in turns."""
    bias = np.zeros(cosines.shape[1])
    for _ in range(TURNS):
        bias = fit_class_bias(cosines, known, fit_scale(cosines, known, bias), strength)
    return fit_scale(cosines, known, bias), bias
