"""What a caption says about the class of its picture, as far as a calibration trusts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from relaionet.manifests.labels import Label
from relaionet.pipeline.proposals.calibration import Calibration


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What N captions name.

    Attributes:
        named: of each, the wnids, best known first; empty where it names no class that is searched.
        places: the same as places among the labels.
        words: of each, `sure`, `possible`, `several`, or `none`.
        errors: [N] probability that it names classes by chance, 0 to 1.
    """

    named: Sequence[tuple[str, ...]]
    places: Sequence[tuple[int, ...]]
    words: Sequence[str]
    errors: np.ndarray

    def rows(self, part: slice) -> Evidence:
        """Some of the rows."""
        return Evidence(
            named=self.named[part], places=self.places[part], words=self.words[part], errors=self.errors[part]
        )

    @staticmethod
    def of_nothing(count: int) -> Evidence:
        """Captions that name nothing."""
        return Evidence(named=[()] * count, places=[()] * count, words=["none"] * count, errors=np.ones(count))


def read_words(rows: pl.DataFrame) -> tuple[list[tuple[str, ...]], list[str]]:
    """What each caption names, and how.

    Args:
        rows: wnid; optional possible_wnids, other_wnids (as in CANDIDATES) and is_sure (false where `wnid` was not said
            by the caption's words alone: a text encoder or a search chose it).

    Returns:
        wnids per row, and `sure` (one class), `possible` (words that often mean something else), `several` (two or more
        classes) or `none`.
    """
    empty = pl.lit([], dtype=pl.List(pl.String))

    def lists(name: str) -> list[list[str]]:
        column = pl.col(name).fill_null(empty) if name in rows.columns else empty
        return [list(one) for one in rows.select(pl.repeat(0, pl.len()), column.alias("found"))["found"].to_list()]

    sure = rows["is_sure"].fill_null(value=True).to_list() if "is_sure" in rows.columns else [True] * rows.height
    named: list[tuple[str, ...]] = []
    words: list[str] = []
    for wnid, possible, other, is_sure in zip(
        rows["wnid"], lists("possible_wnids"), lists("other_wnids"), sure, strict=True
    ):
        found, how = (
            ((wnid,), "sure" if is_sure else "possible") if wnid is not None
            else (tuple(possible), "possible") if possible
            else (tuple(other), "several") if other
            else ((), "none")
        )  # fmt: skip
        named.append(tuple(dict.fromkeys(found)))
        words.append(how)
    return named, words


def read_evidence(rows: pl.DataFrame, labels: Sequence[Label], calibration: Calibration) -> Evidence:
    """What captions name among the classes searched; see `read_words` for the columns."""
    index = {label.wnid: place for place, label in enumerate(labels)}
    named, words = read_words(rows)
    known = [tuple(wnid for wnid in one if wnid in index) for one in named]
    words = [how if one else "none" for how, one in zip(words, known, strict=True)]
    return Evidence(
        named=known,
        places=[tuple(index[wnid] for wnid in one) for one in known],
        words=words,
        errors=np.array([calibration.caption_errors.get(how, 1.0) for how in words]),
    )
