"""Accuracy: how often a fixed classifier finds a class that is there, first or among its first few.

An image may have several classes: the classifier is right with any of them, and an image without any is left out, as in
ReaL (Beyer et al. 2020, "Are we done with ImageNet?", section 4).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from relaionet.evaluators.metrics.estimate import WILSON, Estimate, find_wilson
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import labels_by_wnid, read_labels

VERSION = "2"
CHUNK_ROWS = 4096


def score_accuracy(
    logits: np.ndarray, wnids: Sequence[str | Collection[str]], classes: Sequence[str], *, top: int = 1
) -> Estimate | None:
    """Fraction of images with a class of theirs among the classifier's first `top`, with Wilson's 95 % interval.

    Args:
        logits: [N, C].
        wnids: [N] class of each image, or the classes of each.
        classes: [C] wnid of each logit.
        top: how many of the classifier's first classes count.

    Returns:
        The fraction, 0 to 1, of the images of which the classifier knows a class, and each image's influence; None
        where it knows none of them.
    """
    if top > len(classes):
        return None
    place = {wnid: index for index, wnid in enumerate(classes)}
    sets = [[wnids_of] if isinstance(wnids_of, str) else wnids_of for wnids_of in wnids]
    pairs = [(row, place[wnid]) for row, some in enumerate(sets) for wnid in some if wnid in place]
    if not pairs:
        return None
    image, wanted = np.array(pairs, dtype=np.int64).T
    right = np.zeros(len(wnids))
    for start in range(0, len(image), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        np.maximum.at(right, image[part], _is_among(logits[image[part]], wanted[part, None], top))
    known = np.zeros(len(wnids), dtype=bool)
    known[image] = True
    influence, right = np.zeros(len(wnids)), right[known]
    influence[known] = (right - right.mean()) * (len(wnids) / len(right))
    return Estimate(float(right.mean()), influence, "fraction", method=WILSON)


def _is_among(rows: np.ndarray, wanted: np.ndarray, top: int) -> np.ndarray:
    """1 where the wanted class is among the first `top`, else 0, [n] float64; wanted is [n, 1]."""
    own = np.take_along_axis(rows, wanted, axis=1)
    tied = (rows == own) & (np.arange(rows.shape[1]) < wanted)  # of equal logits the first class is named
    found: np.ndarray = ((rows > own).sum(axis=1) + tied.sum(axis=1) < top).astype(np.float64)
    return found


class LabelScore(NamedTuple):
    """How well predictions name what images show.

    Attributes:
        value: share of the images with a class that are predicted right, 0 to 1.
        low: of its 95 % interval (Wilson).
        high: likewise.
        images_count: images with a class.
        left_out_count: images without any.
        by_class: wnid, value, low, high, images_count: of the images that show a class, the share predicted right, by
            whatever class of theirs; an image counts under each of its classes. Sorted by wnid.
    """

    value: float
    low: float
    high: float
    images_count: int
    left_out_count: int
    by_class: pl.DataFrame


def score_predictions(predictions: Sequence[object] | np.ndarray, shown: Sequence[str | Collection[str]]) -> LabelScore:
    """Multi-label accuracy of anybody's predictions, as in ReaL: right is who names any class the image shows.

    Args:
        predictions: [N] a wnid or a class_index (0 to 999) for each image, or [N, k] the first k of each (top-k).
        shown: [N] the class or classes of each image, wnids; an image without any is left out.

    Returns:
        The share, its interval, and the same by class.

    Raises:
        BadInput: there is not one prediction per image, a prediction is no class, or no image has a class.

    Source: Beyer et al. 2020, section 4; google-research/reassessed-imagenet.
    """
    if len(predictions) != len(shown):
        raise BadInput(f"{len(predictions):,} predictions for {len(shown):,} images; expected one for each.")
    named = _as_wnids(predictions)
    sets = [{some} if isinstance(some, str) else set(some) for some in shown]
    right = [not some.isdisjoint(first) for some, first in zip(sets, named, strict=True) if some]
    if not right:
        raise BadInput(f"none of the {len(shown):,} images has a class; there is nothing to be right about.")
    rows = [(wnid, hit) for some, hit in zip(filter(None, sets), right, strict=True) for wnid in some]
    frame = pl.DataFrame(rows, schema={"wnid": pl.String, "hit": pl.Boolean}, orient="row")
    counts = frame.group_by("wnid").agg(value=pl.col("hit").mean(), images_count=pl.len().cast(pl.Int64)).sort("wnid")
    ends = [find_wilson(value, count) for value, count in counts.select("value", "images_count").iter_rows()]
    by_class = counts.with_columns(low=pl.Series([low for low, _ in ends]), high=pl.Series([high for _, high in ends]))
    value = sum(right) / len(right)
    low, high = find_wilson(value, len(right))
    return LabelScore(
        value, low, high, len(right), len(sets) - len(right),
        by_class.select("wnid", "value", "low", "high", "images_count"),
    )  # fmt: skip


def _as_wnids(predictions: Sequence[object] | np.ndarray) -> list[set[Any]]:
    """The classes named for each image."""
    by_index = {label.class_index: label.wnid for label in read_labels()}
    found = []
    for place, given in enumerate(_plain(predictions)):
        one = _plain(given)
        some = one if isinstance(one, list | tuple | set | frozenset) else [one]
        wnids = [by_index.get(item) if _is_number(item) else item for item in some]
        if not wnids or not all(isinstance(wnid, str) and wnid in labels_by_wnid() for wnid in wnids):
            raise BadInput(f"prediction {place} is {given!r:.60}; expected a wnid or a class_index, 0 to 999.")
        found.append(set(wnids))
    return found


def _plain(value: Any) -> Any:
    """Arrays and tensors as lists."""
    return value.tolist() if hasattr(value, "tolist") else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
