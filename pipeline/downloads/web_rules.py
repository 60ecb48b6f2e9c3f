"""Which URLs and addresses may be asked, and what failures of the web mean: pure functions that ask nobody."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import socket
import ssl
import urllib.error
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit, urlunsplit

# what a URL may hold as it is
URL_SAFE = "%:/?#[]@!$&'()*+,;=-._~|"
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
NAT64 = ipaddress.ip_network("64:ff9b::/96")
SIX_TO_FOUR = ipaddress.ip_network("2002::/16")
UNICAST = ipaddress.ip_network("2000::/3")
FORBIDDING = ("noai", "noimageai", "noindex", "noimageindex")


class RefusedUrl(OSError):
    """A safety rule of this project, or the server's wish, forbids the URL or its address."""


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


class HostRests(OSError):
    """The host is left alone: for a pause it asked for (`failure` is None), or for good after too many failures."""

    def __init__(self, text: str, failure: Failure | None = None) -> None:
        super().__init__(text)
        self.failure = failure


def is_public(address: str) -> bool:
    """True for an address anyone on the internet may ask; false for loopback, private, link-local and the like.

    An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4) is judged by that one.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if parsed not in UNICAST:
            return False
    return parsed.is_global and not parsed.is_multicast


def encode_url(url: str) -> str:
    """Write a URL in ASCII as browsers do: letters of the host in IDNA, of the rest percent-encoded."""
    try:
        parts = urlsplit(url.strip())
        netloc = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    except ValueError:
        return quote(url, safe=URL_SAFE)
    return quote(urlunsplit(parts._replace(netloc=netloc, fragment="")), safe=URL_SAFE)


def host_of(url: str) -> str:
    """The host a URL names, in lower case without port; empty where it names none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def refuse_url(url: str, *, allow_private: bool) -> str | None:
    """Why a URL may not be fetched, judged by its text alone; None where it may."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = parts.port
    except ValueError as error:
        return f"not a URL: {error}"
    if parts.scheme.lower() not in ("http", "https"):
        return f"scheme '{parts.scheme}' is not http(s)"
    if not host:
        return "the URL names no host"
    if "@" in parts.netloc:
        return "the URL holds a user name or password"
    if allow_private:
        return None
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return f"{host} is a private host"
    try:
        # also takes the short and numeric forms (127.1, 2130706433) that the system would resolve
        address = name if ":" in name else socket.inet_ntoa(socket.inet_aton(name))
        if not is_public(address):
            return f"{host} is a private address"
    except OSError:  # a name
        pass
    except ValueError:
        return f"not a URL: '{host}' is no address"
    return f"port {port} is that of another service" if port in BLOCKED_PORTS else None


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
            return Failure(status=status, reason=" ".join(reason.split())[:300], may_come_back=may_come_back)
    return Failure(status="gone", reason=" ".join(str(error).split())[:300] or type(error).__name__)


def _explain_code(error: urllib.error.HTTPError) -> Failure:
    forbidden = 300 <= error.code < 400 and "not allowed" in error.msg
    status = "refused" if forbidden or error.code in REFUSING_CODES else "gone"
    text = error.msg
    if error.code in (301, 302, 303, 307, 308) and not forbidden:
        text = "redirects without end" if "infinite loop" in error.msg else "redirects to nowhere"
    passing = error.code in PASSING_CODES or (error.code >= 500 and error.code not in LASTING_CODES)
    return Failure(status=status, reason=f"HTTP {error.code} {text}".strip()[:300], may_come_back=passing)
