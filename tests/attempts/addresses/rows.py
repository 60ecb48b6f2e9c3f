"""Every URL of `urls` as a row, as what a public server redirects to, and through a proxy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.attempts.addresses.fetched import Fetched, fetched_by_proxy, fetched_directly
from tests.attempts.addresses.urls import CONFUSING, LITERAL, PORTS, REBINDING, RESOLVED
from tests.attempts.attempt import Attempt
from tests.fakes.web.network import PUBLIC

ROWS = LITERAL | PORTS | CONFUSING | RESOLVED | REBINDING
# as redirects these lead to the server that sent them, or are nothing a header can carry
NO_REDIRECTS = (
    "tab in the scheme and host", "control characters around", "very long host", "backslashes for slashes", "no host",
    "one slash", "no slash", "angle brackets",
)  # fmt: skip
REDIRECTS = {name: url for name, url in (LITERAL | PORTS | CONFUSING | RESOLVED).items() if name not in NO_REDIRECTS}
PROXIED = LITERAL | PORTS | CONFUSING
REDIRECTED_BY_PROXY = LITERAL | PORTS


def directly() -> Fetched:
    """All rows and redirects without a proxy, fetched once."""
    return fetched_directly(tuple(ROWS.values()), tuple(REDIRECTS.values()))


def by_proxy() -> Fetched:
    """All rows and redirects that need no name server, through a proxy, fetched once."""
    return fetched_by_proxy(tuple(PROXIED.values()), tuple(REDIRECTED_BY_PROXY.values()))


def refused(fetched: Callable[[], Fetched], url: str, *, redirect: bool) -> Callable[[Path], str]:
    """The row is refused, and nothing but the public server was ever connected to or asked for."""

    def run(_folder: Path) -> str:
        found = fetched()
        assert found.rows["http://pub.test/control.jpg"]["status"] == "ok", "the network of the test does not work"
        row = (found.redirects if redirect else found.rows)[url]
        assert row["status"] == "refused", f"{row['status']}: {row['reason']}"
        assert row["path"] is None
        if fetched is directly:
            assert {address for address, _ in found.reached} == {PUBLIC}, "something else was connected to"
            assert {port for _, port in found.reached} == {80}, "another port was connected to"
        else:
            hosts = ("http://pub.test/control.jpg", "http://pub.test/hop/")
            assert all(asked.startswith(hosts) for asked in found.asked), "the proxy was asked for something else"
        return f"refused: {row['reason']}"

    return run


def looked_at(url: str) -> Callable[[Path], str]:
    """The row is fetched from the address that was looked at."""

    def run(_folder: Path) -> str:
        found = directly()
        row = found.rows[url]
        assert (row["status"], {address for address, _ in found.reached}) == ("ok", {PUBLIC})
        return "fetched from the public address that was looked at"

    return run


def attempts_of(kind: str, urls: dict[str, str], fetched: Callable[[], Fetched], expected: str) -> list[Attempt]:
    """An attempt for every URL."""
    return [
        Attempt(
            name=name,
            kind=kind,
            input_shown=url,
            expected=expected,
            run=refused(fetched, url, redirect=kind.startswith("Redirects")),
        )
        for name, url in urls.items()
    ]


ATTEMPTS = [
    *attempts_of("Addresses of rows", {name: url for name, url in ROWS.items() if name not in REBINDING}, directly,
                 "refused; nothing is connected to"),
    *(
        Attempt(
            name=name, kind="Addresses of rows", input_shown=url, run=looked_at(url),
            expected="the address that was looked at is connected to",
        )
        for name, url in REBINDING.items()
    ),
    *attempts_of("Redirects", REDIRECTS, directly, "refused; nothing but the first server is connected to"),
    *attempts_of("Rows through a proxy", PROXIED, by_proxy, "refused; the proxy is not asked"),
    *attempts_of("Redirects through a proxy", REDIRECTED_BY_PROXY, by_proxy, "refused; the proxy is not asked"),
]  # fmt: skip
