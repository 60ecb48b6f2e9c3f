"""The ledger of a fetch: one JSON line per finished row, written as img2dataset hands the rows over.

It outlives a kill, so a run that was cut short continues; bytes are in place before their line is written.
"""

from __future__ import annotations

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
from relaionet.pipeline.image_bytes import BrokenImage, read_facts
from relaionet.pipeline.web_guard import Visit, WebGuard
from relaionet.pipeline.web_rules import Failure


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


def _explain(error: str, visit: Visit) -> Failure:
    """The failure of a row: the guard's word where it has one, else img2dataset's."""
    if "X-Robots-Tag" in error:
        return Failure(status="refused", reason="the server's X-Robots-Tag header forbids this use")
    return visit.failure or Failure(status="refused", reason=f"not a URL: {error[:200]}")


def _store(candidate_id: str, data: bytes, extension: str, images: Path, work: Path) -> str:
    """Put bytes in their place under `images`, whole or not at all; returns the path relative to it."""
    path = Path(candidate_id[:2]) / f"{candidate_id}.{extension}"
    (images / path.parent).mkdir(parents=True, exist_ok=True)
    part = work / f"{candidate_id}.part"
    part.write_bytes(data)
    part.replace(images / path)
    return path.as_posix()


def _finish_row(data: bytes | None, meta: dict[str, Any], visit: Visit, job: FetchJob) -> dict[str, Any]:
    """Decode, store and describe one row: a line of the ledger."""
    line: dict[str, Any] = {
        "candidate_id": meta["candidate_id"], "image_sha256": meta["sha256"], "bytes_count": None, "width_px": None,
        "height_px": None, "format": None, "path": None, "status": ALIVE, "reason": None, "offline": False,
        "http_code": visit.http_code, "tries_count": visit.tries_count, "fetched_us": time.time_ns() // 1000,
    }  # fmt: skip
    if data is None:
        failure = _explain(str(meta["error_message"]), visit)
        return line | {"status": failure.status, "reason": failure.reason, "offline": failure.offline}
    line["bytes_count"] = len(data)
    try:
        facts = read_facts(data, job.settings["max_pixels"])
    except BrokenImage as error:
        served = f" (served as {visit.content_type})" if str(error).startswith("not an image") else ""
        return line | {"status": "broken", "reason": f"{error}{served}"}
    path = _store(meta["candidate_id"], data, facts.format, job.images, job.work)
    return line | asdict(facts) | {"path": path}


class LedgerWriter:
    """img2dataset's sample writer that stores by candidate_id and writes the ledger.

    Decoding is left to a few threads, so that it does not hold up the requests; at most `threads` rows wait for them.
    """

    def __init__(self, job: FetchJob, guard: WebGuard) -> None:
        self._job, self._guard = job, guard
        self._pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
        self._room = threading.Semaphore(job.settings["threads"])
        self._lock = threading.Lock()
        self._file = job.ledger.open("ab")
        self._futures: list[Future[None]] = []

    def write(self, img_str: bytes | None, key: str, caption: str | None, meta: dict[str, Any]) -> None:
        """Take one sample from img2dataset."""
        self._room.acquire()
        self._futures.append(self._pool.submit(self._finish, img_str, meta))

    def _finish(self, data: bytes | None, meta: dict[str, Any]) -> None:
        try:
            line = _finish_row(data, meta, self._guard.visits.get(meta["url"], Visit()), self._job)
            with self._lock:
                self._file.write(json.dumps(line).encode() + b"\n")
                self._file.flush()
        finally:
            self._room.release()

    def close(self) -> None:
        """Wait for the rows under way; raises what a row raised (a full disk, no permission)."""
        self._pool.shutdown(wait=True)
        self._file.close()
        for future in self._futures:
            future.result()


def _ledger_rows(work: Path) -> Iterator[dict[str, Any]]:
    for ledger in sorted(work.glob("ledger-*.jsonl")):
        for line in ledger.read_bytes().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue  # the line that was being written when the run was killed


def read_ledgers(work: Path, images: Path) -> dict[str, dict[str, Any]]:
    """candidate_id -> what happened, of rows whose bytes are where the ledger says."""
    rows = {row["candidate_id"]: row for row in _ledger_rows(work)}
    return {key: row for key, row in rows.items() if row["path"] is None or (images / row["path"]).exists()}
