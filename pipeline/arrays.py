"""Arrays as they are stored."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def npy_bytes(array: np.ndarray) -> memoryview:
    """An array as NumPy stores it (`.npy`, nothing pickled), for `Store.write_artifact` and `write_atomic`.

    Args:
        array: any shape and type but objects.
    """
    import numpy as np

    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return data.getbuffer()
