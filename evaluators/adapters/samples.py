"""Images made elsewhere: a folder tree `<wnid>/*.png`, or an npz with `arr_0` and, if it has labels, `arr_1`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from relaionet.evaluators.generators import Generated, Info, Request, Settings, check_settings
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.store import digest_of, file_sha256

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
SIDE_LIMIT_PX = 4096


@dataclass(frozen=True, kw_only=True)
class SampleImages:
    """Hands out made images: within a class, the k-th request in the order of sample ids gets the k-th image.

    Attributes:
        info: what they are.
        places: class_index -> where its images are, in order; key -1 where the images have no labels.
        read: reads the image at a place, `[H, W, 3]` uint8.
        chosen: sample_id -> place, filled by `prepare`.
    """

    info: Info
    places: dict[int, list[str]]
    read: Callable[[str], NDArray[np.uint8]]
    chosen: dict[str, str] = field(default_factory=dict)

    def prepare(self, requests: Sequence[Request]) -> None:
        """Settle which request gets which image; a request for which there is none fails when it is asked for."""
        self.chosen.clear()
        unlabelled = -1 in self.places
        waiting: dict[int, list[Request]] = defaultdict(list)
        for request in requests:
            waiting[-1 if unlabelled else request.class_index].append(request)
        for class_index, group in waiting.items():
            ordered = group if unlabelled else sorted(group, key=lambda request: request.sample_id)
            found = self.places.get(class_index, [])
            self.chosen.update(zip((request.sample_id for request in ordered), found, strict=False))

    def generate(self, batch: Sequence[Request], settings: Settings) -> Generated:
        """Read the images of a batch.

        Raises:
            BadInput: a setting they do not have.
            LookupError: there are fewer images of a class than requests.
        """
        check_settings(self.info, settings)
        for request in batch:
            if request.sample_id not in self.chosen:
                raise LookupError(f"no image left for class {request.wnid}")
        images = [self.read(self.chosen[request.sample_id]) for request in batch]
        if len({image.shape for image in images}) > 1:
            raise ValueError("the images of this batch differ in size")
        return Generated(images=np.stack(images), nfe=[0] * len(batch))


def _read_image(place: str) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(place) as image:
        if max(image.size) > SIDE_LIMIT_PX:
            raise ValueError(f"{place} is {image.width} x {image.height} pixels; the limit is {SIDE_LIMIT_PX} a side")
        return np.asarray(image.convert("RGB"))


def _row_of(images: NDArray[np.uint8], row: str) -> NDArray[np.uint8]:
    return images[int(row)]


def _find_folder(folder: Path) -> dict[int, list[str]]:
    labels = labels_by_wnid()
    places: dict[int, list[str]] = {}
    for child in sorted(folder.iterdir()):
        if child.name in labels and child.is_dir():
            found = sorted(str(path) for path in child.iterdir() if path.suffix.lower() in SUFFIXES)
            if found:
                places[labels[child.name].class_index] = found
    if not places:
        raise BadInput(f"samples {folder}: no folder is named by a wnid and holds {', '.join(SUFFIXES)} files.")
    return places


def _find_npz(path: Path) -> tuple[dict[int, list[str]], NDArray[np.uint8]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name in ("arr_0", "arr_1")}
    except (ValueError, BadZipFile, EOFError) as error:
        raise BadInput(f"samples {path} cannot be read: {error}") from None
    images, labels = arrays.get("arr_0"), arrays.get("arr_1")
    if images is None or images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or not len(images):
        found = "nothing" if images is None else f"{images.shape} {images.dtype}"
        raise BadInput(f"samples {path}: expected arr_0 of shape [N, H, W, 3] uint8, found {found}.")
    if labels is None:
        return {-1: [str(row) for row in range(len(images))]}, images
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 999:
        raise BadInput(
            f"samples {path}: expected arr_1 of {len(images)} class indices, 0 to 999; found shape {labels.shape} "
            f"{labels.dtype}."
        )
    places: dict[int, list[str]] = defaultdict(list)
    for row, label in enumerate(labels.tolist()):
        places[label].append(str(row))
    return dict(places), images


def make_samples(
    *, name: str, path: str, steps: int = 0, guidance: float = 1.0, licence: str = "unknown", base: Path | None = None
) -> SampleImages:
    """A generator whose images exist already.

    Args:
        name: as it stands in tables.
        path: folder of folders named by wnid, or an npz file; relative to the TOML file. An npz without `arr_1` is
            taken to be in the order of the requests.
        steps: steps the images were made with, for the record.
        guidance: scale they were made with, for the record.
        licence: of the images.
        base: folder of the TOML file.

    Returns:
        The generator; it can be asked for exactly these steps and this scale.

    Raises:
        BadInput: nothing usable is there.
    """
    for key, value in (("steps", steps), ("guidance", guidance)):
        if not isinstance(value, int | float):
            raise BadInput(f"samples '{name}': {key} = {value!r}; expected the one number they were made with.")
    place = (base or Path()) / path
    read: Callable[[str], NDArray[np.uint8]]
    if place.is_dir():
        places, read = _find_folder(place), _read_image  # (place) -> [H, W, 3] uint8
        digest = digest_of([[file_sha256(Path(file)) for file in group] for group in places.values()])
        side = _read_image(next(iter(places.values()))[0]).shape[0]
    elif place.is_file():
        places, images = _find_npz(place)
        digest = file_sha256(place)
        side = images.shape[1]
        read = partial(_row_of, images)
    else:
        raise BadInput(f"samples {place} do not exist.")
    known = None if -1 in places else tuple(sorted(places))
    info = Info(
        name=name, native_size_px=side, guidance="none" if guidance == 1 else "conditioning",
        guidance_range=(guidance, guidance), steps=(steps,), class_indices=known, licence=licence,
        weights=f"none: images of {place.name} sha256:{digest}",
    )  # fmt: skip
    return SampleImages(info=info, places=places, read=read)
