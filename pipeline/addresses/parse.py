"""A URL, read once: what every rule looks at, what is connected to and what is asked for is this one form.

    parse_url  text -> WebAddress, or RefusedUrl with the reason

Two readers of one text can disagree about the host, and a rule that asked one of them says nothing about what the other
does. So the text is read here alone; whatever else takes URLs (urllib, http.client, img2dataset, a proxy) is given
`WebAddress.text`, in which there is nothing left to decode.

Source: the WHATWG URL standard's host parsing (https://url.spec.whatwg.org/#host-parsing), as browsers follow it;
stricter where that only repairs: backslashes in the host, user names, and hosts no name server could know.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, unquote_to_bytes, urljoin

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL_CHARS, MAX_HOST_CHARS, MAX_NAME_CHARS, MAX_LABEL_CHARS = 65_536, 1024, 253, 63
# what the rest of a URL may hold as it is; everything else is percent-encoded
URL_SAFE = "%:/?#[]@!$&'()*+,;=-._~|"
ASCII = "".join(map(chr, range(0x80)))
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
ABSOLUTE = re.compile(rf"{SCHEME.pattern}:")
NAME = re.compile(r"[a-z0-9_.-]+")
NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
# control characters and blanks at the ends are dropped, tabs and line ends anywhere, as browsers do
EDGES, DROPPED = "".join(map(chr, range(0x21))), dict.fromkeys(map(ord, "\t\n\r"))


class RefusedUrl(OSError):
    """A safety rule of this project, or the server's wish, forbids the URL or its address."""


@dataclass(frozen=True, kw_only=True)
class WebAddress:
    """A URL as it is used.

    Attributes:
        scheme: http or https.
        host: a name in lower-case ASCII without a dot at its end, or the usual spelling of an IP address (an IPv6 one
            without brackets; one that stands for an IPv4 one is that).
        port: 1 to 65535.
        target: path and query, ASCII, from the first slash on; the fragment is dropped.
    """

    scheme: str
    host: str
    port: int
    target: str

    @cached_property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """The host as an IP address; None where it is a name."""
        # a host that ends in a digit may still be a name, such as cdn1
        if ":" not in self.host and not NUMBER.fullmatch(self.host.rpartition(".")[2]):
            return None
        return ipaddress.ip_address(self.host)

    @property
    def netloc(self) -> str:
        """Host and port as they stand in a URL; the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """The URL; reading it gives the same address."""
        return f"{self.scheme}://{self.netloc}{self.target}"

    def join(self, reference: str | bytes) -> WebAddress:
        """Where a reference found here, such as a redirect's, leads.

        Args:
            reference: a URL, or part of one; bytes are as a header brought them.

        Raises:
            RefusedUrl: nowhere.
        """
        text = reference if isinstance(reference, str) else quote(reference, safe=ASCII)
        text = text.strip(EDGES).translate(DROPPED)
        if ABSOLUTE.match(text):
            return parse_url(text)
        if text.startswith("//"):
            return parse_url(f"{self.scheme}:{text}")
        return parse_url(urljoin(self.text, text))  # a path: whatever is in it, the host stays


def parse_url(text: str) -> WebAddress:
    """Read a URL.

    Args:
        text: from anywhere.

    Raises:
        RefusedUrl: it is no http(s) URL, carries a user name or password, or names no host there could be; the reason
            shows nothing of the URL but its scheme.
    """
    if len(text) > MAX_URL_CHARS:
        raise RefusedUrl(f"not a URL: longer than {MAX_URL_CHARS} characters")
    text = text.strip(EDGES).translate(DROPPED)
    scheme, colon, rest = text.partition(":")
    if not colon or SCHEME.fullmatch(scheme) is None:
        raise RefusedUrl("not a URL: it has no scheme such as https")
    if scheme.lower() not in DEFAULT_PORTS:
        raise RefusedUrl(f"scheme '{scheme.lower():.20}' is not http(s)")
    if not rest.startswith("//"):
        raise RefusedUrl("the URL names no host")
    authority = re.split(r"[/?#]", rest[2:], maxsplit=1)[0]
    host, port = _split_authority(authority)
    return WebAddress(
        scheme=scheme.lower(), host=host, port=_read_port(port) or DEFAULT_PORTS[scheme.lower()],
        target=_read_target(rest[2 + len(authority) :]),
    )  # fmt: skip


def _split_authority(authority: str) -> tuple[str, str]:
    """The host, read, and the port's text."""
    if "@" in authority:
        raise RefusedUrl("the URL holds a user name or password")
    if "\\" in authority:
        raise RefusedUrl("not a URL: a backslash in its host")
    if authority.startswith("["):
        inside, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise RefusedUrl("not a URL: brackets that do not fit")
        return _read_ipv6(inside), rest[1:]
    host, _, port = authority.partition(":")
    return read_host(host), port


def read_host(text: str) -> str:
    """A host's one form.

    Args:
        text: as it stands in a URL, without brackets: a name in any script, percent-encoded or not, or an IPv4 address
            in any of its spellings.

    Raises:
        RefusedUrl: no host can be called so.
    """
    if not text:
        raise RefusedUrl("the URL names no host")
    if len(text) > MAX_HOST_CHARS:
        raise RefusedUrl("not a URL: its host is too long")
    try:
        name = _to_ascii(unquote_to_bytes(text).decode()).removesuffix(".")
    except UnicodeError:
        raise RefusedUrl("not a URL: its host cannot be read") from None
    labels = name.split(".")
    if NAME.fullmatch(name) is None or not all(labels):
        raise RefusedUrl("not a URL: its host holds what no host's name does")
    if len(name) > MAX_NAME_CHARS or max(map(len, labels)) > MAX_LABEL_CHARS:
        raise RefusedUrl("not a URL: its host is too long")
    return _read_ipv4(labels) if NUMBER.fullmatch(labels[-1]) else name


def _to_ascii(name: str) -> str:
    """Letters of all scripts as name servers know them (IDNA, with UTS 46's mapping, which browsers do)."""
    if name.isascii():
        return name.lower()
    import idna

    try:
        mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
    except idna.IDNAError as error:
        raise UnicodeError(str(error)) from None
    # idna.encode refuses names that are in use, such as those with emoji; what is asked for is a matter of the server
    labels = [one if one.isascii() else f"xn--{one.encode('punycode').decode()}" for one in mapped.split(".")]
    return ".".join(labels).lower()


def _read_ipv4(labels: list[str]) -> str:
    """An IPv4 address of one to four numbers, each decimal, octal or hexadecimal; the last fills what is left."""
    try:
        numbers = [_read_number(label) for label in labels]
    except ValueError:
        raise RefusedUrl("not a URL: its host ends like an address and is none") from None
    fits = len(numbers) <= 4 and all(one < 256 for one in numbers[:-1]) and numbers[-1] < 256 ** (5 - len(numbers))
    if not fits:
        raise RefusedUrl("not a URL: its host ends like an address and is none")
    return str(IPv4Address(sum(one << (24 - 8 * place) for place, one in enumerate(numbers[:-1])) + numbers[-1]))


def _read_number(text: str) -> int:
    if NUMBER.fullmatch(text) is None:
        raise ValueError(text)
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if len(text) > 1 and text.startswith("0") else 10)


def _read_ipv6(text: str) -> str:
    """An IPv6 address; one that is an IPv4 address in another dress is that, since it is where packets go."""
    try:
        address = IPv6Address("" if "%" in text or len(text) > 45 else text)
    except ValueError:
        raise RefusedUrl("not a URL: what stands in its brackets is no address") from None
    return str(address.ipv4_mapped or address)


def _read_port(text: str) -> int | None:
    if not text:
        return None
    number = text.lstrip("0")
    if not re.fullmatch(r"[0-9]+", text) or not number or len(number) > 5 or int(number) > 65535:
        raise RefusedUrl("not a URL: its port is no number from 1 to 65535")
    return int(number)


def _read_target(rest: str) -> str:
    """Path and query in ASCII."""
    shown = quote(rest.partition("#")[0], safe=URL_SAFE, errors="replace")
    return shown if shown.startswith("/") else f"/{shown}"
