"""Preference models that pin old packages: run as a command in an environment of their own, spoken to in JSON lines.

The command is started once. It prints `{"name": …, "version": …}` when it is ready, then reads one line for each image,
`{"id": …, "image": "/path/to.png", "text": "a photo of a crane"}`, and answers each with `{"id": …, "score": number}`
in any order. Lines on its standard output that are no JSON objects are ignored, since old packages talk; nothing of
reLAIONet has to be installed there. `rater_commands.py` has such commands for ImageReward, HPSv2 and the aesthetic
score.
"""

from __future__ import annotations

import io
import json
import math
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self

import numpy as np

from relaionet.evaluators.features.extractors import to_pictures
from relaionet.evaluators.features.images import ImageSource
from relaionet.manifests.containers.texts import parse_json
from relaionet.manifests.errors import BadInput, Corrupt, Unavailable
from relaionet.manifests.files import digest_of, read_json, write_json
from relaionet.manifests.store import Store
from relaionet.pipeline.arrays import npy_bytes, read_npy
from relaionet.pipeline.child_process import read_log, start_child

VERSION = "1"
BATCH_COUNT = 32
TAIL_CHARS = 800


class Rater:
    """A running command that rates images.

    Args:
        metric: what its mean is called in tables.
        command: program and arguments; a relative program is looked for from the folder it is started in.
        folder: where it is started.
        start_s: how long it may take to say that it is ready (loading a model).
        answer_s: how long it may take from one answer to the next.

    Raises:
        BadInput: the command cannot be started, or does not speak as it should.
        Unavailable: it did not get ready in time.
    """

    def __init__(
        self,
        metric: str,
        command: Sequence[str],
        *,
        folder: Path | None = None,
        start_s: float = 600,
        answer_s: float = 300,
    ) -> None:
        if not command:
            raise BadInput(f"rater '{metric}' names no command.")
        self.metric, self._answer_s = metric, answer_s
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the process)
        try:
            self._child = start_child(command, output="read", errors=self._errors, folder=folder)
        except OSError as error:
            raise BadInput(f"rater '{metric}' cannot be started: {error}. Command: {' '.join(command)}") from None
        self._lines: Queue[str | None] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        hello = self._next(start_s, "get ready")
        if not isinstance(hello.get("name"), str):
            self.close()
            raise BadInput(f"rater '{metric}' must first say its name and version; it said {json.dumps(hello)[:200]}.")
        self.fingerprint = digest_of("rater", hello["name"], str(hello.get("version", "")))

    def rate(self, requests: Sequence[dict[str, str]]) -> list[float]:
        """Scores of some images, in their order.

        Args:
            requests: `id`, `image` (path) and `text` of each.

        Raises:
            BadInput: an answer is missing, unknown, or no finite number, or the command ended.
            Unavailable: it fell silent.
        """
        writer = self._child.writer
        if writer is None or not self._child.is_running():
            raise self._ended()
        try:
            writer.writelines(json.dumps(request).encode() + b"\n" for request in requests)
            writer.flush()
        except (BrokenPipeError, ValueError):
            raise self._ended() from None
        wanted = {request["id"] for request in requests}
        found: dict[str, float] = {}
        while len(found) < len(wanted):
            answer = self._next(self._answer_s, "answer")
            name, score = answer.get("id"), answer.get("score")
            if name not in wanted or name in found or not isinstance(score, int | float) or not math.isfinite(score):
                raise BadInput(
                    f"rater '{self.metric}' answered {json.dumps(answer)[:200]}; it must give each id once, with a "
                    "finite score."
                )
            found[str(name)] = float(score)
        return [found[request["id"]] for request in requests]

    def close(self) -> None:
        """End the command."""
        self._child.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _listen(self) -> None:
        if self._child.reader is not None:
            for line in io.TextIOWrapper(self._child.reader, encoding="utf-8", errors="replace"):
                self._lines.put(line)
        self._lines.put(None)

    def _next(self, seconds: float, doing: str) -> dict[str, Any]:
        """The next JSON object the command prints."""
        while True:
            try:
                line = self._lines.get(timeout=seconds)
            except Empty:
                self.close()
                raise Unavailable(f"rater '{self.metric}' took more than {seconds:g} s to {doing}.") from None
            if line is None:
                raise self._ended()
            try:
                value = parse_json(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                return value

    def _ended(self) -> BadInput:
        code = self._child.wait()
        said = read_log(self._errors).strip()[-TAIL_CHARS:]
        return BadInput(f"rater '{self.metric}' ended with exit code {code}. It last said: {said or 'nothing'}")


def rate_images(
    images: ImageSource,
    ids: Sequence[str],
    texts: Sequence[str],
    rater: Rater,
    out: Path,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Rate a set of images, or read the ratings where that was done before; a killed run goes on where it was.

    Args:
        images: at the protocol's size.
        ids: one per image, distinct.
        texts: one per image.
        rater: the running command.
        out: folder of the set.
        progress: called with the number of images done since the last call.

    Returns:
        [N] float64.

    Raises:
        BadInput: ids, texts and images differ in number, or the command failed.
        Corrupt: stored ratings are not what their receipt says.
    """
    if not len(images) == len(ids) == len(texts):
        raise BadInput(f"{len(images)} images, {len(ids)} ids and {len(texts)} texts are to be rated; all must be one.")
    name = f"ratings-{digest_of(rater.metric, rater.fingerprint)[:8]}"
    digest = digest_of("ratings", VERSION, images.digest, ids, texts, rater.fingerprint)
    store, path = Store(out), out / name / "scores.npy"
    if store.is_done(name, digest):
        if not path.is_file():
            raise Corrupt(f"{path} is not what its receipt says; delete it and run again.")
        scores = read_npy(store.read_artifact(path, name))
        if progress is not None:
            progress(len(ids))
        return np.asarray(scores)
    store.forget(name)
    scores = _rate_all(images, ids, texts, rater, out / name / "progress.json", digest, progress)
    store.write_artifact(path, npy_bytes(scores), name, digest, rows_count=len(ids))
    (out / name / "progress.json").unlink(missing_ok=True)
    return scores


def _rate_all(
    images: ImageSource, ids: Sequence[str], texts: Sequence[str], rater: Rater, point: Path, digest: str,
    progress: Callable[[int], None] | None,
) -> np.ndarray:  # fmt: skip
    state = read_json(point) if point.exists() else {}
    scores: list[float] = state["scores"] if state.get("digest") == digest else []
    if progress is not None and scores:
        progress(len(scores))
    for start in range(len(scores), len(ids), BATCH_COUNT):
        stop = min(start + BATCH_COUNT, len(ids))
        with tempfile.TemporaryDirectory() as folder:
            requests = []
            pictures = to_pictures(images.read(start, stop).transpose(0, 3, 1, 2))
            for index, picture in enumerate(pictures, start):
                picture.save(Path(folder) / f"{index}.png")
                requests.append({"id": str(index), "image": f"{folder}/{index}.png", "text": texts[index]})
            scores += rater.rate(requests)
        write_json(point, {"digest": digest, "scores": scores})
        if progress is not None:
            progress(stop - start)
    return np.array(scores, dtype=np.float64)
