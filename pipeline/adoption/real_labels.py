"""ReaL's labels of ImageNet's validation images: every class a picture shows, none where it shows none of them."""

from __future__ import annotations

from pathlib import Path

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json
from relaionet.manifests.labels import labels_by_wnid, read_labels

IMAGES_COUNT = 50_000


def read_real_labels(file: Path) -> dict[int, tuple[str, ...]]:
    """Number of a validation image (from 1) -> wnids of what it shows, in class order; none for 3,163 of them.

    Args:
        file: `real.json`: for each image, in the order of the files, a list of class indices.

    Raises:
        BadInput: it is missing, or holds something else.
        Corrupt: it is no JSON.

    Source: Beyer et al. 2020, "Are we done with ImageNet?"; google-research/reassessed-imagenet, `real.json`.
    """
    lists = read_json(file)
    if not isinstance(lists, list) or len(lists) != IMAGES_COUNT:
        found = f"{len(lists):,} items" if isinstance(lists, list) else type(lists).__name__
        raise BadInput(f"{file}: expected {IMAGES_COUNT:,} lists of class indices, as ReaL's real.json; found {found}.")
    wnids = [label.wnid for label in read_labels()]
    read: dict[int, tuple[str, ...]] = {}
    for number, indices in enumerate(lists, start=1):
        if not isinstance(indices, list) or not all(_is_index(index, len(wnids)) for index in indices):
            raise BadInput(f"{file}: image {number} has {indices!s:.80}; expected a list of numbers 0 to 999.")
        read[number] = tuple(wnids[index] for index in sorted(set(indices)))
    return read


def _is_index(value: object, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def choose_label(wnids: tuple[str, ...], usual: str | None = None) -> str | None:
    """The one class a picture of several is filed under: its usual label where that is among them, else the first.

    Args:
        wnids: what it shows.
        usual: ImageNet's own label, where it is known.

    Returns:
        A wnid; None where it shows none.
    """
    if usual in wnids:
        return usual
    return min(wnids, key=lambda wnid: labels_by_wnid()[wnid].class_index, default=None)
