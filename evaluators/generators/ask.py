"""What is asked of a generator, and what it hands over: copied and checked at once, since it is foreign code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaionet.evaluators.generators.protocol import (
    Foreseen,
    Generator,
    GeneratorDied,
    Info,
    Request,
    Settings,
    check_foreseen,
)
from relaionet.evaluators.generators.requests import check_classes
from relaionet.manifests.errors import BadInput, ReLAIONetError
from relaionet.manifests.escape import drop_codes

REASON_LIMIT = 200
NFE_LIMIT = 2**31 - 1  # what the table SAMPLES holds
OVERLAP_WORK = 10_000  # how long two views that interleave are looked at


@dataclass(frozen=True)
class Sample:
    """What became of one request: an image, or the reason why there is none.

    Attributes:
        image: `[H, W, 3]` uint8, shared with nobody.
        nfe: forward calls, where they were counted.
        reason: why there is no image.
    """

    image: NDArray[np.uint8] | None
    nfe: int | None
    reason: str | None


def failed(reason: str) -> Sample:
    """No image, and why, in one line of bounded length."""
    return Sample(None, None, " ".join(drop_codes(reason).split())[:REASON_LIMIT])


def check_image(given: Any, nfe: Any, info: Info) -> Sample:
    """Copy one image and its count of calls, or say what is wrong with them.

    Args:
        given: what the generator calls an image; it may change it, or use its memory again, afterwards.
        nfe: what it calls the number of forward calls.
        info: what it says it makes.
    """
    shape = (info.native_size_px, info.native_size_px, 3)
    try:
        found = np.asarray(given)
    except Exception as error:  # noqa: BLE001  a stranger's object may raise anything when it is made an array
        return failed(f"the image is a {type(given).__name__}, which is no array: {error}")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        return failed("the image holds NaN or infinite pixels")
    if found.dtype != np.uint8:
        return failed(f"the image is {found.dtype}, expected uint8")
    if found.shape != shape:
        return failed(f"the image has shape {list(found.shape)}, expected {list(shape)}")
    if nfe is not None and not is_count(nfe):
        return failed(f"its count of forward calls is {nfe!r:.60}, expected a whole number, 0 or more, or None")
    image = np.array(found, order="C")
    if image.min() == image.max():
        return failed("the image is black" if image.max() == 0 else "the image has one flat colour")
    return Sample(image, None if nfe is None else int(nfe), None)


def is_count(value: Any) -> bool:
    """Whether a value is a whole number that the table of samples can hold: 4 and 4.0, not True, 2.5, -1 or NaN."""
    if not isinstance(value, Real) and hasattr(value, "item"):
        value = value.item()  # of an array or a tensor without dimensions
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        return False
    number = value if isinstance(value, int) else float(value)
    return 0 <= number <= NFE_LIMIT and number == int(number)


def ask_whole(generator: Generator, batch: Sequence[Request], settings: Settings) -> list[Sample]:
    """Run one batch and take what came, image by image.

    Raises:
        ValueError: it did not give an image and a count for each request, or gave the same memory twice.
        Exception: whatever the generator raises.
    """
    made = generator.generate(list(batch), settings)
    images, nfe = made.images, made.nfe
    if len(images) != len(batch) or len(nfe) != len(batch):
        message = f"{len(images)} images and {len(nfe)} counts of calls came for {len(batch)} requests"
        raise ValueError(message)
    given = list(images)
    twice = find_shared(given)
    if twice is not None:
        message = f"images {twice[0]} and {twice[1]} of the batch are the same memory; give each an array of its own"
        raise ValueError(message)
    return [check_image(image, count, generator.info) for image, count in zip(given, nfe, strict=True)]


def ask_generator(generator: Generator, batch: Sequence[Request], settings: Settings) -> list[Sample]:
    """Run one batch; where it fails as a whole, run its requests one by one.

    Raises:
        BadInput: the generator says that what it is asked cannot be.
        GeneratorDied: the generator says that asking again is no use.
    """
    try:
        return ask_whole(generator, batch, settings)
    except (BadInput, GeneratorDied):
        raise
    except Exception as error:  # noqa: BLE001  a generator is foreign code and may raise anything
        if len(batch) == 1:
            return [failed(f"{type(error).__name__}: {error}")]
        return [sample for request in batch for sample in ask_generator(generator, [request], settings)]


def find_shared(images: Sequence[Any]) -> tuple[int, int] | None:
    """Places of two images of a batch that are one: the same object, or arrays that share memory.

    Such a batch shows one picture several times, whatever the generator meant; asked for one by one, each is right.

    Args:
        images: as the generator gave them.
    """
    places: dict[int, int] = {}
    for place, image in enumerate(images):
        first = places.setdefault(id(image), place)
        if first != place:
            return first, place
    arrays = [(place, image) for place, image in enumerate(images) if isinstance(image, np.ndarray) and image.nbytes]
    arrays.sort(key=lambda pair: np.lib.array_utils.byte_bounds(pair[1]))
    for (one, left), (other, right) in pairwise(arrays):
        try:
            if np.shares_memory(left, right, max_work=OVERLAP_WORK):  # type: ignore[arg-type]  # stubs know two values
                return min(one, other), max(one, other)
        except np.exceptions.TooHardError:
            continue
    return None


def prepare_generator(generator: Generator, requests: Sequence[Request]) -> None:
    """Tell a generator all that it will be asked for, where it wants to know.

    Raises:
        BadInput: the generator says that what it is asked cannot be.
        GeneratorDied: it fails.
    """
    prepare = getattr(generator, "prepare", None)
    if prepare is None:
        return
    try:
        prepare(list(requests))
    except (ReLAIONetError, GeneratorDied):
        raise
    except Exception as error:
        raise GeneratorDied(f"its `prepare` fails: {type(error).__name__}: {error}") from error


def describe_generator(generator: Generator, settings: Settings) -> dict[str, Any]:
    """What a generator says it did at a setting, as plain values; nothing where it says nothing."""
    describe = getattr(generator, "describe", None)
    if describe is None:
        return {}
    try:
        told = json.loads(json.dumps(dict(describe(settings)), default=str))
    except Exception as error:  # noqa: BLE001  the images are made: that nothing is said of them stops nothing
        return {"describe": f"fails: {type(error).__name__}: {error}"[:REASON_LIMIT]}
    return dict(told)


def check_requests(generator: Generator, requests: Sequence[Request]) -> Foreseen:
    """See that a generator can serve what it will be asked for, as far as that is known before it is asked.

    Args:
        generator: one that can `foresee` says itself what it lacks; any other must know every class.
        requests: all of them.

    Returns:
        Which images will be missing, and how many that are there nobody asks for.

    Raises:
        BadInput: it cannot serve these requests, or none of them.
    """
    ask, name = getattr(generator, "foresee", None), generator.info.name
    if not requests:  # of a split that is not there
        return Foreseen()
    if ask is None:
        check_classes(generator.info, {request.class_index: request.wnid for request in requests})
        return Foreseen()
    try:
        told = ask(list(requests))
    except ReLAIONetError:
        raise
    except Exception as error:
        raise BadInput(f"generator '{name}': its `foresee` fails: {type(error).__name__}: {error}.") from error
    found = check_foreseen(told, {request.sample_id for request in requests})
    if len(found.missing) == len(requests):
        why = found.missing[requests[0].sample_id]
        raise BadInput(f"generator '{name}' has no image for any of {len(requests):,} requests; of the first: {why}.")
    return found
