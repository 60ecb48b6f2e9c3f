"""Bounds on what a stranger's URL may do to us, put under urllib so that whoever calls it (img2dataset) is bound too.

Only http and https, only public addresses. A URL is read once (`addresses.parse`); `web_rules.refuse_address` judges
what was read, `web_connections.Connector` looks at what its name resolves to and connects there, and a redirect is a
URL like any other. At most so many bytes, seconds and redirects; hosts are asked within rate limits. What happened to
each URL is kept for the reason of its row.
"""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from relaionet.pipeline.addresses.parse import RefusedUrl, WebAddress
from relaionet.pipeline.addresses.proxies import web_proxies
from relaionet.pipeline.downloads.bounded_body import BoundedBody
from relaionet.pipeline.downloads.rate_limits import HostGate, RateLimits
from relaionet.pipeline.downloads.robots_txt import RobotsFiles
from relaionet.pipeline.downloads.web_connections import AddressedRequest, Connector, make_handler
from relaionet.pipeline.downloads.web_rules import (
    NO_PICTURE_CODES,
    Failure,
    HostRests,
    NoPicture,
    explain_failure,
    forbidding_directive,
    judge_address,
    judge_url,
    read_retry_after,
)

ROBOTS_HEADERS = ("X-Robots-Tag", "X-Archive-Orig-X-Robots-Tag")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one URL may cost.

    Attributes:
        timeout_s: seconds from connecting to the last byte, redirects included.
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
        content_encoding: as declared, lower case; empty where none was.
        final_url: where the redirects led; None where nothing answered.
        tries_count: requests made.
        seconds: they took, without waiting for the host's turn.
        failure: why there are no bytes; None where they came.
        asked: a request was made this time.
    put_off: the host rests for a while; the URL may be asked for later.
    """

    http_code: int = 0
    content_type: str = ""
    content_encoding: str = ""
    final_url: str | None = None
    tries_count: int = 0
    seconds: float = 0.0
    failure: Failure | None = None
    asked: bool = False
    put_off: bool = False


@dataclass(kw_only=True)
class _Request:
    """The request a thread is at; redirects are part of it."""

    visit: Visit
    host: str = ""  # whose turn the thread holds; empty for none
    started: float = 0.0
    deadline: float = 0.0
    retry_after_s: float | None = None


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, limits: Limits, note_code: Callable[[int], None]) -> None:
        self.max_redirections = limits.max_redirects  # type: ignore[misc]
        self._allow_private, self._note_code = limits.allow_private, note_code

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Follow a redirect; urllib's own reading of where it leads is not asked."""
        self._note_code(code)
        told = headers.get("Location") or headers.get("URI")
        if not told:
            return None
        try:
            # the header's bytes, which came as Latin-1
            address = judge_address(req.address.join(told.encode("latin-1", "replace")), self._allow_private)
        except RefusedUrl as error:
            raise RefusedUrl(f"redirected to where {error}") from None
        if len(req.hops) >= self.max_redirections or req.hops.count(address.text) >= self.max_repeats:
            raise urllib.error.HTTPError(req.full_url, code, self.inf_msg + msg, headers, fp)
        fp.close()  # its body is not read, however long it is
        # the password for a proxy is the proxy's alone; where this leads may be asked without one
        kept = {name: value for name, value in req.headers.items() if name.lower() != "proxy-authorization"}
        return self.parent.open(AddressedRequest(address, kept, (*req.hops, address.text)), timeout=req.timeout)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302  # type: ignore[assignment]


class _Thread(threading.local):
    request: _Request | None = None


class WebGuard(urllib.request.OpenerDirector):
    """An opener for `urllib.request.install_opener` that keeps to limits and remembers each visit.

    Args:
        limits: for every URL.
        rate_limits: towards every host.
        agent: the name we go by; X-Robots-Tag headers that forbid it are obeyed.
        agent_header: the User-Agent header; None leaves the caller's.
        proxies: scheme -> address of the proxy it is asked through; None takes those of the environment.
        robots_txt: obey sites' robots.txt as well.
    """

    def __init__(
        self,
        limits: Limits,
        rate_limits: RateLimits | None = None,
        agent: str = "relaionet",
        agent_header: str | None = None,
        proxies: Mapping[str, str] | None = None,
        *,
        robots_txt: bool = False,
    ) -> None:
        super().__init__()
        self.limits = limits
        self.gate = HostGate(rate_limits or RateLimits())
        self.visits: dict[str, Visit] = {}
        self._agent, self._agent_header = agent, agent_header
        self._thread = _Thread()
        self._robots = RobotsFiles(agent, self._read_text) if robots_txt else None
        connector = Connector(allow_private=limits.allow_private, deadline=self._deadline)
        proxies = web_proxies() if proxies is None else dict(proxies)
        for handler in (
            urllib.request.ProxyHandler(proxies), urllib.request.UnknownHandler(),
            urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(),
            _Redirects(limits, self._note_code), make_handler(connector, "http"), make_handler(connector, "https"),
        ):  # fmt: skip
            self.add_handler(handler)

    def _deadline(self) -> float:
        request = self._thread.request
        return request.deadline if request is not None else time.monotonic() + self.limits.timeout_s

    def _note_code(self, code: int) -> None:
        if self._thread.request is not None:
            self._thread.request.visit.http_code = code

    def open(self, fullurl: Any, data: Any = None, timeout: Any = None) -> Any:
        """Open a request; as urllib's, but bounded, and always by the limits' own time."""
        if self._thread.request is not None:  # urllib follows a redirect
            self._take_turn(self._thread.request, fullurl.address)
            return super().open(fullurl, data, self.limits.timeout_s)
        url, headers = (fullurl, {}) if isinstance(fullurl, str) else (fullurl.full_url, fullurl.headers)
        forbidden = self._ask_robots(url)
        before = self.visits.get(url, Visit())
        visit = self.visits[url] = Visit(tries_count=before.tries_count, seconds=before.seconds)
        request = self._thread.request = _Request(visit=visit)
        try:
            address = judge_url(url, allow_private=self.limits.allow_private)
            if forbidden is not None:
                raise forbidden
            self._take_turn(request, address)
            visit.tries_count, visit.asked = visit.tries_count + 1, True
            agent = {} if self._agent_header is None else {"User-agent": self._agent_header}
            response = super().open(AddressedRequest(address, {**headers, **agent}), data, self.limits.timeout_s)
            if time.monotonic() > request.deadline:  # what reads as headers may have been cut off
                response.close()
                raise TimeoutError("timed out")
            self._look_at(response, visit)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._end(request, error)
            raise
        return BoundedBody(response, request.deadline, self.limits.max_bytes, lambda error: self._end(request, error))

    def _ask_robots(self, url: str) -> OSError | None:
        """Why a URL's site does not want it asked; its own request, made before that of the URL."""
        if self._robots is None:
            return None
        try:
            self._robots.check(judge_url(url, allow_private=self.limits.allow_private))
        except OSError as error:
            return error
        except (http.client.HTTPException, ValueError) as error:
            return OSError(f"robots.txt cannot be read: {error}")
        return None

    def _read_text(self, url: str) -> bytes:
        with self.open(url) as body:
            data: bytes = body.read()
            return data

    def _take_turn(self, request: _Request, address: WebAddress) -> None:
        """Wait for a host's turn; the wait is no part of the request's time."""
        host = address.host
        if request.host:
            self.gate.leave(request.host, None)
            request.host = ""
        asked = time.monotonic()
        self.gate.enter(host)
        request.host, now = host, time.monotonic()
        if not request.started:
            request.started, request.deadline = now, now + self.limits.timeout_s
        else:
            request.started += now - asked
            request.deadline += now - asked

    def _look_at(self, response: http.client.HTTPResponse, visit: Visit) -> None:
        """Note what came, and go no further where it is nothing to keep."""
        visit.http_code, visit.final_url = response.status, response.url
        visit.content_type = response.headers.get_content_type()
        visit.content_encoding = str(response.headers.get("Content-Encoding", "")).strip().lower()
        # an archive tells the headers of then under a name of its own
        told = [value for name in ROBOTS_HEADERS for value in response.headers.get_all(name, [])]
        forbidden = forbidding_directive(told, self._agent)
        try:
            if forbidden is not None:
                raise RefusedUrl(f"the server's X-Robots-Tag header says {forbidden}")
            if response.status in NO_PICTURE_CODES:
                raise NoPicture(f"HTTP {response.status} {response.reason}: no whole body")
        except OSError:
            response.close()
            raise

    def _end(self, request: _Request, error: Exception | None) -> None:
        """The request is over: note its failure, where it has one, and give the host's turn back."""
        if request is not self._thread.request:  # ended by a failure before its body was closed
            return
        self._thread.request = None
        visit = request.visit
        if request.started:
            visit.seconds += time.monotonic() - request.started
        if isinstance(error, HostRests):
            visit.failure, visit.put_off = error.failure, error.failure is None
        elif error is not None:
            visit.failure = self._explain(request, error)
        if request.host:
            self.gate.leave(request.host, visit.failure, visit.http_code, request.retry_after_s)

    def _explain(self, request: _Request, error: Exception) -> Failure:
        if isinstance(error, urllib.error.HTTPError):
            request.visit.http_code, request.visit.final_url = error.code, error.url
            request.retry_after_s = read_retry_after(error.headers.get("Retry-After"), time.time())
            error.close()
        elif request.deadline and time.monotonic() > request.deadline:
            error = TimeoutError("timed out")
        return explain_failure(error, self.limits.timeout_s)
