"""The ledger of a fetch: one JSON line per row and try, written as img2dataset hands the rows over.

It outlives a kill, so a run that was cut short continues; bytes are in place before their line is written.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from relaionet.manifests.tables import ALIVE
from relaionet.manifests.urls import show_url
from relaionet.pipeline.downloads.decoder import DecodedPicture, Decoder
from relaionet.pipeline.downloads.web_guard import Visit, WebGuard
from relaionet.pipeline.downloads.web_rules import Failure
from relaionet.pipeline.images.decode import BrokenImage

DECODERS_COUNT = min(4, os.cpu_count() or 1)
BACKLOG_PER_DECODER = 16
# a row that waits for another try is no progress yet
SETTLED_MARK = b'"settled": true'
# the fetching process ends with this plus the system's error number where it cannot store what it fetched
STORAGE_EXIT = 64
STORAGE_ERRORS = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG, errno.ENOTDIR,
    errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG,
})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FetchJob:
    """What the fetching process is told.

    Attributes:
        settings: fields of `DownloadConfig`.
        images: folder of the images.
        work: folder of the ledgers and of files that are not whole yet.
        ledger: ledger to append to.
    """

    settings: Mapping[str, Any]
    images: Path
    work: Path
    ledger: Path


def exit_code_of(error: OSError) -> int:
    """Exit code that tells the starting process which of the system's errors it was."""
    return STORAGE_EXIT + (error.errno or errno.EIO)


def error_of_exit(code: int, where: Path) -> OSError | None:
    """The system's error behind an exit code of the fetching process; None where it was another kind of end."""
    number = code - STORAGE_EXIT
    return OSError(number, os.strerror(number), str(where)) if number in STORAGE_ERRORS else None


def _blank_line(candidate_id: str, visit: Visit) -> dict[str, Any]:
    """A line of the ledger of which nothing is known but the visit."""
    return {
        "candidate_id": candidate_id, "image_sha256": None, "bytes_count": None, "width_px": None, "height_px": None,
        "format": None, "is_animated": None, "phash": None, "path": None, "status": ALIVE, "reason": None,
        "offline": False, "may_come_back": False, "settled": True,
        "final_url": visit.final_url and show_url(visit.final_url), "http_code": visit.http_code or None,
        "tries_count": visit.tries_count, "seconds": round(visit.seconds, 4), "fetched_us": time.time_ns() // 1000,
    }  # fmt: skip


def refused_line(candidate_id: str, failure: Failure) -> bytes:
    """The ledger's line of a row that is not asked for."""
    line = _blank_line(candidate_id, Visit()) | asdict(failure)
    return json.dumps(line).encode() + b"\n"


def _explain(error: str, visit: Visit) -> Failure:
    """The failure of a row: the guard's word where it has one, else img2dataset's."""
    return visit.failure or Failure(status="refused", reason=f"not a URL: {error[:200]}")


class LedgerWriter:
    """img2dataset's sample writer that stores by candidate_id and writes the ledger.

    Decoding is left to a few processes, so that it does not hold up the requests; at most `threads` rows wait for them.

    Args:
        job: what the fetching process was told.
        guard: knows what happened to each URL.
    """

    def __init__(self, job: FetchJob, guard: WebGuard) -> None:
        self._job, self._guard = job, guard
        self._pool = ThreadPoolExecutor(DECODERS_COUNT)
        self._room = threading.Semaphore(job.settings["threads"])
        self._lock = threading.Lock()
        self._file = job.ledger.open("ab")
        self._futures: list[Future[None]] = []
        self._decoders = _Decoders(job)
        self._unsettled: set[str] = set()
        self._pending = 0

    def write(self, img_str: bytes | None, key: str, caption: str | None, meta: dict[str, Any]) -> None:
        """Take one sample from img2dataset."""
        self._room.acquire()
        with self._lock:
            self._pending += 1
        self._futures.append(self._pool.submit(self._finish, img_str, meta))

    def _finish(self, data: bytes | None, meta: dict[str, Any]) -> None:
        try:
            visit = self._guard.visits.get(meta["url"], Visit())
            line = self._describe(data, meta, visit)
            if not line["settled"]:
                self._unsettled.add(line["candidate_id"])
            with self._lock:
                self._file.write(json.dumps(line).encode() + b"\n")
                self._file.flush()
        except OSError as error:
            if error.errno in STORAGE_ERRORS:
                os._exit(exit_code_of(error))  # what follows could not be stored either
            raise
        finally:
            with self._lock:
                self._pending -= 1
            self._room.release()

    def _describe(self, data: bytes | None, meta: dict[str, Any], visit: Visit) -> dict[str, Any]:
        """Decode, store and describe one row: a line of the ledger."""
        line = _blank_line(meta["candidate_id"], visit) | {"image_sha256": meta["sha256"]}
        if data is None:
            return line | self._describe_failure(str(meta["error_message"]), visit)
        line["bytes_count"] = len(data)
        try:
            picture, path = self._store(meta["candidate_id"], data)
        except BrokenImage as error:
            return line | {"status": "broken", "reason": f"{error}{_declared(str(error), visit)}"}
        return line | asdict(picture.facts) | {"phash": picture.phash, "path": path}

    def _describe_failure(self, error: str, visit: Visit) -> dict[str, Any]:
        if visit.put_off:
            return {"status": "slow", "reason": "the host asked for a pause", "may_come_back": True, "settled": False}
        failure = _explain(error, visit)
        # a row that timed out would most likely do so again: that is for another day
        again = failure.may_come_back and failure.status != "slow" and visit.asked
        return asdict(failure) | {"settled": not again or visit.tries_count > self._job.settings["retries"]}

    def _store(self, candidate_id: str, data: bytes) -> tuple[DecodedPicture, str]:
        """Put bytes in their place, whole or not at all, if they are a picture; the picture and its path."""
        part = self._job.work / f"{candidate_id}.part"
        try:
            part.write_bytes(data)
            picture = self._decoders.read(part, self._pending)
            path = Path(candidate_id[:2]) / f"{candidate_id}.{picture.facts.format}"
            (self._job.images / path.parent).mkdir(parents=True, exist_ok=True)
            part.replace(self._job.images / path)
        finally:
            part.unlink(missing_ok=True)
        return picture, path.as_posix()

    def close(self) -> None:
        """Wait for the rows under way, as img2dataset asks at the end of its rows; raises what a row raised."""
        futures, self._futures = self._futures, []
        for future in futures:
            future.result()

    def take_unsettled(self) -> set[str]:
        """Ids of the rows to try again, since the last call."""
        taken, self._unsettled = self._unsettled, set()
        return taken

    def end(self) -> None:
        """No more rows come."""
        self._pool.shutdown(wait=True)
        self._decoders.close()
        self._file.close()


class _Decoders:
    """Decoding processes, as many as there is work for: starting one takes as long as decoding a hundred pictures."""

    def __init__(self, job: FetchJob) -> None:
        self._job = job
        self._idle: list[Decoder] = []
        self._all: list[Decoder] = []
        self._change = threading.Condition()

    def read(self, path: Path, backlog: int) -> DecodedPicture:
        """Decode a file, while `backlog` others wait."""
        with self._change:
            while not self._idle and self._all and (len(self._all) >= DECODERS_COUNT or backlog < BACKLOG_PER_DECODER):
                self._change.wait()
            decoder = self._idle.pop() if self._idle else self._start()
        try:
            return decoder.read(path)
        finally:
            with self._change:
                self._idle.append(decoder)
                self._change.notify()

    def _start(self) -> Decoder:
        self._all.append(Decoder(self._job.settings["max_pixels"], self._job.settings["decode_s"]))
        return self._all[-1]

    def close(self) -> None:
        for decoder in self._all:
            decoder.close()


def _declared(reason: str, visit: Visit) -> str:
    """What the server said the bytes were, where they are something else."""
    if not reason.startswith("not an image"):
        return ""
    packed = f", {visit.content_encoding}" if visit.content_encoding not in ("", "identity") else ""
    return f" (served as {visit.content_type}{packed})"[:200]


def _ledger_rows(work: Path) -> Iterator[dict[str, Any]]:
    for ledger in sorted(work.glob("ledger-*.jsonl")):
        for line in ledger.read_bytes().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue  # the line that was being written when the run was killed


def read_ledgers(work: Path, images: Path) -> dict[str, dict[str, Any]]:
    """candidate_id -> what happened, of rows that are settled and whose bytes are where the ledger says."""
    rows = {row["candidate_id"]: row for row in _ledger_rows(work)}
    return {
        key: row
        for key, row in rows.items()
        if row["settled"] and (row["path"] is None or (images / row["path"]).exists())
    }
