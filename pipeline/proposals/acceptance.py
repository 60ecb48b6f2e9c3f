"""How many of those nobody looked at can be wrong, when a random sample of all was looked at.

A set of N labels holds D wrong ones; n drawn at random hold k wrong ones. D is at most the largest number under which
so few wrong ones would still be found with a chance of more than 1 − confidence: exact, by the hypergeometric
distribution, and true for small sets.

Source: acceptance sampling by attributes; exact limits for a finite set, Buonaccorsi 1987.
"""

from __future__ import annotations

from relaionet.manifests.errors import BadInput


def bound_wrong(count: int, sampled: int, wrong: int, confidence: float = 0.95) -> int:
    """Most wrong labels among those that were not sampled, at this confidence.

    Args:
        count: labels in all, N.
        sampled: of these looked at, n.
        wrong: of those wrong, k.
        confidence: one-sided, 0 to 1.

    Raises:
        BadInput: the numbers contradict each other.
    """
    from scipy.stats import hypergeom

    if not 0 <= wrong <= sampled <= count or not 0 < confidence < 1:
        raise BadInput(f"bound: {wrong} wrong of {sampled} sampled of {count} at {confidence} cannot be.")
    low, high = wrong, count - sampled + wrong  # low is always possible
    while low < high:
        middle = (low + high + 1) // 2
        if hypergeom.cdf(wrong, count, middle, sampled) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return low - wrong


def sample_size(count: int, max_wrong_frac: float, confidence: float = 0.95) -> int:
    """Labels to look at so that, if none of them is wrong, at most this share of the others is.

    Args:
        count: labels in all.
        max_wrong_frac: share of those not looked at, 0 to 1.
        confidence: one-sided, 0 to 1.
    """
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if bound_wrong(count, middle, 0, confidence) <= max_wrong_frac * (count - middle):
            high = middle
        else:
            low = middle + 1
    return low
