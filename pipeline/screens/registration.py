"""Do two pictures show the same photograph, though one is cropped, framed, mirrored, written on or recoloured?

A print is the picture as 32 × 32 grey values. Two prints are laid over each other: every window of one (down to 70 %
of a side) is compared with the whole of the other, both ways and mirrored; the best is refined and its correlation
taken over the nine tenths of the cells that agree best, so that a caption or a mark across the picture does not decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

PRINT_SIDE = 32
PRINT_BYTES = PRINT_SIDE**2
COARSE_SIDE = 16
MIN_WINDOW = 0.7  # of a side: what is cropped further is not looked for
COARSE_LENGTHS = (1.0, 0.96, 0.92, 0.88, 0.84, 0.8, 0.75, 0.7)
COARSE_STEP = 0.04
REFINE_STEPS = (0.02, 0.01, 0.005)
MOVES_PER_STEP = 4
KEPT_FRAC = 0.9  # of the cells: the rest may be a caption, a mark or a patch
BLOCK_PAIRS = 64
HOPELESS = 0.88  # after the coarsest moves: no pair that was the same was below, see docs/guides/screens.md
FLAT = 1e-3
LEAST_SPREAD = 4.0  # grey values: what varies less around a cell is flat


@dataclass(frozen=True)
class Matches:
    """How well P pairs of prints fit, each array [P].

    Attributes:
        correlation: float32, -1 to 1, of the cells that agree best; NaN where the coarse search already said no.
        detail: float32, -1 to 1, of the same cells less their surroundings, so that a common background says nothing.
        shared_frac: float32, area of the picture that shows more which the other shows too, 0.49 to 1.
        is_mirrored: bool, one is the mirror image of the other.
    """

    correlation: np.ndarray
    detail: np.ndarray
    shared_frac: np.ndarray
    is_mirrored: np.ndarray


def take_print(image: Image.Image) -> bytes:
    """The picture as 32 × 32 grey values, row by row.

    Args:
        image: any size, at least 1 × 1, any mode, as `picture.show_picture` gives it.
    """
    from PIL import Image

    return image.convert("L").resize((PRINT_SIDE, PRINT_SIDE), Image.Resampling.HAMMING).tobytes()


def match_prints(left: np.ndarray, right: np.ndarray, min_coarse: float = 0.7) -> Matches:
    """Lay P pairs of prints over each other.

    Args:
        left: [P, 1024] uint8.
        right: [P, 1024] uint8.
        min_coarse: pairs whose best coarse correlation is less are not refined.

    Returns:
        One entry per pair; exchanging left and right changes none of them.
    """
    import numpy as np

    count = len(left)
    found = np.full((count, 3), np.nan, dtype=np.float32)
    mirrored = np.zeros(count, dtype=bool)
    for start in range(0, count, BLOCK_PAIRS):
        part = slice(start, start + BLOCK_PAIRS)
        # in one order whichever comes first, so that a pair does not depend on who asks
        one, two = _ordered(_planes(left[part]), _planes(right[part]))
        scores, windows, ways = _search(one, two)
        for place in np.flatnonzero(scores >= min_coarse).tolist():
            moving, still = _turn(one[place], two[place], int(ways[place]))
            found[start + place] = _refine(moving, still, windows[place])
            mirrored[start + place] = ways[place] >= 2
    return Matches(found[:, 0], found[:, 1], found[:, 2], mirrored)


def _planes(prints: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.asarray(prints).reshape(-1, PRINT_SIDE, PRINT_SIDE).astype(np.float32)


def _ordered(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    swap = np.array([one.tobytes() > two.tobytes() for one, two in zip(left, right, strict=True)], dtype=bool)
    swap = swap[:, None, None]
    return np.where(swap, right, left), np.where(swap, left, right)


def _turn(one: np.ndarray, two: np.ndarray, way: int) -> tuple[np.ndarray, np.ndarray]:
    """The print a window is taken of, and the one it is compared with, of the four ways to lay them."""
    turned = one[:, ::-1] if way >= 2 else one
    return (turned, two) if way % 2 == 0 else (two, turned)


@cache
def _windows() -> tuple[np.ndarray, np.ndarray]:
    """Starts and lengths [K, 2] of the coarse windows of one axis, and what takes them, [K, 16, 16]."""
    import numpy as np

    windows = []
    for length in COARSE_LENGTHS:
        count = 1 + int(np.ceil((1 - length) / COARSE_STEP - 1e-9))
        windows += [(float(start), length) for start in np.linspace(0, 1 - length, count)]
    takers = [_taker(start, length, COARSE_SIDE) for start, length in windows]
    return np.array(windows), np.stack(takers).astype(np.float32)


def _taker(start: float, length: float, side: int) -> np.ndarray:
    """[side, side] float32 weights that take a window of a line of `side` values, linear between them."""
    import numpy as np

    centres = np.clip((start + length * (np.arange(side) + 0.5) / side) * side - 0.5, 0, side - 1)
    weights = np.clip(1 - np.abs(centres[:, None] - np.arange(side)[None]), 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _search(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best coarse correlation [p], its window [p, 4] (start and length, down and across) and the way it lay [p]."""
    import numpy as np

    small_one, small_two = (
        planes.reshape(-1, COARSE_SIDE, 2, COARSE_SIDE, 2).mean(axis=(2, 4)) for planes in (one, two)
    )
    turned = small_one[:, :, ::-1]
    ways = ((small_one, small_two), (small_two, small_one), (turned, small_two), (small_two, turned))
    tables = np.stack([_correlate_windows(moving, still) for moving, still in ways], axis=1)  # [p, 4, K, K]
    windows, _ = _windows()
    flat = tables.reshape(len(one), -1)
    best = flat.argmax(axis=1)
    way, down, across = np.unravel_index(best, tables.shape[1:])
    return flat[np.arange(len(one)), best], np.concatenate([windows[down], windows[across]], axis=1), way


def _correlate_windows(moving: np.ndarray, still: np.ndarray) -> np.ndarray:
    """Correlation of every window of `moving` with the whole of `still`, both [p, 16, 16] -> [p, K, K]."""
    import numpy as np

    _, takers = _windows()  # [K, 16, 16]
    count, cells = len(moving), COARSE_SIDE**2
    target = still - still.mean(axis=(1, 2), keepdims=True)
    target /= np.maximum(np.linalg.norm(target, axis=(1, 2), keepdims=True), FLAT)
    rows = takers[None] @ moving[:, None]  # [p, K, 16, 16]: windows taken down, still whole across
    aims = target[:, None] @ takers[None]  # [p, K, 16, 16]
    products = rows.reshape(count, -1, cells) @ aims.reshape(count, -1, cells).transpose(0, 2, 1)  # [p, K, K]
    squares = (rows.transpose(0, 1, 3, 2) @ rows).reshape(count, -1, cells)
    takers_squared = (takers.transpose(0, 2, 1) @ takers).reshape(-1, cells)
    weights = takers.mean(axis=1)  # [K, 16]
    means = weights[None] @ moving @ weights.T[None]  # [p, K, K]
    energy = squares @ takers_squared.T - cells * means**2
    return products / np.sqrt(np.maximum(energy, 1.0))


def _refine(moving: np.ndarray, still: np.ndarray, window: np.ndarray) -> tuple[float, float, float]:
    """Correlation, correlation of the detail, and area of the window after it was moved to where it fits best."""
    import numpy as np

    best = np.asarray(window, dtype=np.float64)
    score = _scores(moving, still, best[None])[0]
    for step in REFINE_STEPS:
        for _ in range(MOVES_PER_STEP):
            tried = best[None] + step * _moves()
            tried = tried[_is_inside(tried)]
            scores = _scores(moving, still, tried)
            place = int(scores.argmax())
            if scores[place] <= score:
                break
            best, score = tried[place], scores[place]
        if score < HOPELESS:
            break
    taken = _take(moving, best[None])[0]
    kept = _kept_cells(_inner(taken[None]), _inner(still[None]))[0]
    detail = _correlation(_detail(taken)[1:-1, 1:-1].ravel()[kept], _detail(still)[1:-1, 1:-1].ravel()[kept])
    return float(score), detail, float(best[1] * best[3])


@cache
def _moves() -> np.ndarray:
    """[M, 4] steps of a window's start and length, down or across: shift, grow or shrink at either end or both."""
    import numpy as np

    line = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1), (-1, 2), (1, -2)]
    return np.array([(*move, 0, 0) for move in line] + [(0, 0, *move) for move in line], dtype=np.float64)


def _is_inside(windows: np.ndarray) -> np.ndarray:
    starts, lengths = windows[:, ::2], windows[:, 1::2]
    fits = (starts >= -1e-9) & (starts + lengths <= 1 + 1e-9) & (lengths >= MIN_WINDOW - 1e-9)
    return fits.all(axis=1)  # type: ignore[no-any-return]


def _take(moving: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Windows [M, 4] of a print [32, 32], each as large as the print: [M, 32, 32], linear between the cells."""
    import numpy as np

    lower, share = _places(windows[:, 0], windows[:, 1])
    rows = moving[lower] * (1 - share)[:, :, None] + moving[lower + 1] * share[:, :, None]  # [M, 32, 32]
    lower, share = _places(windows[:, 2], windows[:, 3])
    left = np.take_along_axis(rows, lower[:, None, :], axis=2)
    right = np.take_along_axis(rows, lower[:, None, :] + 1, axis=2)
    return np.asarray(left * (1 - share)[:, None, :] + right * share[:, None, :])


def _places(start: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells [M, 32] that a window's cells begin at, and which share they have of the next one."""
    import numpy as np

    centres = (start[:, None] + length[:, None] * (np.arange(PRINT_SIDE) + 0.5) / PRINT_SIDE) * PRINT_SIDE - 0.5
    centres = np.clip(centres, 0, PRINT_SIDE - 1)
    lower = np.minimum(centres.astype(np.int64), PRINT_SIDE - 2)
    return lower, (centres - lower).astype(np.float32)


def _kept_cells(taken: np.ndarray, still: np.ndarray) -> np.ndarray:
    """[M, n · KEPT_FRAC] of the n cells that agree best, both [M or 1, n]."""
    import numpy as np

    kept_count = int(taken.shape[1] * KEPT_FRAC)
    return np.argpartition(np.abs(_standard(taken) - _standard(still)), kept_count - 1, axis=1)[:, :kept_count]


def _scores(moving: np.ndarray, still: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Correlation of each window with the other print over the cells that agree best, [M]; its edge may be a frame."""
    import numpy as np

    taken, target = _inner(_take(moving, windows)), _inner(still[None])
    kept = _kept_cells(taken, target)
    one, two = np.take_along_axis(taken, kept, axis=1), target[0][kept]
    one = one - one.mean(axis=1, keepdims=True)
    two = two - two.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return np.asarray((one * two).sum(axis=1) / np.maximum(lengths, FLAT))


def _inner(planes: np.ndarray) -> np.ndarray:
    return planes[:, 1:-1, 1:-1].reshape(len(planes), -1)


def _standard(values: np.ndarray) -> np.ndarray:
    import numpy as np

    centred = values - values.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(centred.std(axis=1, keepdims=True), FLAT))


def _detail(plane: np.ndarray) -> np.ndarray:
    """A print less the mean of the 5 × 5 cells around each, in standard deviations of these."""
    import numpy as np

    windows = np.lib.stride_tricks.sliding_window_view(np.pad(plane, 2, mode="edge"), (5, 5))
    spread = np.maximum(windows.std(axis=(-1, -2)), LEAST_SPREAD)
    return np.asarray((plane - windows.mean(axis=(-1, -2))) / spread)


def _correlation(one: np.ndarray, two: np.ndarray) -> float:
    import numpy as np

    one, two = one - one.mean(), two - two.mean()
    return float((one * two).sum() / max(float(np.linalg.norm(one) * np.linalg.norm(two)), FLAT))
