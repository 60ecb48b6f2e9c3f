"""Which URLs have been seen, in bounded memory: sorted runs of 64-bit keys, the large ones on disk.

A key is the first 8 bytes of a URL's sha256. Among 20 million URLs the chance that any two share one is 1 in 100,000.
"""

from __future__ import annotations

import tempfile

import numpy as np

SPILL_COUNT = 8_000_000  # keys; a run this long (64 MB) goes to disk and is never merged again


class SeenUrls:
    """A set of keys that can be added to and asked, never taken from."""

    def __init__(self, spill_count: int = SPILL_COUNT) -> None:
        self._spill_count = spill_count
        self._runs: list[np.ndarray] = []

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Which keys are in the set.

        Args:
            keys: [N] uint64.

        Returns:
            [N] bool.
        """
        order = np.argsort(keys, kind="stable")
        # in order, so that a search of a run goes through it once from front to back
        wanted, found = keys[order], np.zeros(len(keys), dtype=bool)
        for run in self._runs:
            places = np.searchsorted(run, wanted)
            inside = places < len(run)
            found[inside] |= run[places[inside]] == wanted[inside]
        answer = np.empty_like(found)
        answer[order] = found
        return answer

    def add(self, keys: np.ndarray) -> None:
        """Add keys.

        Args:
            keys: [N] uint64.
        """
        if not len(keys):
            return
        run = np.unique(keys)
        while self._runs and len(self._runs[-1]) <= 2 * len(run) and not isinstance(self._runs[-1], np.memmap):
            run = np.concatenate([self._runs.pop(), run])
            run.sort(kind="stable")
        self._runs.append(self._spill(run) if len(run) >= self._spill_count else run)

    def _spill(self, run: np.ndarray) -> np.ndarray:
        # unlinked at once where the system can, so that nothing is left by a killed run
        with tempfile.TemporaryFile(prefix="relaionet-urls-") as file:
            run.tofile(file)
            file.flush()
            return np.memmap(file, dtype=np.uint64, mode="r", shape=run.shape)
