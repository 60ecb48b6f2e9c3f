"""How deep tests look: as `make test` does, or many times as deep in `make nightly`."""

from __future__ import annotations

import os

DEPTH = int(os.environ.get("RELAIONET_TEST_DEPTH", "1"))


def deep(count: int) -> int:
    """So many examples, kills or rounds; `RELAIONET_TEST_DEPTH` times as many where that is set.

    Args:
        count: of `make test`.
    """
    return count * DEPTH
