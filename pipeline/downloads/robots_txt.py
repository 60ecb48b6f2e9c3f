"""Sites' robots.txt: read once per site, and asked before an address there is.

Source: RFC 9309, read by Protego. Where a site has no file everything is allowed, and where it cannot be read nothing
is asked.
"""

from __future__ import annotations

import threading
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from relaionet.pipeline.addresses.parse import RefusedUrl, WebAddress

if TYPE_CHECKING:
    from protego import Protego

PATH = "/robots.txt"
MAX_BYTES = 512_000  # of which the standard asks that they be read


@dataclass
class _Site:
    lock: threading.Lock = field(default_factory=threading.Lock)
    rules: Protego | None = None


class RobotsFiles:
    """What the sites asked so far allow.

    Args:
        agent: the name we go by; where no group names it, the one for everyone counts.
        read: bytes of a URL; raises what urllib raises.
    """

    def __init__(self, agent: str, read: Callable[[str], bytes]) -> None:
        self._agent, self._read = agent, read
        self._sites: dict[str, _Site] = {}
        self._lock = threading.Lock()

    def check(self, address: WebAddress) -> None:
        """Do nothing where an address may be asked.

        Raises:
            RefusedUrl: its site's robots.txt forbids it.
            OSError: the file cannot be read now.
        """
        if address.target == PATH:
            return
        origin = f"{address.scheme}://{address.netloc}"
        with self._lock:
            site = self._sites.setdefault(origin, _Site())
        with site.lock:
            if site.rules is None:
                site.rules = self._fetch(f"{origin}{PATH}")
        if not site.rules.can_fetch(f"{origin}{address.target}", self._agent):
            raise RefusedUrl(f"{address.host}'s robots.txt forbids it")

    def _fetch(self, url: str) -> Protego:
        try:
            return read_rules(self._read(url))
        except urllib.error.HTTPError as error:
            if 400 <= error.code < 500 and error.code != 429:
                return read_rules(b"")
            raise


def read_rules(data: bytes) -> Protego:
    """The rules of a robots.txt.

    Args:
        data: of the file, a stranger's; bytes beyond the first 512,000 are not read.
    """
    from protego import Protego

    return Protego.parse(data[:MAX_BYTES].decode("utf-8", "replace").removeprefix("\ufeff"))
