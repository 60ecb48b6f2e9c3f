"""Which addresses may be asked, and what failures of the web mean: pure functions that ask nobody."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import urllib.error
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from relaionet.manifests.urls import hide_secrets
from relaionet.pipeline.addresses.parse import RefusedUrl, WebAddress, parse_url
from relaionet.pipeline.addresses.ranges import explain_private

NO_NAME = "name could not be resolved"
REFUSING_CODES = (401, 402, 403, 407, 429, 451)
PASSING_CODES = (408, 425, 429)  # and all from 500 on but these
LASTING_CODES = (501, 505, 510, 511)
NO_PICTURE_CODES = (204, 205, 206)  # successes without a whole body
# of https://fetch.spec.whatwg.org/#port-blocking: other services that could be made to misunderstand a request
BLOCKED_PORTS = frozenset({
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
    109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526,
    530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045,
    4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
})  # fmt: skip
# names that are never those of a public server: RFC 6761 and 6762, ICANN's .internal, RFC 8375; and bare words
PRIVATE_ENDINGS = (".localhost", ".local", ".internal", ".home.arpa")
FORBIDDING = ("noai", "noimageai", "noindex", "noimageindex")


class TooManyBytes(OSError):
    """The body is longer than allowed."""


class NoPicture(OSError):
    """The answer is a success that carries no body to keep."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a URL gave no bytes.

    Attributes:
        status: gone, refused, slow or broken, as in the table of downloads.
        reason: in words.
        offline: no name or network could be reached at all: perhaps it is this machine that is cut off.
        may_come_back: the same URL may give bytes later.
    """

    status: str
    reason: str
    offline: bool = False
    may_come_back: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", hide_secrets(self.reason))


class HostRests(OSError):
    """The host is left alone: for a pause it asked for (`failure` is None), or for good after too many failures."""

    def __init__(self, text: str, failure: Failure | None = None) -> None:
        super().__init__(text)
        self.failure = failure


def refuse_address(address: WebAddress, *, allow_private: bool) -> str | None:
    """Why an address may not be asked, judged without asking a name server; None where it may.

    Args:
        address: as it is used.
        allow_private: hosts may be loopback, private or link-local, and their ports any.
    """
    if address.ip is not None:
        why = explain_private(address.ip, allow_private=allow_private)
        if why is not None:
            return f"{address.host} is {why}"
    if allow_private:
        return None
    if address.ip is None and ("." not in address.host or address.host.endswith(PRIVATE_ENDINGS)):
        return f"{address.host} is a private host"
    return f"port {address.port} is that of another service" if address.port in BLOCKED_PORTS else None


def judge_url(url: str, *, allow_private: bool) -> WebAddress:
    """A URL's address, where it may be asked.

    Raises:
        RefusedUrl: it may not, or there is none; with the reason.
    """
    return judge_address(parse_url(url), allow_private)


def judge_address(address: WebAddress, allow_private: bool) -> WebAddress:
    """The same address, where it may be asked.

    Raises:
        RefusedUrl: it may not; with the reason.
    """
    why = refuse_address(address, allow_private=allow_private)
    if why is not None:
        raise RefusedUrl(why)
    return address


def forbidding_directive(headers: Iterable[str], agent: str) -> str | None:
    """What an X-Robots-Tag forbids us.

    Args:
        headers: values of all X-Robots-Tag headers of one answer.
        agent: the name we go by; directives addressed to another are not ours.

    Returns:
        The first of noai, noimageai, noindex and noimageindex that is meant for everyone or for us, else None.
    """
    for value in headers:
        addressed = None
        for part in value.lower().split(","):
            name, colon, rest = part.partition(":")
            if colon and name.strip() not in ("unavailable_after", "max-snippet", "max-image-preview"):
                addressed, part = name.strip(), rest
            directive = part.strip()
            if directive in FORBIDDING and addressed in (None, agent.lower()):
                return directive
    return None


def read_retry_after(value: str | None, now_s: float) -> float | None:
    """Seconds a Retry-After header asks to wait; None where it says nothing that can be read.

    Args:
        value: of the header: seconds, or a date.
        now_s: seconds since 1970, which a date is counted from.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError):
        return None


def explain_failure(error: BaseException, timeout_s: float) -> Failure:
    """Turn what urllib raised into a status and a reason a person can read."""
    if isinstance(error, urllib.error.HTTPError):
        return _explain_code(error)
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        return explain_failure(error.reason, timeout_s)
    if isinstance(error, http.client.IncompleteRead):
        return Failure(status="broken", reason="truncated: the body ended early", may_come_back=True)
    if isinstance(error, socket.gaierror):
        passing = error.errno == socket.EAI_AGAIN
        return Failure(status="gone", reason=NO_NAME, offline=passing, may_come_back=passing)
    if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        cut_off = error.errno == errno.ENETUNREACH
        return Failure(status="gone", reason="host could not be reached", offline=cut_off, may_come_back=True)
    for kind, status, reason, may_come_back in (
        (RefusedUrl, "refused", str(error), False),
        (TooManyBytes, "broken", str(error), False),
        (NoPicture, "broken", str(error), False),
        (TimeoutError, "slow", f"timed out after {timeout_s:g} s", True),
        (ConnectionRefusedError, "gone", "connection refused", True),
        (ConnectionError, "gone", "connection closed by the server", True),
        (ssl.SSLError, "gone", f"TLS: {getattr(error, 'verify_message', '') or getattr(error, 'reason', '')}", False),
        (http.client.InvalidURL, "refused", f"not a URL: {error}", False),
        (http.client.HTTPException, "gone", f"the answer is not HTTP: {error}", False),
        (ValueError, "refused", f"not a URL: {error}", False),
    ):
        if isinstance(error, kind):
            return Failure(status=status, reason=_line(reason), may_come_back=may_come_back)
    return Failure(status="gone", reason=_line(str(error)) or type(error).__name__)


def _line(text: str) -> str:
    """A text of strangers in one line; secrets are hidden before it is cut, which could leave half of one."""
    return hide_secrets(" ".join(text.split()))[:300]


def _explain_code(error: urllib.error.HTTPError) -> Failure:
    status = "refused" if error.code in REFUSING_CODES else "gone"
    text = error.msg
    if error.code in (301, 302, 303, 307, 308):
        text = "redirects without end" if "infinite loop" in error.msg else "redirects to nowhere"
    passing = error.code in PASSING_CODES or (error.code >= 500 and error.code not in LASTING_CODES)
    return Failure(status=status, reason=_line(f"HTTP {error.code} {text}"), may_come_back=passing)
