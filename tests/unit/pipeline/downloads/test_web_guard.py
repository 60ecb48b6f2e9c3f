from __future__ import annotations

import errno
import socket
import urllib.error
import urllib.request

import pytest

from relaionet.pipeline.addresses.parse import RefusedUrl
from relaionet.pipeline.downloads.rate_limits import RateLimits
from relaionet.pipeline.downloads.web_guard import Limits, WebGuard

PRIVATE = ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fd00:ec2::254"]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, fault_server) -> dict[str, list[str]]:
    """host -> addresses it resolves to; every port leads to the fault server's."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    table: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *args: object, **kwargs: object) -> list[tuple[object, ...]]:
        if host not in table:
            return real(host, port, *args, **kwargs)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in table[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return table


def guard(**limits: object) -> WebGuard:
    return WebGuard(Limits(**({"timeout_s": 2.0, "max_bytes": 100_000} | limits)))  # type: ignore[arg-type]


def ask(opener: WebGuard, url: str) -> bytes:
    with opener.open(urllib.request.Request(url)) as response:
        return response.read()


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_resolves_to_a_private_address_is_refused(names, fault_server, address: str) -> None:
    # the second address counts too: the system might have tried it next
    names["innocent.example"] = ["1.1.1.1", address]
    opener = guard()
    url = f"http://innocent.example:{fault_server.server_address[1]}/a.jpg"
    with pytest.raises(urllib.error.URLError) as caught:
        ask(opener, url)
    assert isinstance(caught.value.reason, RefusedUrl)
    assert opener.visits[url].failure.status == "refused"
    kind = "a private" if address not in ("169.254.169.254", "fd00:ec2::254") else "the metadata"
    assert opener.visits[url].failure.reason.startswith(f"innocent.example resolves to {kind} address")
    assert not fault_server.asked


def test_it_connects_to_the_address_it_looked_at(names, fault_server, monkeypatch: pytest.MonkeyPatch) -> None:
    names["public.example"] = ["93.184.216.34"]
    reached: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        reached.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    opener = guard()
    with pytest.raises(urllib.error.URLError):
        ask(opener, "http://public.example/a.jpg")
    assert reached == [("93.184.216.34", 80)]
    assert opener.visits["http://public.example/a.jpg"].failure.reason == "connection refused"


def test_a_name_that_changes_its_address_is_connected_to_where_it_was_looked_at(
    names, fault_server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public when it is looked at, loopback a moment later: the name server answers each question differently."""
    answers = iter(["93.184.216.34", "127.0.0.1", "127.0.0.1"])
    asked: list[str] = []
    reached: list[tuple[str, int]] = []

    def resolve(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        reached.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    opener = guard()
    for _ in range(2):
        with pytest.raises(urllib.error.URLError):
            ask(opener, "http://rebinding.example/a.jpg")
    assert reached == [("93.184.216.34", 80)] * 2
    assert asked == ["rebinding.example"]


def test_an_address_that_cannot_be_reached_is_no_end_while_there_is_another(
    names, fault_server, monkeypatch: pytest.MonkeyPatch
) -> None:
    names["both.example"] = ["2606:4700::1111", "93.184.216.34"]
    fault_server.files["/a.jpg"] = b"bytes"
    real = socket.create_connection

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        if ":" in address[0]:
            raise OSError(errno.ENETUNREACH, "no IPv6 here")
        return real(("127.0.0.1", address[1]), timeout)

    monkeypatch.setattr(socket, "create_connection", connect)
    assert ask(guard(), f"http://both.example:{fault_server.server_address[1]}/a.jpg") == b"bytes"


def test_what_is_noted_of_a_visit(names, fault_server) -> None:
    fault_server.files["/a.jpg"] = b"bytes"
    opener = WebGuard(
        Limits(timeout_s=2, max_bytes=100, allow_private=True), agent_header="Mozilla/5.0 (compatible; me; +mail)"
    )
    url = f"{fault_server.url}/hop/~a.jpg"
    for tries_count in (1, 2):
        assert ask(opener, url) == b"bytes"
        visit = opener.visits[url]
        assert (visit.http_code, visit.tries_count, visit.final_url) == (
            200,
            tries_count,
            f"{fault_server.url}/a.jpg",
        )
        assert visit.seconds > 0
    assert fault_server.agents == {"Mozilla/5.0 (compatible; me; +mail)"}


def test_a_turn_is_given_back_however_a_visit_ends(names, fault_server) -> None:
    fault_server.files["/a.jpg"] = bytes(300)
    opener = WebGuard(
        Limits(timeout_s=2, max_bytes=200, allow_private=True), RateLimits(requests_count=1, failures_count=99)
    )
    for path in ("/a.jpg", "/none", "/hop/~none", "/hop/file:~~~x", "/short/x", "/loop/x", "/noai/x") * 2:
        with pytest.raises(OSError):  # noqa: PT011  each another
            ask(opener, fault_server.url + path)
    fault_server.files["/b.jpg"] = b"bytes"
    assert ask(opener, f"{fault_server.url}/b.jpg") == b"bytes"


def test_private_hosts_answer_where_they_are_allowed(names, fault_server) -> None:
    names["mine.example"] = ["127.0.0.1"]
    fault_server.files["/a.jpg"] = b"bytes"
    opener = guard(allow_private=True)
    url = f"http://mine.example:{fault_server.server_address[1]}/a.jpg"
    assert ask(opener, url) == b"bytes"
    assert (opener.visits[url].http_code, opener.visits[url].content_type) == (200, "image/jpeg")
    assert opener.visits[url].failure is None


def test_no_redirect_leads_to_a_private_address(names, fault_server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first host is allowed by looking public; the second is reached only through the redirect."""
    port = fault_server.server_address[1]
    monkeypatch.setenv("http_proxy", fault_server.url)
    opener = guard()
    with pytest.raises(RefusedUrl, match=r"redirected to where 127\.0\.0\.1 is a private address"):
        ask(opener, f"http://pictures.invalid/hop/http:~~127.0.0.1:{port}~a.jpg")
    assert fault_server.asked["/a.jpg"] == 0


def test_too_many_bytes_are_not_read_to_their_end(names, fault_server) -> None:
    fault_server.files["/a.jpg"] = bytes(200_000)
    opener = guard(allow_private=True)
    with pytest.raises(OSError, match="more than 100000 bytes"):
        ask(opener, f"{fault_server.url}/a.jpg")
    fault_server.files["/b.jpg"] = bytes(100_000)
    assert len(ask(opener, f"{fault_server.url}/b.jpg")) == 100_000


def test_other_schemes_are_refused(names) -> None:
    for url in ("file:///etc/passwd", "ftp://example.org/x", "data:text/plain,x"):
        with pytest.raises(RefusedUrl):
            ask(guard(), url)


def test_a_proxys_password_goes_to_the_proxy_alone(names, fault_server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger behind the proxy redirects to a host that is asked without one."""
    seen: list[dict[str, str]] = []
    real = urllib.request.AbstractHTTPHandler.do_open

    def do_open(self, kind, request, **more):
        seen.append({name.lower(): value for name, value in request.header_items()} | {"host": request.host})
        return real(self, kind, request, **more)

    monkeypatch.setattr(urllib.request.AbstractHTTPHandler, "do_open", do_open)
    port = fault_server.server_address[1]
    monkeypatch.setenv("http_proxy", fault_server.url.replace("://", "://me:hush@"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fault_server.files["/a.jpg"] = b"bytes"
    assert ask(guard(allow_private=True), f"http://pictures.invalid/hop/http:~~127.0.0.1:{port}~a.jpg") == b"bytes"
    assert [one["host"] for one in seen] == [f"127.0.0.1:{port}"] * 2  # the proxy, then the same server asked directly
    assert ["proxy-authorization" in one for one in seen] == [True, False]


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTP_PROXY"])
def test_every_way_to_name_a_proxy_is_heard(name: str, names, fault_server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, fault_server.url)
    fault_server.files["/a.jpg"] = b"bytes"
    assert ask(guard(), "http://pictures.invalid/a.jpg") == b"bytes"


def test_all_spellings_of_a_host_wait_for_one_turn(names, fault_server) -> None:
    fault_server.files["/a.jpg"] = b"bytes"
    port = fault_server.server_address[1]
    opener = guard(allow_private=True)
    entered: list[str] = []
    real = opener.gate.enter
    opener.gate.enter = lambda name: (entered.append(name), real(name))[1]  # type: ignore[method-assign]
    for host in ("127.0.0.1", "127.1", "0x7f.1", "%31%32%37.0.0.1", "2130706433", "127.0.0.1.", "[::ffff:127.0.0.1]"):
        assert ask(opener, f"http://{host}:{port}/a.jpg") == b"bytes"
    assert entered == ["127.0.0.1"] * 7
