"""The body of an answer, read within bounds of bytes and time."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from email.message import Message

from relaionet.pipeline.downloads.web_rules import TooManyBytes

CHUNK_BYTES = 1 << 16


class BoundedBody:
    """A response whose body is bounded in bytes and time; the part of it that img2dataset uses.

    Args:
        response: whose body is not read yet.
        deadline: of the last byte, by `time.monotonic`.
        max_bytes: longest body accepted.
        end: called once it is over, with what went wrong.
    """

    def __init__(
        self,
        response: http.client.HTTPResponse,
        deadline: float,
        max_bytes: int,
        end: Callable[[Exception | None], None],
    ) -> None:
        self._response, self._deadline, self._max_bytes, self._end = response, deadline, max_bytes, end
        self.headers: Message = response.headers

    def __enter__(self) -> BoundedBody:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()
        self._end(None)

    def read(self) -> bytes:
        """All of it.

        Raises:
            TooManyBytes: it is longer than allowed.
            TimeoutError: it took too long.
            http.client.IncompleteRead: it ended early.
        """
        try:
            return self._read_all()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._end(error)
            raise

    def _read_all(self) -> bytes:
        chunks: list[bytes] = []
        total = 0
        while chunk := self._response.read1(CHUNK_BYTES):
            chunks.append(chunk)
            total += len(chunk)
            if total > self._max_bytes:
                raise TooManyBytes(f"more than {self._max_bytes} bytes")
        if self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)
        if time.monotonic() > self._deadline:
            raise TimeoutError("timed out")
        return b"".join(chunks)
