"""The picture of the reference sets that lies nearest to each candidate, the same or not: evidence, no verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.pipeline.retrieval.search import RetrieveConfig, nearest_rows
from relaionet.pipeline.screens.same_pictures import Pictures, SamePictureConfig, above, differing_bits

if TYPE_CHECKING:
    import numpy as np

NEAR = {
    "reference_near": pl.String, "reference_near_cosine": pl.Float32, "reference_near_distance": pl.Int32,
}  # fmt: skip


class NearReferences:
    """The nearest reference picture of each of C pictures, of equally near ones that with the first name.

    Args:
        count: C.
    """

    def __init__(self, count: int) -> None:
        import numpy as np

        self._cosines = np.full(count, -np.inf, dtype=np.float32)
        self._bits = np.zeros(count, dtype=np.int32)
        self._names = [""] * count

    def compare(
        self, pictures: Pictures, block: Pictures, reference: str, names: Sequence[str], config: SamePictureConfig,
        device: str,
    ) -> np.ndarray:  # fmt: skip
        """Take in one block of a reference set.

        Args:
            pictures: the C pictures.
            block: M reference pictures.
            reference: name of their set.
            names: of the M.
            config: how many neighbours are looked at, and how near they are.
            device: where FAISS searches.

        Returns:
            [C, k] rows of the block to be looked at as the same picture, -1 where there is none.
        """
        import numpy as np

        if pictures.vectors is None or block.vectors is None or not len(block.vectors) or not self._names:
            return np.full((len(self._names), 0), -1)
        wanted = max(config.neighbours_count, 1)
        cosines, rows = nearest_rows(pictures.vectors, block.vectors, wanted, RetrieveConfig(device=device))
        bits = differing_bits(pictures, block, np.arange(len(rows)), rows[:, 0])
        for place in np.flatnonzero(cosines[:, 0] >= self._cosines).tolist():
            name = f"{reference}:{names[rows[place, 0]]}"
            if cosines[place, 0] > self._cosines[place] or name < self._names[place]:
                self._names[place], self._bits[place] = name, bits[place]
        self._cosines = np.maximum(self._cosines, cosines[:, 0])
        return above(rows, cosines, config.neighbour_cosine)[:, : config.neighbours_count]

    def write(self, values: dict[str, list[Any]], classes: Sequence[Sequence[int]]) -> None:
        """Write the columns of NEAR.

        Args:
            values: column -> value of each row.
            classes: the rows that each of the C pictures stands for.
        """
        for place, rows in enumerate(classes):
            if not self._names[place]:
                continue
            found = self._names[place], float(self._cosines[place].clip(-1, 1)), int(self._bits[place])
            for row in rows:
                for column, value in zip(NEAR, found, strict=True):
                    values[column][row] = value
