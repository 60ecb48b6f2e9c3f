"""Features of a set's pictures, wherever the bytes lie, extracted once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.evaluators.features.extract import extract_features
from relaionet.evaluators.features.extractors import Extractor, load_extractor
from relaionet.evaluators.features.images import READERS, FileImages, ImageSource, resize_image
from relaionet.evaluators.protocols import Protocol
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.pipeline.images.decode import BrokenImage
from relaionet.pipeline.images.parquet import in_parquet, read_parquet_bytes
from relaionet.pipeline.images.picture import VERSION as PICTURE_VERSION


class ParquetImages:
    """Images inside parquet files.

    Args:
        folder: of the files.
        places: `<file>/<row>` of each image.
        protocol: gives side, decode and resize.
        hashes: sha256 of each image's bytes.
    """

    def __init__(self, folder: Path, places: Sequence[str], protocol: Protocol, hashes: Sequence[str]) -> None:
        self._folder, self._places, self._protocol = folder, list(places), protocol
        self.digest = digest_of(
            "images in parquet", list(hashes), protocol.size_px, asdict(protocol.real), protocol.decode, PICTURE_VERSION
        )

    def __len__(self) -> int:
        """Number of images."""
        return len(self._places)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Images start..stop as [n, size, size, 3] RGB: uint8, or float32 0 to 255 where the resize is not rounded.

        Raises:
            BadInput: a row holds no image any more.
        """
        places = self._places[start:stop]
        inside = read_parquet_bytes(self._folder, places)
        return np.stack([self._read_one(place, inside[place]) for place in places])

    def _read_one(self, place: str, data: bytes | None) -> np.ndarray:
        try:
            picture = READERS[self._protocol.decode](data or b"")
        except (OSError, BrokenImage) as error:
            raise BadInput(f"{self._folder / place} cannot be decoded as an image: {error}.") from None
        return resize_image(picture, self._protocol.size_px, self._protocol.real)


def load_representations(
    names: Sequence[str], device: str, weights: Mapping[str, str] | None = None
) -> dict[str, Extractor]:
    """Load the extractors that are asked for.

    Args:
        names: as `load_extractor` takes them.
        device: torch device name.
        weights: name -> local file or folder in place of a download.

    Returns:
        What each is called in tables -> the extractor: the name asked for, or the extractor's own where that is an
        import string, which may hold a path of this machine.

    Raises:
        BadInput: a name or a file is wrong, there is none, or weights are given for one that is not asked for.
        Unavailable: weights must be fetched and cannot be.
    """
    weights = weights or {}
    if not names:
        raise BadInput("name at least one representation, such as inception, dinov2 or encoder:ViT-L-14/openai.")
    if unasked := sorted(set(weights) - set(names)):
        raise BadInput(f"weights of '{unasked[0]}', which is none of the representations: {', '.join(names)}.")
    loaded: dict[str, Extractor] = {}
    for name in dict.fromkeys(names):
        one = load_extractor(name, device, **({"weights": weights[name]} if name in weights else {}))
        shown = name if name.startswith("encoder:") or ":" not in name else one.name
        if shown in loaded:
            raise BadInput(f"two of the representations are called '{shown}'; give one of the extractors another name.")
        loaded[shown] = one
    return loaded


def extract_representation(
    folder: Path, prints: pl.DataFrame, extractor: Extractor, protocol: Protocol, out: Path,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:  # fmt: skip
    """Features of a set's pictures, or those that were extracted before.

    Args:
        folder: of the paths.
        prints: PRINTS rows that are pictures.
        extractor: whose features.
        protocol: how pictures are decoded, resized and batched.
        out: folder of the set.
        progress: called with the number of pictures done since the last call.

    Returns:
        [N, D] float32 on disk, in the order of the rows.

    Raises:
        BadInput: a picture is gone or changed meanwhile, or a value is not finite.
    """
    places, hashes = prints["path"].to_list(), prints["image_sha256"].to_list()
    images: ImageSource
    if any(map(in_parquet, places)):
        images = ParquetImages(folder, places, protocol, hashes)
    else:
        paths = [folder / place for place in places]
        images = FileImages(paths, protocol.size_px, protocol.real, hashes=hashes, decode=protocol.decode)
    return extract_features(images, places, extractor, protocol, out, progress).arrays["features"]


def made_with(extractor: Extractor, protocol: Protocol) -> str:
    """Digest (12 digits) of all that features depend on besides the pictures."""
    return digest_of(
        extractor.fingerprint, protocol.size_px, protocol.decode, asdict(protocol.real), protocol.batch_count
    )[:12]
