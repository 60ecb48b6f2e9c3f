from __future__ import annotations

import itertools
import urllib.request

import pytest

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.addresses.proxies import is_loopback, read_proxy, spare_loopback, web_proxies

NAMES = [name for scheme in ("http", "https", "all") for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper())]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("name", "spared"), list(itertools.product(NAMES, [None, "", "example.org", "a, b ,a"])))
def test_loopback_is_spared_and_what_was_spared_stays(name: str, spared: str | None) -> None:
    for key in ("no_proxy", "NO_PROXY"):
        environment = {name: "http://127.0.0.1:9"} | ({} if spared is None else {key: spared})
        spare_loopback(environment)
        names = environment["no_proxy"].split(",")
        assert environment["NO_PROXY"] == environment["no_proxy"]
        assert names[-3:] == ["localhost", "127.0.0.1", "::1"]
        assert names[:-3] == {None: [], "": [], "example.org": ["example.org"], "a, b ,a": ["a", "b"]}[spared]
        before = dict(environment)
        spare_loopback(environment)
        assert environment == before


def test_both_cases_are_joined_and_a_star_is_all() -> None:
    environment = {"ALL_PROXY": "http://p:1", "no_proxy": "a", "NO_PROXY": "b,a"}
    spare_loopback(environment)
    assert environment["no_proxy"] == environment["NO_PROXY"] == "a,b,localhost,127.0.0.1,::1"
    environment = {"http_proxy": "http://p:1", "NO_PROXY": "*"}
    spare_loopback(environment)
    assert environment["no_proxy"] == environment["NO_PROXY"] == "*"


def test_without_a_proxy_nothing_is_changed() -> None:
    environment = {"no_proxy": "a", "http_proxy": ""}
    spare_loopback(environment)
    assert environment == {"no_proxy": "a", "http_proxy": ""}


def test_urllib_asks_loopback_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    spare_loopback()
    assert all(urllib.request.proxy_bypass(host) for host in ("localhost:4200", "127.0.0.1:4200", "127.0.0.1", "::1"))
    assert not urllib.request.proxy_bypass("example.org")


@pytest.mark.parametrize(
    ("environment", "proxies"),
    [
        ({}, {}),
        ({"HTTP_PROXY": "http://p:1"}, {"http": "http://p:1"}),
        ({"https_proxy": "p:1", "HTTPS_PROXY": "http://q:1"}, {"https": "p:1"}),
        ({"ALL_PROXY": "http://p:1"}, {"http": "http://p:1", "https": "http://p:1"}),
        ({"all_proxy": "http://p:1", "http_proxy": "http://q:2"}, {"http": "http://q:2", "https": "http://p:1"}),
        ({"ALL_PROXY": "socks5://p:1"}, {}),
        ({"ALL_PROXY": "socks5h://p:1", "http_proxy": "http://me:pw@q:2"}, {"http": "http://me:pw@q:2"}),
    ],
)
def test_proxies_of_the_environment(environment, proxies, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert web_proxies() == proxies


@pytest.mark.parametrize("proxy", ["socks5://p:1", "ftp://p:1", "http://", "http://p:port", "http://[p", "p:1:2"])
def test_what_is_no_proxy_for_http_is_said_without_its_password(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy.replace("//p", "//me:verysecret@p"))
    with pytest.raises(BadInput, match=r"http_proxy of the environment .* expected http://host:port") as caught:
        web_proxies()
    assert "verysecret" not in str(caught.value)


def test_a_proxy_is_read_without_its_password() -> None:
    assert read_proxy("http://me:p@ss@127.1:3128/", "proxy").text == "http://127.0.0.1:3128/"
    assert read_proxy("p.example:3128", "proxy").netloc == "p.example:3128"
    assert read_proxy("https://p.example", "proxy").port == 443


def test_loopback_hosts() -> None:
    assert all(map(is_loopback, ("localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "127.1", "::1", "0x7f.1")))
    assert not any(map(is_loopback, ("", None, "example.org", "10.0.0.1", "localhost.example", "::2", "[::1", "a b")))
