from pathlib import Path

import numpy as np

from relaionet.pipeline.arrays import npy_bytes


def test_an_array_is_stored_as_numpy_writes_it(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    assert bytes(npy_bytes(array)) == (tmp_path / "a.npy").read_bytes()
