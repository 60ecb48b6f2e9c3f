"""Sites' robots.txt: read once per site, and asked before an address there is.

Source: RFC 9309. The longest rule that matches counts, of equals the one that allows; where a site has no file
everything is allowed, and where it cannot be read nothing is asked.
"""

from __future__ import annotations

import re
import threading
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from relaionet.pipeline.addresses.parse import RefusedUrl, WebAddress

PATH = "/robots.txt"
MAX_BYTES = 512_000  # of which the standard asks that they be read
EVERYONE = "*"


class Rule(NamedTuple):
    """One line: what it says of the paths it matches.

    Attributes:
        parts: what stands between its stars, in order.
        ends: the last part is the end of the path.
        length: of the line's path.
        allows: what it says.
    """

    parts: tuple[str, ...]
    ends: bool
    length: int
    allows: bool

    def matches(self, path: str) -> bool:
        """Whether a path is one of its; in time that grows with the path's length alone, whatever a stranger wrote."""
        first, *others = self.parts
        if not path.startswith(first):
            return False
        place = len(first)
        for number, part in enumerate(others, 1):
            if self.ends and number == len(others):
                return path.endswith(part) and len(path) - len(part) >= place
            found = path.find(part, place)
            if found < 0:
                return False
            place = found + len(part)
        return not self.ends or place == len(path)


@dataclass
class _Site:
    lock: threading.Lock = field(default_factory=threading.Lock)
    rules: list[Rule] | None = None


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
        if not is_allowed(site.rules, address.target):
            raise RefusedUrl(f"{address.host}'s robots.txt forbids it")

    def _fetch(self, url: str) -> list[Rule]:
        try:
            return read_rules(self._read(url), self._agent)
        except urllib.error.HTTPError as error:
            if 400 <= error.code < 500 and error.code != 429:
                return []
            raise


def read_rules(data: bytes, agent: str) -> list[Rule]:
    """The rules of a robots.txt that are meant for us.

    Args:
        data: of the file; bytes beyond the first 512,000 are not read.
        agent: the name we go by.
    """
    groups: dict[str, list[Rule]] = {}
    named: list[str] = []
    in_rules = False
    for line in data[:MAX_BYTES].decode("utf-8", "replace").removeprefix("\ufeff").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            named = [] if in_rules else named
            in_rules = False
            token = re.match(r"[A-Za-z_-]+|\*", value)
            named.append(token[0].lower() if token else value.lower())
            groups.setdefault(named[-1], [])
        elif key in ("allow", "disallow"):
            in_rules = True
            rule = _read_rule(value, allows=key == "allow")
            for name in named if rule is not None else ():
                groups[name].append(rule)  # type: ignore[arg-type]
    return groups.get(agent.lower(), groups.get(EVERYONE, []))


def _read_rule(path: str, *, allows: bool) -> Rule | None:
    """A rule; None for an empty one, which says nothing."""
    if not path.startswith(("/", "*")):
        return None
    plain = _spell(path)
    parts = re.sub(r"\*+", "*", plain.removesuffix("$")).split("*")
    return Rule(tuple(parts), plain.endswith("$"), len(plain), allows)


def _spell(path: str) -> str:
    """Equal paths alike: percent-encoded where they have to be, and nowhere else."""
    return quote(unquote_to_bytes(path), safe="/?&=*$:@!'(),;+~")


def is_allowed(rules: list[Rule], target: str) -> bool:
    """Whether rules let a path be asked.

    Args:
        rules: from `read_rules`.
        target: path and query.
    """
    path = _spell(target)
    found = [(rule.length, rule.allows) for rule in rules if rule.matches(path)]
    return max(found)[1] if found else True
