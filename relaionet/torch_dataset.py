"""A split as torch takes it; a module of its own, so that torch is loaded only where it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch.utils.data import Dataset

if TYPE_CHECKING:
    from relaionet.splits import Split


class SplitDataset(Dataset[tuple[Any, int]]):
    """Pictures and class_index of a split.

    Args:
        split: whose they are.
        transform: what is done to each picture; None gives the picture itself.
    """

    def __init__(self, split: Split, transform: Callable[..., Any] | None = None) -> None:
        self.split, self.transform = split, transform
        self.targets: list[int] = split.rows["class_index"].to_list()
        """class_index (0 to 999) of every image, for samplers."""

    def __len__(self) -> int:
        """Number of images."""
        return len(self.split)

    def __getitem__(self, place: int) -> tuple[Any, int]:
        """One picture and its class_index."""
        row, picture = self.split[place]
        return picture if self.transform is None else self.transform(picture), row["class_index"]
