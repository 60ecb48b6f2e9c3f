"""Images that a set was asked for and has not, counted from the scores alone."""

from __future__ import annotations

import polars as pl

from relaionet.evaluators.scoring.score import REAL
from relaionet.evaluators.set_labels import set_label


def count_missing(scores: pl.DataFrame) -> dict[str, int]:
    """How many images of each set are missing: asked for by a row of the split, and not scored.

    A set with missing images has other numbers than it would have as a whole (a Fréchet distance rises as images get
    fewer), so it is not called the best of sets that are whole.

    Args:
        scores: SCORES rows of one split and one protocol. The split's own images, of which there is one for each
            request, say how many were asked for; without them the largest set does.

    Returns:
        Label of a set (`set_label`) -> missing images, 0 or more; every set is in it but the split's own images.
    """
    if scores.is_empty():
        return {}
    real = scores.filter(generator=REAL)["n"]
    asked = int((real if real.len() else scores["n"]).max())  # type: ignore[arg-type]
    sets = scores.filter(pl.col("generator") != REAL).group_by("generator", "steps", "guidance", maintain_order=True)
    return {set_label(*key): max(0, asked - int(rows["n"].max())) for key, rows in sets}  # type: ignore[arg-type]
