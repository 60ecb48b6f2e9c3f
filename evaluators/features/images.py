"""Images to be scored, from an array or from files, resized as a protocol says; read in pieces, never all at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from relaionet.evaluators.protocols import Decode, Resize
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import CHUNK_BYTES, digest_of, file_sha256
from relaionet.pipeline.images.decode import BrokenImage
from relaionet.pipeline.images.picture import VERSION as PICTURE_VERSION
from relaionet.pipeline.images.picture import read_as_published, read_picture

if TYPE_CHECKING:
    from PIL.Image import Image


class ImageSource(Protocol):
    """A fixed list of images, read in slices at one size."""

    digest: str
    """sha256 of the content and of how it is resized, hex."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def read(self, start: int, stop: int) -> np.ndarray:
        """Images start..stop as [n, size, size, 3] RGB: uint8, or float32 0 to 255 where the resize is not rounded."""
        ...


def resize_image(image: Image, size_px: int, resize: Resize) -> np.ndarray:
    """Bring an image to RGB and `size_px` square.

    Args:
        image: any mode, any size.
        size_px: side of the result.
        resize: filter, fit and whether fractions are rounded away.

    Returns:
        [size, size, 3] uint8, or float32 where `resize.is_float`; the same pixels where the size is right already.

    Source: `adm` is ADM's (Dhariwal and Nichol 2021) centre crop; the float form is clean-fid's (Parmar et al. 2022),
        which resizes each channel as floating point and keeps what lies outside 0 to 255 inside by clipping.
    """
    from PIL import Image as Pillow

    image = image.convert("RGB")
    if image.size != (size_px, size_px) and resize.fit == "crop":
        image = _crop_centre(image, min(image.size))
    elif image.size != (size_px, size_px) and resize.fit == "adm":
        return np.asarray(_crop_as_adm(image, size_px))
    filter_ = Pillow.Resampling[resize.filter.upper()]
    if not resize.is_float:
        return np.asarray(image if image.size == (size_px, size_px) else image.resize((size_px, size_px), filter_))
    if image.size == (size_px, size_px):
        return np.asarray(image, dtype=np.float32)
    channels = [
        np.asarray(Pillow.fromarray(np.asarray(band, np.float32)).resize((size_px, size_px), filter_))
        for band in image.split()
    ]
    return np.clip(np.stack(channels, axis=-1), 0, 255)


def _crop_centre(image: Image, side: int) -> Image:
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _crop_as_adm(image: Image, size_px: int) -> Image:
    """Halve by boxes while the short side is twice too long, then bicubic to the short side, then the centre."""
    from PIL import Image as Pillow

    while min(image.size) >= 2 * size_px:
        image = image.resize((image.width // 2, image.height // 2), Pillow.Resampling.BOX)
    scale = size_px / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Pillow.Resampling.BICUBIC)
    return _crop_centre(image, size_px)


class ArrayImages:
    """Images in one uint8 array (a memory map stays on disk).

    Args:
        images: [N, H, W, 3] uint8 RGB.
        size_px: side the images are given out at.
        resize: how, where their size is another.
        digest: of the array's content where it is known; else every byte is read for it.

    Raises:
        BadInput: the array has another shape or type.
    """

    def __init__(self, images: np.ndarray, size_px: int, resize: Resize, *, digest: str | None = None) -> None:
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise BadInput(f"images must be [N, H, W, 3] uint8; got {list(images.shape)} {images.dtype}.")
        self._images, self._size_px, self._resize = images, size_px, resize
        content = digest or _array_sha256(images)
        self.digest = digest_of("images", content, images.shape, size_px, asdict(resize))

    def __len__(self) -> int:
        """Number of images."""
        return len(self._images)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Images start..stop as [n, size, size, 3] RGB: uint8, or float32 0 to 255 where the resize is not rounded."""
        part = np.asarray(self._images[start:stop])
        if part.shape[1:3] == (self._size_px, self._size_px):
            return part.astype(np.float32) if self._resize.is_float else part
        from PIL import Image as Pillow

        done = [resize_image(Pillow.fromarray(one), self._size_px, self._resize) for one in part]
        return np.stack(done) if done else np.zeros((0, self._size_px, self._size_px, 3), np.uint8)


READERS = {"as shown": read_picture, "as published": read_as_published}


class FileImages:
    """Images in files.

    Args:
        paths: one file per image.
        size_px: side the images are given out at.
        resize: how.
        hashes: sha256 of each file's bytes where they are known (a split has them); else every file is read for it.
        decode: how their pixels are read; of a protocol.

    Raises:
        BadInput: a file is missing; the message names the first.
    """

    def __init__(
        self, paths: Sequence[Path], size_px: int, resize: Resize, *, hashes: Sequence[str] | None = None,
        decode: Decode = "as shown",
    ) -> None:  # fmt: skip
        missing = next((path for path in paths if not path.is_file()), None)
        if missing is not None:
            raise BadInput(f"{missing} does not exist; build the split again.")
        self._paths, self._size_px, self._resize, self._read = list(paths), size_px, resize, READERS[decode]
        content = list(hashes) if hashes is not None else [file_sha256(path) for path in paths]
        shown = () if decode == "as published" else ("shown", PICTURE_VERSION)
        self.digest = digest_of("images", content, size_px, asdict(resize), *shown)

    def __len__(self) -> int:
        """Number of images."""
        return len(self._paths)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Images start..stop as [n, size, size, 3] RGB: uint8, or float32 0 to 255 where the resize is not rounded.

        Raises:
            BadInput: a file is no image that can be decoded within the limit of pixels.
        """
        done = [self._read_one(path) for path in self._paths[start:stop]]
        return np.stack(done) if done else np.zeros((0, self._size_px, self._size_px, 3), np.uint8)

    def _read_one(self, path: Path) -> np.ndarray:
        try:
            return resize_image(self._read(path), self._size_px, self._resize)
        except (OSError, BrokenImage) as error:
            raise BadInput(f"{path} cannot be decoded as an image: {error}. Build the split again.") from None


def _array_sha256(images: np.ndarray) -> str:
    digest = hashlib.sha256()
    step = max(1, CHUNK_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), step):
        digest.update(np.ascontiguousarray(images[start : start + step]).tobytes())
    return digest.hexdigest()
