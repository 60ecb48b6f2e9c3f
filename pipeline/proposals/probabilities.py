"""How probable each class is, given the picture, and given the picture and what its caption names.

    softmax   p(c | picture) = exp(z_c) / Σ exp(z)           z_c = scale · cosine_c + bias_c
    sigmoid   p(c | picture) = exp(z_c) / (1 + Σ exp(z))     z_c = scale · cosine_c + offset + bias_c

and of either a share `lapse` is spread over all classes alike: what was fitted on n pictures cannot show that an
encoder fails less often than once in n + 1, however large its logits are.

The second is for encoders trained with a sigmoid (SigLIP), whose logits are odds of their own for every class: one
class or none of them is shown, and "none" has the odds 1.

A caption is evidence. It names a class the picture shows, or, with probability e, any class by chance:

    p(caption names S | class c) = (1 − e) · [c in S] + e · |S| / C

so that p(c | picture, caption) is proportional to p(c | picture) times this. Picture and caption are taken as
independent given the class.

Source: softmax over cosines, Radford et al. 2021, section 3.1; sigmoid, Zhai et al. 2023, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

BLOCK_ROWS = 1024
DECIMALS = 9  # logits are rounded, so that float noise never changes an order of classes


def logits_of(
    image_vectors: np.ndarray, label_vectors: np.ndarray, scale: float, bias: np.ndarray | float = 0.0
) -> np.ndarray:
    """[N, C] float64 logits of unit rows [N, D] and [C, D]; `bias` is added, a number or [C]."""
    cosines = image_vectors.astype(np.float64) @ label_vectors.astype(np.float64).T
    return np.round(scale * cosines + bias, DECIMALS)


def log_probabilities(logits: np.ndarray, *, with_none: bool = False) -> np.ndarray:
    """[N, C] log probabilities; `with_none` leaves room for "none of the classes", whose logit is 0."""
    top = logits.max(axis=1, keepdims=True)
    top = np.maximum(top, 0.0) if with_none else top
    total = np.exp(logits - top).sum(axis=1, keepdims=True) + (np.exp(-top) if with_none else 0.0)
    return logits - top - np.log(total)


def probability_blocks(
    image_vectors: np.ndarray, label_vectors: np.ndarray, scale: float, bias: np.ndarray | float = 0.0, *,
    with_none: bool = False, lapse: float = 0.0,
) -> Iterator[tuple[slice, np.ndarray]]:  # fmt: skip
    """Rows and their [n, C] float64 probabilities, in blocks of bounded size."""
    for start in range(0, len(image_vectors), BLOCK_ROWS):
        part = slice(start, min(start + BLOCK_ROWS, len(image_vectors)))
        logits = logits_of(image_vectors[part], label_vectors, scale, bias)
        yield part, spread(np.exp(log_probabilities(logits, with_none=with_none)), lapse)


def spread(probabilities: np.ndarray, lapse: float) -> np.ndarray:
    """[N, C] probabilities of which a share was spread over all classes alike."""
    return (1 - lapse) * probabilities + lapse / probabilities.shape[1]


def weigh_captions(probabilities: np.ndarray, named: Sequence[Sequence[int]], errors: np.ndarray) -> np.ndarray:
    """Probabilities given picture and caption.

    Args:
        probabilities: [N, C] given the picture; rows may sum to less than 1, the rest being "none of them".
        named: for each row the places of the classes its caption names; empty where it names none.
        errors: [N] probability that a caption of this kind names classes by chance, 0 to 1.

    Returns:
        [N, C] float64; rows whose caption names nothing are as they were.
    """
    result = probabilities.copy()
    none = np.maximum(1 - probabilities.sum(axis=1), 0)
    for row, places in enumerate(named):
        if not len(places):
            continue
        chance = errors[row] * len(places) / probabilities.shape[1]
        result[row] *= chance
        result[row, list(places)] += (1 - errors[row]) * probabilities[row, list(places)]
        # "none" is a class whose captions name others by chance alone
        result[row] /= result[row].sum() + none[row] * chance
    return result


def sum_by_group(probabilities: np.ndarray, member: np.ndarray) -> np.ndarray:
    """[N, G] summed probabilities of classes [N, C] that have one number in `member` [C], numbers from 0 to G - 1."""
    summed = np.zeros((len(probabilities), int(member.max()) + 1))
    np.add.at(summed.T, member, probabilities.T)
    return summed
