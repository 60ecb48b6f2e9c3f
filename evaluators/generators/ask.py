"""One image asked of a generator: taken, or refused with a reason. A generator is foreign code and may do anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaionet.evaluators.generators.protocol import Generator, GeneratorDied, Info, Request, Settings
from relaionet.manifests.errors import BadInput

REASON_LIMIT = 200


@dataclass(frozen=True)
class Sample:
    """What became of one request: an image, or the reason why there is none.

    Attributes:
        image: `[H, W, 3]` uint8.
        nfe: forward calls, where they were counted.
        reason: why there is no image.
    """

    image: NDArray[np.uint8] | None
    nfe: int | None
    reason: str | None


def failed(reason: str) -> Sample:
    """No image, and why, in one line of bounded length."""
    return Sample(None, None, " ".join(reason.split())[:REASON_LIMIT])


def check_image(image: NDArray[Any], nfe: int | None, info: Info) -> Sample:
    """Accept one image, or say what is wrong with it."""
    shape = (info.native_size_px, info.native_size_px, 3)
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        return failed("the image holds NaN or infinite pixels")
    if image.dtype != np.uint8:
        return failed(f"the image is {image.dtype}, expected uint8")
    if image.shape != shape:
        return failed(f"the image has shape {list(image.shape)}, expected {list(shape)}")
    if image.min() == image.max():
        return failed("the image is black" if image.max() == 0 else "the image has one flat colour")
    return Sample(image, None if nfe is None else int(nfe), None)


def ask_generator(generator: Generator, batch: Sequence[Request], settings: Settings) -> list[Sample]:
    """Run one batch; where it fails as a whole, run its requests one by one.

    Raises:
        BadInput: the generator says that what it is asked cannot be.
        GeneratorDied: the generator says that asking again is no use.
    """
    try:
        made = generator.generate(batch, settings)
        images, nfe = made.images, made.nfe
        if len(images) != len(batch) or len(nfe) != len(batch):
            message = f"{len(images)} images and {len(nfe)} counts of calls came for {len(batch)} requests"
            raise ValueError(message)
    except (BadInput, GeneratorDied):
        raise
    except Exception as error:  # noqa: BLE001  a generator is foreign code and may raise anything
        if len(batch) == 1:
            return [failed(f"{type(error).__name__}: {error}")]
        return [sample for request in batch for sample in ask_generator(generator, [request], settings)]
    checked = zip(images, nfe, strict=True)
    return [check_image(np.asarray(image), count, generator.info) for image, count in checked]
