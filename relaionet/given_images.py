"""Images that somebody hands over to be scored: which row of a split each of them answers."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relaionet.evaluators.features.images import resize_image
from relaionet.evaluators.generators.adapters.samples import SampleImages, make_samples
from relaionet.evaluators.generators.protocol import Info
from relaionet.evaluators.generators.requests import make_requests
from relaionet.evaluators.protocols import Resize
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.labels import find_label
from relaionet.manifests.places import local_path
from relaionet.manifests.words import say_count
from relaionet.pipeline.images.picture import show_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    Picture = Image | NDArray[np.uint8]
    Images = str | Path | Mapping[str, Picture] | Iterable[Picture]
    Labels = str | Path | Sequence[int | str]

HOW = (
    "Each image needs a row of the split that it answers: in a folder or tar name it <sample_id>.png, or lay it into a "
    "folder named by its wnid, or give labels=, a CSV of file and wnid or class_index; in an npz arr_1 holds the "
    "class_index; of a list give labels=, a wnid or class_index for each image, or of a dict the sample_ids as keys."
)


@dataclass(eq=False, kw_only=True)
class GivenImages:
    """Images with the rows they answer; what the feature extractors read.

    Attributes:
        rows: sample_id and wnid, one row per image, in the split's order.
        places: where the reader finds each image.
        images: the reader.
        size_px: side the images are given out at.
        resize: how, where their size is another.
        digest: of the content, the rows and the resize.
    """

    rows: pl.DataFrame
    places: Sequence[str]
    images: SampleImages
    size_px: int
    resize: Resize
    digest: str

    def __len__(self) -> int:
        """Number of images."""
        return len(self.places)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Images start..stop as [n, size, size, 3] RGB: uint8, or float32 0 to 255 where the resize is not rounded."""
        from PIL import Image as Pillow

        found = [self.images.read(place) for place in self.places[start:stop]]
        return np.stack([resize_image(Pillow.fromarray(one), self.size_px, self.resize) for one in found])


def match_images(
    images: Images, rows: pl.DataFrame, *, labels: Labels | None, name: str, size_px: int, resize: Resize
) -> GivenImages:
    """Find the row of a split that each image answers.

    Args:
        images: as for `relaionet.score`.
        rows: of the split: candidate_id, wnid, class_index.
        labels: as for `relaionet.score`.
        name: what the images are called.
        size_px: side the images are given out at.
        resize: how.

    Returns:
        The images that answer a row, in the order of the rows. Where rows or images are left over, a warning says how
        many: a distance of few images is not that of many.

    Raises:
        BadInput: it cannot be told which row an image answers, or none answers any.
    """
    if isinstance(images, str | Path):
        held = _from_place(local_path(images, "images"), labels, name)
    else:
        held = _hold(images, labels, name)
    count = len(held.named) or sum(map(len, held.places.values()))
    if -1 in held.places and not held.named and count != rows.height:
        raise BadInput(
            f"{name}: {say_count(count, 'image')} without labels, and "
            f"{say_count(rows.height, 'row')} of the split. {HOW}"
        )
    held.prepare(make_requests(rows, base_seed=0, split_name=name))
    found = rows.filter(pl.col("candidate_id").is_in(list(held.chosen)))
    if found.is_empty():
        raise BadInput(f"{name}: none of {say_count(count, 'image')} answers a row of the split. {HOW}")
    if found.height < max(count, rows.height):
        warnings.warn(
            f"{name}: {say_count(count, 'image')} and {say_count(rows.height, 'row')} of the split; the "
            f"{found.height:,} that both have are scored, and numbers of sets of different size do not compare.",
            stacklevel=3,
        )  # fmt: skip
    places = [held.chosen[one] for one in found["candidate_id"]]
    return GivenImages(
        rows=found.select("wnid", sample_id="candidate_id"), places=places, images=held, size_px=size_px, resize=resize,
        digest=digest_of("given images", held.info.weights, places, size_px, asdict(resize)),
    )  # fmt: skip


def _from_place(place: Path, labels: Labels | None, name: str) -> SampleImages:
    """A folder, tar or npz, read as the adapter `samples` reads it."""
    if labels is not None and not isinstance(labels, str | Path):
        raise BadInput(f"{name}: labels of a folder or tar are a CSV file, got a {type(labels).__name__}. {HOW}")
    try:
        table = str(local_path(labels, "labels").absolute()) if labels is not None else ""
        return make_samples(name=name, path=str(place.absolute()), labels=table)
    except BadInput as error:
        raise BadInput(f"{error} {HOW}") from None


def _hold(images: Mapping[str, Picture] | Iterable[Picture], labels: Labels | None, name: str) -> SampleImages:
    """Images in memory."""
    named: dict[str, str] = {}
    if isinstance(images, Mapping):
        if labels is not None:
            raise BadInput(f"{name}: a dict names the row of each image; leave out labels.")
        named = {str(sample_id): str(row) for row, sample_id in enumerate(images)}
        images = list(images.values())
    arrays = [_as_array(image, f"{name}[{row}]") for row, image in enumerate(images)]
    places: dict[int, list[str]] = {}
    for row, label in enumerate(_read_labels(labels, len(arrays), name)):
        places.setdefault(label, []).append(str(row))
    content = digest_of([[list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()] for array in arrays])
    side = arrays[0].shape[0] if arrays else 1
    info = Info(name=name, native_size_px=side, steps=(0,), weights=f"none: images in memory sha256:{content}")
    return SampleImages(info=info, places=places, named=named, read=lambda row: arrays[int(row)])


def _read_labels(labels: Labels | None, count: int, name: str) -> list[int]:
    """class_index of each image; -1 where nothing is said."""
    if labels is None:
        return [-1] * count
    if isinstance(labels, str | Path):
        raise BadInput(f"{name}: images in memory have no file names, so labels cannot be the file {labels}. {HOW}")
    if len(labels) != count:
        raise BadInput(
            f"{name}: {say_count(len(labels), 'label')} for {say_count(count, 'image')}; there must be one for each."
        )
    found = [find_label(one).class_index if isinstance(one, str) else int(one) for one in labels]
    odd = next((one for one in found if not 0 <= one <= 999), None)
    if odd is not None:
        raise BadInput(f"{name}: label {odd} is no class_index; expected 0 to 999, or a wnid.")
    return found


def _as_array(image: Any, where: str) -> NDArray[np.uint8]:
    """One image as [H, W, 3] uint8 RGB."""
    if hasattr(image, "convert"):
        image = show_picture(image)
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise BadInput(f"{where} is {list(array.shape)} {array.dtype}; expected [H, W, 3] uint8 RGB, or a PIL image.")
    return np.ascontiguousarray(array)
