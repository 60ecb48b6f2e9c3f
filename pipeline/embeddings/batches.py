"""Pictures to unit rows, batch by batch: decoding runs ahead, batches are full, and neither order nor speed matters."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.images.fingerprints import Fingerprints

if TYPE_CHECKING:
    import numpy as np
    import torch

T = TypeVar("T")
UNIT_TOLERANCE = 1e-2
# a core's cache holds what lies between two layers of a small batch; a GPU wants large ones
CPU_BATCH, GPU_BATCH = 16, 256
BATCHES_AHEAD = 2

_setting_threads = threading.Lock()


@dataclass(frozen=True)
class Decoded:
    """A picture ready for the encoder, or the reason why there is none.

    Attributes:
        pixels: [3, H, W] float32; None where it could not be decoded.
        reason: why not; None where it could.
        prints: its fingerprints, where asked for.
    """

    pixels: torch.Tensor | None
    reason: str | None = None
    prints: Fingerprints | None = None


@dataclass(frozen=True)
class Embedded(Generic[T]):
    """A batch that is done.

    Attributes:
        items: N things that were given.
        decoded: N pictures, without their pixels.
        vectors: [N_ok, D] float32 unit rows of those that could be embedded.
        reasons: N reasons why not; None where embedded.
    """

    items: list[T]
    decoded: list[Decoded]
    vectors: np.ndarray
    reasons: list[str | None]


def embed_batches(
    items: Iterable[T], decode: Callable[[T], Decoded], encoder: Encoder, *, batch_size: int | None = None,
    threads: int | None = None,
) -> Iterator[Embedded[T]]:  # fmt: skip
    """Decode and embed any number of pictures; memory holds a few batches, whatever their number.

    On a CPU whose encoder says so (`device` is `cpu`), every thread takes a whole batch, decodes it and encodes it on
    one core: no core waits for another. Elsewhere threads decode ahead by two batches, which are put together (in
    pinned memory for CUDA) while the one before is being encoded.

    Args:
        items: what to embed; read by the calling thread alone.
        decode: makes a picture of one of them; called from threads.
        encoder: from `load_encoder`.
        batch_size: pictures per forward pass; the last batch is filled up, so that a row does not depend on how many
            there are. None takes 16 on a CPU and 256 on a GPU.
        threads: threads; None takes one per core this process may use.

    Yields:
        Batches, in the order of the items.

    Raises:
        BadInput: the encoder returns no unit rows.
        Whatever `decode` raises.
    """
    device = str(getattr(encoder, "device", ""))
    size = batch_size or (GPU_BATCH if device.startswith("cuda") else CPU_BATCH)
    stream = iter(items)
    batches = iter(lambda: list(islice(stream, size)), [])
    if device == "cpu":
        return _spread(batches, decode, encoder, size, threads or usable_cores())
    return _decode_ahead(batches, decode, encoder, size, threads or usable_cores())


def usable_cores() -> int:
    """Cores this process may use: those the system gives it, and no more than OMP_NUM_THREADS where that is set.

    Ray sets it to what a task was given.
    """
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(given, int(asked)) if asked.isdecimal() and int(asked) > 0 else given


def _spread(
    batches: Iterator[list[T]], decode: Callable[[T], Decoded], encoder: Encoder, size: int, threads: int
) -> Iterator[Embedded[T]]:
    """Every thread takes a whole batch."""

    def work(batch: list[T]) -> Embedded[T]:
        decoded = [decode(item) for item in batch]
        return _encode(batch, decoded, _stack(decoded, size), encoder)

    waiting: deque[Future[Embedded[T]]] = deque()
    pool = _single_core_threads(threads)
    try:
        for batch in batches:
            waiting.append(pool.submit(work, batch))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _single_core_threads(count: int) -> ThreadPoolExecutor:
    """Threads in which torch uses one core each; elsewhere it goes on using as many as before."""
    import torch

    pool = ThreadPoolExecutor(max_workers=count)
    met = threading.Barrier(count)

    def take_one_core() -> None:
        torch.get_num_threads()  # a thread takes over the common number when it first looks, which must be over
        torch.set_num_threads(1)
        met.wait()  # so that each of the tasks is on a thread of its own

    # the number is each thread's own, but also what threads that start later begin with
    with _setting_threads:
        before = torch.get_num_threads()
        for future in [pool.submit(take_one_core) for _ in range(count)]:
            future.result()
        torch.set_num_threads(before)
    return pool


def _decode_ahead(
    batches: Iterator[list[T]], decode: Callable[[T], Decoded], encoder: Encoder, size: int, threads: int
) -> Iterator[Embedded[T]]:
    """One batch in use, two on their way."""
    pin = str(getattr(encoder, "device", "")).startswith("cuda")
    waiting: deque[tuple[list[T], Future[tuple[list[Decoded], torch.Tensor | None]]]] = deque()
    pool, stacker = _single_core_threads(threads), ThreadPoolExecutor(max_workers=1)

    def gather(futures: list[Future[Decoded]]) -> tuple[list[Decoded], torch.Tensor | None]:
        decoded = [future.result() for future in futures]
        pixels = _stack(decoded, size)
        return decoded, pixels.pin_memory() if pin and pixels is not None else pixels

    try:
        for batch in batches:
            waiting.append((batch, stacker.submit(gather, [pool.submit(decode, item) for item in batch])))
            if len(waiting) > BATCHES_AHEAD:
                items, ready = waiting.popleft()
                yield _encode(items, *ready.result(), encoder)
        while waiting:
            items, ready = waiting.popleft()
            yield _encode(items, *ready.result(), encoder)
    finally:
        pool.shutdown(cancel_futures=True)
        stacker.shutdown(cancel_futures=True)


def _stack(decoded: list[Decoded], size: int) -> torch.Tensor | None:
    """[size, 3, H, W] float32 of the pictures there are, the last repeated; None where there is none."""
    import torch

    pixels = [item.pixels for item in decoded if item.pixels is not None]
    # always the same shape: kernels chosen by batch size would change last bits
    return torch.stack(pixels + [pixels[-1]] * (size - len(pixels))) if pixels else None


def _encode(items: list[T], decoded: list[Decoded], pixels: torch.Tensor | None, encoder: Encoder) -> Embedded[T]:
    import numpy as np

    light = [Decoded(None, item.reason, item.prints) for item in decoded]
    count = sum(item.pixels is not None for item in decoded)
    if pixels is None:
        empty = np.zeros((0, encoder.dim), dtype=np.float32)
        return Embedded(items, light, empty, [item.reason for item in decoded])
    vectors = np.asarray(encoder.encode_images(pixels))[:count]
    finite = _check_vectors(vectors, count, encoder)
    left = iter(finite)
    reasons = [
        item.reason if item.pixels is None or next(left) else "the encoder gave no finite row" for item in decoded
    ]
    return Embedded(items, light, vectors[finite], reasons)


def _check_vectors(vectors: np.ndarray, count: int, encoder: Encoder) -> np.ndarray:
    """Which rows are finite.

    Raises:
        BadInput: the shape is wrong or the finite rows are not of unit length.
    """
    import numpy as np

    if vectors.shape != (count, encoder.dim):
        raise BadInput(f"encoder '{encoder.name}' gave rows {vectors.shape}; expected {(count, encoder.dim)}.")
    finite = np.isfinite(vectors).all(axis=1)
    lengths = np.linalg.norm(vectors[finite].astype(np.float64), axis=1)
    if (abs(lengths - 1) > UNIT_TOLERANCE).any():
        raise BadInput(f"encoder '{encoder.name}' gave rows of length {lengths.max():.3f}; they must have length 1.")
    return finite
