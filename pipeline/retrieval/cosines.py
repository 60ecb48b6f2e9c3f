"""Cosines of pairs of unit rows, the same whatever else is computed beside them, and how far float32 is from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FLOAT32_EPSILON = 2.0**-24
PAIR_BYTES = 1 << 20  # few enough to stay in the processor's cache


def error_bound(dim: int) -> float:
    """Most by which a float32 inner product of two unit rows can differ from the true one, whatever the order of sums.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, section 3.1: n·u·Σ|x·y|, and Σ|x·y| <= 1 for unit
    rows; float16 rows have unit length to 1e-3.
    """
    return 1.01 * (dim + 2) * FLOAT32_EPSILON


def pair_cosines(left: np.ndarray, left_rows: np.ndarray, right: np.ndarray, right_rows: np.ndarray) -> np.ndarray:
    """Cosines of pairs of unit rows, a function of the two rows alone.

    Args:
        left: [n, D] unit rows.
        left_rows: [P] rows of `left`.
        right: [m, D] unit rows.
        right_rows: [P] rows of `right`.

    Returns:
        [P] float32, summed in float64.
    """
    import numpy as np

    result = np.empty(len(left_rows), dtype=np.float32)
    step = max(1, PAIR_BYTES // (8 * max(1, left.shape[1])))
    for start in range(0, len(left_rows), step):
        part = slice(start, start + step)
        one, other = left[left_rows[part]].astype(np.float64), right[right_rows[part]].astype(np.float64)
        result[part] = np.einsum("nd,nd->n", one, other)
    return result


def exact_cosines(queries: np.ndarray, base: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Cosines of chosen pairs of unit rows, a function of the two rows alone.

    Args:
        queries: [n, D] unit rows.
        base: [N, D] unit rows.
        rows: [n, k] rows of `base`.

    Returns:
        [n, k] float32, summed in float64.
    """
    import numpy as np

    left = np.repeat(np.arange(len(rows)), rows.shape[1])
    return pair_cosines(queries, left, base, rows.ravel()).reshape(rows.shape)
