"""Which URLs and addresses may be asked, and what failures of the web mean: pure functions that ask nobody."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import socket
import ssl
import urllib.error
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

# what a URL may hold as it is
URL_SAFE = "%:/?#[]@!$&'()*+,;=-._~|"
REFUSING_CODES = (401, 402, 403, 407, 429, 451)


class RefusedUrl(OSError):
    """A safety rule of this project forbids the URL or its address."""


class TooManyBytes(OSError):
    """The body is longer than allowed."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a URL gave no bytes.

    Attributes:
        status: gone, refused, slow or broken, as in the table of downloads.
        reason: in words.
        offline: no name or network could be reached at all: perhaps it is this machine that is cut off.
    """

    status: str
    reason: str
    offline: bool = False


def is_public(address: str) -> bool:
    """True for an address anyone on the internet may ask; false for loopback, private, link-local and the like."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_global and not parsed.is_multicast


def encode_url(url: str) -> str:
    """Write a URL in ASCII as browsers do: letters of the host in IDNA, of the rest percent-encoded."""
    try:
        parts = urlsplit(url.strip())
        netloc = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    except ValueError:
        return quote(url, safe=URL_SAFE)
    return quote(urlunsplit(parts._replace(netloc=netloc, fragment="")), safe=URL_SAFE)


def refuse_url(url: str, *, allow_private: bool) -> str | None:
    """Why a URL may not be fetched, judged by its text alone; None where it may."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        return f"not a URL: {error}"
    if parts.scheme.lower() not in ("http", "https"):
        return f"scheme '{parts.scheme}' is not http(s)"
    if not host:
        return "the URL names no host"
    if allow_private:
        return None
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return f"{host} is a private host"
    try:
        # also takes the short and numeric forms (127.1, 2130706433) that the system would resolve
        address = name if ":" in name else socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        return None
    return None if is_public(address) else f"{host} is a private address"


def explain_failure(error: BaseException, timeout_s: float) -> Failure:
    """Turn what urllib raised into a status and a reason a person can read."""
    if isinstance(error, urllib.error.HTTPError):
        forbidden = 300 <= error.code < 400 and "not allowed" in error.msg
        status = "refused" if forbidden or error.code in REFUSING_CODES else "gone"
        text = "redirects without end" if 300 <= error.code < 400 and not forbidden else error.msg
        return Failure(status=status, reason=f"HTTP {error.code} {text}".strip())
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        return explain_failure(error.reason, timeout_s)
    if isinstance(error, http.client.IncompleteRead):
        return Failure(status="broken", reason="truncated: the body ended early")
    if isinstance(error, socket.gaierror):
        offline = error.errno == socket.EAI_AGAIN
        return Failure(status="gone", reason="name could not be resolved", offline=offline)
    if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return Failure(status="gone", reason="host could not be reached", offline=error.errno == errno.ENETUNREACH)
    for kind, status, reason in (
        (RefusedUrl, "refused", str(error)),
        (TooManyBytes, "broken", str(error)),
        (TimeoutError, "slow", f"timed out after {timeout_s:g} s"),
        (ConnectionRefusedError, "gone", "connection refused"),
        (ConnectionError, "gone", "connection closed by the server"),
        (ssl.SSLError, "gone", f"TLS: {getattr(error, 'verify_message', '') or getattr(error, 'reason', '')}"),
        (http.client.InvalidURL, "refused", f"not a URL: {error}"),
        (http.client.HTTPException, "gone", f"the answer is not HTTP: {error}"),
        (ValueError, "refused", f"not a URL: {error}"),
    ):
        if isinstance(error, kind):
            return Failure(status=status, reason=" ".join(reason.split())[:300])
    return Failure(status="gone", reason=" ".join(str(error).split())[:300] or type(error).__name__)
