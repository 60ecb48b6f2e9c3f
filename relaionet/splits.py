"""Rebuilt splits: their rows, their pictures as they are shown, and the same for torch and `datasets`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.places import local_path

if TYPE_CHECKING:
    import datasets
    from PIL.Image import Image

    from relaionet.evaluators.metrics.accuracy import LabelScore
    from relaionet.torch_dataset import SplitDataset

__all__ = ["Split", "load_split"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """A rebuilt split: as long as it has images, and iterating gives each row with its picture as it is shown.

    Attributes:
        folder: where it lies.
        rows: the images it keeps, in the release's order: candidate_id, wnid, class_index, image_sha256, path
            (absolute), and wnids (every class of the picture; null where it is the label alone).
        all_rows: every row of the release with what became of it (`relaionet.manifests.tables.SPLIT`): status exact,
            same_picture, changed or gone, the reason, and the evidence.
        about: what its `split.json` says.

    Examples:
        >>> split = rn.load_split("split")
        >>> len(split), round(split.coverage, 3)
        (18, 0.947)
        >>> row, picture = next(iter(split))
        >>> row["wnid"], picture.mode
        ('n01443537', 'RGB')
    """

    folder: Path
    rows: pl.DataFrame
    all_rows: pl.DataFrame
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The release it was rebuilt from, with its version."""
        return str(self.about["release"])

    @property
    def coverage(self) -> float:
        """Images kept over rows of the release, 0 to 1."""
        return float(self.about["coverage_frac"])

    @property
    def digest(self) -> str:
        """sha256 (hex) of the rows kept alone: two splits of one digest are the same images with the same labels."""
        return str(self.about["digest"])

    @property
    def citation(self) -> str:
        """A sentence for a paper: which release, how much of it was there and when, and both digests."""
        return str(self.about["citation"])

    def __len__(self) -> int:
        """Number of images."""
        return self.rows.height

    def __getitem__(self, place: int) -> tuple[dict[str, Any], Image]:
        """One row and its picture.

        Args:
            place: 0 to `len(split) - 1`; negative counts from the end.

        Returns:
            The row by column name, and the picture as it is shown, RGB.

        Raises:
            IndexError: there is no such row.
            BadInput: the file is no picture any more.
        """
        if not -len(self) <= place < len(self):
            raise IndexError(f"{self.name} has {len(self)} images; there is none at {place}.")
        row = self.rows.row(place, named=True)
        return row, _open_picture(Path(row["path"]))

    def __iter__(self) -> Iterator[tuple[dict[str, Any], Image]]:
        """Every row with its picture, one after the other."""
        return (self[place] for place in range(len(self)))

    def shown(self) -> list[list[str]]:
        """Every class of each image, in the order of `rows`: wnids, in class order; most show one."""
        both = self.rows.select(pl.coalesce(pl.col("wnids").list.sort(), pl.concat_list("wnid")))
        return both.to_series().to_list()

    def score_predictions(self, predictions: Sequence[object]) -> LabelScore:
        """How well a classifier names what the images show: right is who names any class of an image, as in ReaL.

        Args:
            predictions: for each image, in the order of `rows`, a wnid or a class_index (0 to 999), or the first k of
                them (top-k).

        Returns:
            value (0 to 1) with low and high (95 %), images_count, and by_class (of the images that show a class, the
            share that is right; an image counts under each of its classes).

        Raises:
            BadInput: there is not one prediction per image, or one is no class.
        """
        from relaionet.evaluators.metrics.accuracy import score_predictions

        return score_predictions(predictions, self.shown())

    def to_torch(self, transform: Callable[[Image], Any] | None = None) -> SplitDataset:
        """The split as a `torch.utils.data.Dataset`.

        Args:
            transform: what is done to each picture (RGB, as it is shown); None gives the picture itself.

        Returns:
            A dataset of (transform(picture), class_index 0 to 999), in the order of `rows`; workers may take it.

        Examples:
            >>> dataset = rn.load_split("split").to_torch()
            >>> picture, label = dataset[0]
            >>> label
            1
        """
        from relaionet.torch_dataset import SplitDataset

        return SplitDataset(self, self.rows["class_index"].to_list(), transform)

    def to_hf(self) -> datasets.Dataset:
        """The split as a `datasets.Dataset`; the files are named, not copied.

        Returns:
            Columns image (decoded by `datasets` when it is asked for), label (`ClassLabel` by class_index: its 1000
            names are the wnids, whichever classes came back), wnid, class_name, candidate_id, image_sha256 and wnids
            (every class of the picture, wnid among them).

        Examples:
            >>> dataset = rn.load_split("split").to_hf()
            >>> dataset.features["label"].int2str(dataset[0]["label"])
            'n01443537'
        """
        import datasets

        from relaionet.manifests.labels import labels_by_wnid
        from relaionet.pipeline.exports.features import class_names

        text, labels = datasets.Value("string"), labels_by_wnid()
        features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=class_names()), "wnid": text,
                    "class_name": text, "candidate_id": text, "image_sha256": text,
                    "wnids": datasets.List(text)}  # fmt: skip
        columns = {
            "image": self.rows["path"].to_list(),
            "label": self.rows["class_index"].to_list(),
            "class_name": [labels[wnid].name for wnid in self.rows["wnid"]],
            **{name: self.rows[name].to_list() for name in ("wnid", "candidate_id", "image_sha256")},
            "wnids": self.shown(),
        }
        return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def load_split(folder: str | Path) -> Split:
    """Read a rebuilt split.

    Args:
        folder: what `relaionet rebuild` or `rebuild(...)` wrote.

    Raises:
        BadInput: there is no finished split.
        Corrupt: a table or an image is missing or not whole.
    """
    from relaionet.manifests.store import Store
    from relaionet.manifests.tables import SPLIT
    from relaionet.pipeline.splits.build import read_split

    place = local_path(folder, "folder").absolute()
    rows, about = read_split(place)
    return Split(folder=place, rows=rows, all_rows=Store(place).read(SPLIT), about=about)


def _open_picture(path: Path) -> Image:
    """A picture as it is shown: upright, in sRGB, over white, 8 bits, the first frame."""
    from relaionet.pipeline.images.picture import read_picture

    try:
        return read_picture(path)
    except (ValueError, OSError) as error:
        raise BadInput(f"{path} cannot be read as a picture: {error}. Build the split again.") from None
