"""URLs as they may be shown: without passwords, tokens and signatures, in whatever text they stand.

Tables keep a URL as it is, since it is data. What is printed, logged, or put into an error or onto a page goes through
`show_url`, or through `hide_secrets` where URLs stand in other text; the project's own errors do that by themselves.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"
# names of parts of a query whose value lets whoever has it in: passwords, keys, tokens, and what signed URLs of the
# clouds (S3, Google, Azure, CloudFront, Alibaba, Tencent) and of CDNs carry
SECRET_NAME = re.compile(
    r"(?i)(.*[-_.])?(sig|sign|signature|h?mac|hdnea|hdnts|token|tkn|secret|pass|passw(or)?d|passwd|passphrase|pwd|pw|"
    r"credentials?|auth|authorization|bearer|jwt|api-?key|key|access-?key(-?id)?|key-?pair-?id|policy|session(-?id)?|"
    r"sid|code|otp|nonce)|"
    r"\w*(signature|token|secret|password|passwd|credential|api_?key|access_?key(_?id)?|accesskeyid|session_?id)"
)
# letters, digits and what else a URL is made of in running text; not the quotes and brackets it is put in
IN_TEXT = re.compile(r"(?i)\b[a-z][a-z0-9+.-]{1,30}:[/\\]{1,4}[^\s\"'<>`{}|]+")
PARTS = re.compile(
    r"(?is)(?P<start>[a-z][a-z0-9+.-]+:[/\\]+|[/\\]{2})?(?P<authority>[^/\\?#]*)(?P<path>[^?#]*)"
    r"(?P<query>\?[^#]*)?(?P<fragment>#.*)?"
)
# a host with a port, also the word of a hint that says what is expected
PORT = re.compile(r"(?i)(\[[^\]]*\]|[^:]*)(:([\d.…*\[\]]+|port\]?))?")
PAIR = re.compile(r"(?P<name>[^&;=]*)=(?P<value>[^&;]*)")


def show_url(url: str) -> str:
    """A URL as it may be shown: a name and password in it, and values of its query that are secrets, are `***`.

    Args:
        url: of any scheme, or none; also text that is no URL.
    """
    found = PARTS.fullmatch(url)
    if found is None:
        return url
    start, authority, path = found["start"] or "", found["authority"], found["path"]
    query, fragment = found["query"] or "", found["fragment"] or ""
    if "@" in authority and (start or ":" in authority):
        authority = f"{HIDDEN}@" + authority[authority.rindex("@") + 1 :]
    elif start and PORT.fullmatch(authority) is None:
        if "@" in url:  # a password with a slash or the like in it, which ends the host for a parser
            return f"{start}{HIDDEN}@{url[url.rindex('@') + 1 :]}"
        if not authority.endswith(":"):
            authority = f"{authority.partition(':')[0]}:{HIDDEN}"  # what may be a password that was cut off
    return start + authority + path + _hide_values(query) + _hide_values(fragment)


def hide_secrets(text: str) -> str:
    """Text of any kind, every URL in it as `show_url` gives it."""
    return IN_TEXT.sub(_show_found, text) if ":" in text else text


def holds_secret(url: str) -> bool:
    """True where a URL carries a name, a password, a token or a signature."""
    return show_url(url) != url


def _show_found(found: re.Match[str]) -> str:
    url = found[0].rstrip(".,;:)")
    return show_url(url) + found[0][len(url) :]


def _hide_values(part: str) -> str:
    """A query or fragment without the values that are secrets."""
    return part[:1] + PAIR.sub(_hide_value, part[1:]) if "=" in part else part


def _hide_value(pair: re.Match[str]) -> str:
    name, value = unquote(pair["name"]), unquote(unquote(pair["value"]))
    nested = "://" in value and holds_secret(value)
    return f"{pair['name']}={HIDDEN}" if value and (nested or SECRET_NAME.fullmatch(name)) else pair[0]
