from pathlib import Path

import numpy as np
import polars as pl
import pytest

from relaionet.evaluators.features.images import ArrayImages
from relaionet.evaluators.lazy_rows import Names, view_rows
from relaionet.evaluators.metrics.frechet import fit_gaussian, score_frechet
from relaionet.evaluators.metrics.frechet_infinity import score_infinity
from relaionet.evaluators.metrics.kernel import score_cmmd, score_kernel
from relaionet.evaluators.metrics.precision_recall import score_neighbours
from relaionet.evaluators.protocols import Resize
from relaionet.evaluators.scoring.warnings import _find_nearest


class Counting:
    """An array that remembers how many rows it was asked for at once."""

    def __init__(self, array: np.ndarray) -> None:
        self._array, self.shape, self.dtype, self.most = array, array.shape, array.dtype, 0

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        self.most = max(self.most, len(rows))
        return self._array[rows]


def test_a_view_gives_the_rows_an_array_would() -> None:
    array, rows = np.random.default_rng(0).normal(size=(50, 3)), np.array([7, 7, 3, 49, 0])
    view = view_rows(array, rows)
    assert (len(view), view.shape, view.dtype) == (5, (5, 3), np.float64)
    np.testing.assert_array_equal(view, array[rows])
    np.testing.assert_array_equal(view[1:4], array[rows][1:4])
    np.testing.assert_array_equal(view[[4, 0]], array[rows][[4, 0]])
    np.testing.assert_array_equal(view_rows(view, [1, 3])[:], array[[7, 49]])
    np.testing.assert_array_equal(np.asarray(view, np.float32), array[rows].astype(np.float32))


def test_samples_are_read_a_batch_at_a_time() -> None:
    stored = Counting(np.random.default_rng(1).integers(0, 256, (900, 16, 16, 3), np.uint8))
    rows = np.arange(899, -1, -2)
    images = ArrayImages(view_rows(stored, rows), 16, Resize())
    assert 0 < stored.most <= len(rows)
    stored.most = 0
    np.testing.assert_array_equal(images.read(10, 42), stored._array[rows[10:42]])
    assert stored.most == 32


def test_every_metric_is_the_same_from_a_view(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    np.save(tmp_path / "a.npy", rng.normal(size=(240, 6)).astype(np.float32))
    stored, rows = np.load(tmp_path / "a.npy", mmap_mode="r"), rng.permutation(240)[:120]
    real = rng.normal(size=(110, 6)).astype(np.float32) + 0.2
    view, plain = view_rows(stored, rows), np.array(stored[rows])
    for score in (
        lambda x: score_frechet(x, fit_gaussian(real)), lambda x: score_kernel(x, real),
        lambda x: score_cmmd(x, real), lambda x: score_infinity(x, real), lambda x: score_neighbours(x, real).recall,
    ):  # fmt: skip
        one, two = score(view), score(plain)
        assert one.value == two.value
        np.testing.assert_array_equal(one.influence, two.influence)


@pytest.mark.parametrize("skip_same", [True, False])
def test_nearest_in_pieces_are_the_nearest(skip_same: bool) -> None:
    rng = np.random.default_rng(3)
    two = rng.normal(size=(1300, 5)).astype(np.float32)
    one = two[::2] if skip_same else rng.normal(size=(700, 5)).astype(np.float32)
    apart = np.sqrt(np.square(one[:, None].astype(np.float64) - two[None]).sum(axis=-1))
    if skip_same:
        apart[np.arange(len(one)), np.arange(0, 1300, 2)] = np.inf
    distance, row = _find_nearest(one, two, skip_same=skip_same)
    np.testing.assert_allclose(distance, apart.min(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(row, apart.argmin(axis=1))


def test_names_are_a_sequence_of_strings() -> None:
    names = Names(pl.Series([f"{row:08x}" for row in range(9000)]))
    plain = tuple(f"{row:08x}" for row in range(9000))
    assert (len(names), names[8999], names[-1], tuple(names)) == (9000, plain[-1], plain[-1], plain)
    assert names == plain
    assert names[5:9] == plain[5:9]
    assert names != plain[:-1]
    assert names != (*plain[:-1], "x")
    assert hash(names) == hash(plain)
    assert "00000fff" in names
