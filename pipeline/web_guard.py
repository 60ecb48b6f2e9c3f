"""Bounds on what a stranger's URL may do to us, put under urllib so that whoever calls it (img2dataset) is bound too.

Only http and https, only public addresses, checked when connecting and again at every redirect; at most so many bytes,
seconds and redirects. What happened to each URL is kept for the reason of its row.
"""

from __future__ import annotations

import heapq
import http.client
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any

from relaionet.pipeline.web_rules import Failure, RefusedUrl, TooManyBytes, explain_failure, is_public, refuse_url

CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one URL may cost.

    Attributes:
        timeout_s: seconds from connecting to the last byte, redirects counted each.
        max_bytes: length of the body.
        max_redirects: redirects followed.
        allow_private: let hosts be loopback, private or link-local addresses (for servers of one's own).
    """

    timeout_s: float
    max_bytes: int
    max_redirects: int = 5
    allow_private: bool = False


@dataclass(kw_only=True)
class Visit:
    """What became of one URL.

    Attributes:
        http_code: the last that came; 0 where none did.
        content_type: as declared, lower case; empty where none was.
        tries_count: requests made.
        failure: why there are no bytes; None where they came.
    """

    http_code: int = 0
    content_type: str = ""
    tries_count: int = 0
    failure: Failure | None = None


class _Watchdog:
    """Shuts a connection's socket when its time is over, which wakes the thread that reads from it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, socket.socket]] = []
        self._change = threading.Condition()
        threading.Thread(target=self._watch, daemon=True, name="web-guard").start()

    def watch(self, sock: socket.socket, deadline: float) -> None:
        with self._change:
            heapq.heappush(self._heap, (deadline, id(sock), sock))
            self._change.notify()

    def _watch(self) -> None:
        while True:
            with self._change:
                while not self._heap or self._heap[0][0] > time.monotonic():
                    self._change.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                sock = heapq.heappop(self._heap)[2]
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # finished and closed long ago


class _Body:
    """A response whose body is bounded in bytes and time; the part of it that img2dataset uses."""

    def __init__(
        self,
        response: http.client.HTTPResponse,
        deadline: float,
        note_failure: Callable[[Exception, bool], None],
        limits: Limits,
    ) -> None:
        self.response = response
        self.headers: Message = response.headers
        self._deadline, self._note_failure, self._limits = deadline, note_failure, limits

    def __enter__(self) -> _Body:
        return self

    def __exit__(self, *_: object) -> None:
        self.response.close()

    def read(self) -> bytes:
        try:
            return self._read_all()
        except (OSError, http.client.HTTPException) as error:
            self._note_failure(error, time.monotonic() > self._deadline)
            raise

    def _read_all(self) -> bytes:
        chunks: list[bytes] = []
        total = 0
        while chunk := self.response.read1(CHUNK_BYTES):
            chunks.append(chunk)
            total += len(chunk)
            if total > self._limits.max_bytes:
                raise TooManyBytes(f"more than {self._limits.max_bytes} bytes")
            if time.monotonic() > self._deadline:
                raise TimeoutError("timed out")
        if self.response.length:
            raise http.client.IncompleteRead(b"", self.response.length)
        if time.monotonic() > self._deadline:
            raise TimeoutError("timed out")
        return b"".join(chunks)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, limits: Limits) -> None:
        self.max_redirections = limits.max_redirects  # type: ignore[misc]
        self._allow_private = limits.allow_private

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        why = refuse_url(newurl, allow_private=self._allow_private)
        if why is not None:
            raise RefusedUrl(f"redirected to where {why}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class WebGuard(urllib.request.OpenerDirector):
    """An opener for `urllib.request.install_opener` that keeps to limits and remembers each visit.

    Args:
        limits: for every URL.

    A failure that would come again (an HTTP code below 500, a refusal) is answered from memory when the same URL is
    asked for again, so that retries cost only where they may help. Proxies are those of the environment.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.visits: dict[str, Visit] = {}
        self._final: dict[str, Exception] = {}
        self._watchdog = _Watchdog()
        for handler in (
            urllib.request.ProxyHandler(), urllib.request.UnknownHandler(), urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(), _Redirects(limits), _handler(self, "http"), _handler(self, "https"),
        ):  # fmt: skip
            self.add_handler(handler)

    def open(self, fullurl: Any, data: Any = None, timeout: Any = None) -> Any:
        """Open a request; as urllib's, but bounded, and always by the limits' own time."""
        url = fullurl if isinstance(fullurl, str) else fullurl.full_url
        if url in self._final:
            raise self._final[url]
        visit = self.visits[url] = Visit(tries_count=self.visits.get(url, Visit()).tries_count + 1)
        deadline = time.monotonic() + self.limits.timeout_s
        try:
            why = refuse_url(url, allow_private=self.limits.allow_private)
            if why is not None:
                raise RefusedUrl(why)
            answer = super().open(fullurl, data, self.limits.timeout_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._note_failure(url, visit, error, late=time.monotonic() > deadline)
            raise
        # a redirect comes back through this method and is bounded already
        response = answer.response if isinstance(answer, _Body) else answer
        visit.http_code = response.status
        visit.content_type = response.headers.get_content_type()
        return _Body(
            response, deadline, lambda error, late: self._note_failure(url, visit, error, late=late), self.limits
        )

    def _note_failure(self, url: str, visit: Visit, error: Exception, *, late: bool) -> None:
        if isinstance(error, urllib.error.HTTPError):
            visit.http_code = error.code
            error.close()
        elif late:
            error = TimeoutError("timed out")
        visit.failure = explain_failure(error, self.limits.timeout_s)
        code, lost = visit.http_code, visit.failure.status in ("gone", "broken") and not isinstance(error, TooManyBytes)
        may_pass = code == 429 or code >= 500 or (code < 300 and lost)
        if not may_pass:
            self._final[url] = error

    def connect(self, host_port: tuple[str, int], timeout_s: float, *, checked: bool) -> socket.socket:
        """A socket to a host, after a look at every address its name has.

        Raises:
            RefusedUrl: `checked` and one of the addresses is not public.
        """
        found = socket.getaddrinfo(*host_port, type=socket.SOCK_STREAM)
        if checked and not self.limits.allow_private:
            for *_, address in found:
                if not is_public(str(address[0])):
                    raise RefusedUrl(f"{host_port[0]} resolves to a private address")
        # connecting to the address that was looked at: a second look-up could answer differently
        return socket.create_connection((str(found[0][4][0]), host_port[1]), timeout_s)

    def watch(self, sock: socket.socket) -> None:
        """End a connection's time `timeout_s` from now, whatever it is waiting for."""
        self._watchdog.watch(sock, time.monotonic() + self.limits.timeout_s)


def _handler(guard: WebGuard, scheme: str) -> urllib.request.BaseHandler:
    """urllib's handler of a scheme, connecting through the guard."""
    base: Any = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    parent: Any = urllib.request.HTTPSHandler if scheme == "https" else urllib.request.HTTPHandler

    def connection(checked: bool) -> Any:
        class Connection(base):  # type: ignore[misc, valid-type]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self._create_connection = lambda address, timeout, _source: guard.connect(
                    address, timeout, checked=checked
                )

            def connect(self) -> None:
                super().connect()
                guard.watch(self.sock)

        return Connection

    # a proxy's own address may be private, and it is the proxy that resolves the host
    direct, proxied = connection(checked=True), connection(checked=False)

    class Handler(parent):  # type: ignore[misc, valid-type]
        def _open(self, request: urllib.request.Request) -> Any:
            by_proxy = request.has_proxy() or getattr(request, "_tunnel_host", None) is not None
            return self.do_open(proxied if by_proxy else direct, request)

    setattr(Handler, f"{scheme}_open", Handler._open)
    return Handler()  # type: ignore[no-any-return]
