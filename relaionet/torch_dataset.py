"""A split as torch takes it; a module of its own, so that torch is loaded only where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from torch.utils.data import Dataset

if TYPE_CHECKING:
    from PIL.Image import Image


class LabelledPictures(Protocol):
    """Rows with their pictures, by place; a `Split` is one."""

    def __getitem__(self, place: int) -> tuple[dict[str, Any], Image]:
        """One row and its picture."""
        ...


class SplitDataset(Dataset[tuple[Any, int]]):
    """Pictures and class_index of a split.

    Args:
        split: gives the pictures.
        targets: class_index (0 to 999) of every image, in the same order.
        transform: what is done to each picture; None gives the picture itself.
    """

    def __init__(
        self, split: LabelledPictures, targets: Sequence[int], transform: Callable[[Image], Any] | None = None
    ) -> None:
        self.split, self.transform = split, transform
        self.targets = list(targets)
        """class_index of every image, for samplers."""

    def __len__(self) -> int:
        """Number of images."""
        return len(self.targets)

    def __getitem__(self, place: int) -> tuple[Any, int]:
        """One picture and its class_index."""
        _, picture = self.split[place]
        return picture if self.transform is None else self.transform(picture), self.targets[place]
