from __future__ import annotations

import http.client
import urllib.request
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.pipeline.addresses.parse import RefusedUrl, WebAddress, parse_url
from tests.depth import deep

SAME = {
    "http://example.org": "http://example.org/",
    "HTTP://EXAMPLE.org.:80/a b?q=ä#part": "http://example.org/a%20b?q=%C3%A4",
    "https://example.org:443/": "https://example.org/",
    "https://example.org:00443?q": "https://example.org/?q",
    "http://example.org:/x": "http://example.org/x",
    " \x00http://exam\nple.org/\tx\r\n": "http://example.org/x",
    "http://%65xample%2Eorg/": "http://example.org/",
    "http://bücher.example/x": "http://xn--bcher-kva.example/x",
    "http://b%C3%BCcher.example/x": "http://xn--bcher-kva.example/x",
    "http://BÜCHER.example/x": "http://xn--bcher-kva.example/x",
    "http://faß.example/": "http://xn--fa-hia.example/",
    "http://i❤.ws/": "http://xn--i-7iq.ws/",
    "http://ｅｘａｍｐｌｅ。ｏｒｇ/": "http://example.org/",
    "http://my_site.example.org/": "http://my_site.example.org/",
    "http://example.org/@user/a:b//c\\d": "http://example.org/@user/a:b//c%5Cd",
    "http://example.org/100%/x%zz": "http://example.org/100%/x%zz",
    "http://[2606:4700:0::1111]:8080/": "http://[2606:4700::1111]:8080/",
}
LOOPBACK = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F.1", "0177.0.0.1", "017700000001", "0x7f.0.0.0x1",
    "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "１２７.０.０.１", "127。0。0。1", "127｡0｡0｡1", "127．0．0．1", "①②⑦.0.0.1",
    "127.0.0.1.", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "127.0x0.0.1", "%EF%BC%9127.1",
]  # fmt: skip
NONE = [
    "", "example.org", "//example.org/x", "http:", "http:example.org", "http:/example.org", "http://", "http:///x",
    "http://?x", "http://:80/", "http://./", "http://a..b/", "http://.example.org/", "http://example.org../",
    "javascript:alert(1)", "file:///etc/passwd", "ftp://example.org/", "data:image/png;base64,x", "ht tp://example.org/",
    "\\\\example.org\\x", "http:\\\\example.org\\", "http://good.example\\@127.0.0.1/", "http://good.example\\.evil/",
    "http://me@example.org/", "http://me:pw@example.org/", "http://@example.org/", "http://a@b@example.org/",
    "http://example.org%40127.0.0.1/", "http://example.org%2F@x/", "http://example.org%3A22/", "http://example.org%3a22/",
    "http://example.org%00.evil/", "http://exa%0dmple.org/", "http://exa mple.org/", "http://exa%20mple.org/",
    "http://example.org%2fx/", "http://example.org%5cx/", "http://example.org%23/", "http://example.org%3F/",
    "http://%2531%2532%2537.0.0.1/", "http://%zz.example/", "http://%ff.example/", "http://%.example/",
    "http://exa\x7fmple.org/", "http://exa\x01mple.org/", "http://<b>.example/", "http://a;b.example/", "http://a,b/",
    "http://example.org:0/", "http://example.org:65536/", "http://example.org:99999999999999/", "http://example.org:-80/",
    "http://example.org:+80/", "http://example.org: 80/", "http://example.org:8 0/", "http://example.org:８０/",
    "http://example.org:0x50/", "http://example.org:80:80/", "http://example.org:80x/", "http://example.org:%38%30/",
    "http://[::1", "http://::1/", "http://[::1]x/", "http://[::1]80/", "http://[]/", "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/", "http://[v1.x]/", "http://[127.0.0.1]/", "http://[example.org]/", "http://[::1/",
    "http://[::%31]/", "http://[:::1]/", "http://[1:2:3:4:5:6:7:8:9]/", "http://x[::1]/",
    "http://[" + "0" * 60 + "::1]/",
    "http://256.256.256.256/", "http://1.2.3.4.5/", "http://127.0.0.08/", "http://0x7g.1/", "http://4294967296/",
    "http://1.2.3.256/", "http://example.127/", "http://a.0x1/", "http://127.0.0.1%00/",
    "http://" + "a" * 64 + ".example/", "http://" + "a." * 127 + "example/", "http://" + "ä" * 2000 + "/",
    "http://" + "é" * 63 + ".example/", "http://℀.example/", "http://\ufffd.example/", "http://\u202eexample.org/",
    "http://example.org/" + "x" * 65_536,
]  # fmt: skip


@pytest.mark.parametrize("text", SAME)
def test_one_form_for_all_spellings(text: str) -> None:
    address = parse_url(text)
    assert address.text == SAME[text]
    assert parse_url(address.text) == address


@pytest.mark.parametrize("host", LOOPBACK)
def test_every_spelling_of_an_address_is_that_address(host: str) -> None:
    address = parse_url(f"http://{host}:81/x")
    assert (address.host, address.port, str(address.ip)) == ("127.0.0.1", 81, "127.0.0.1")
    assert address.text == "http://127.0.0.1:81/x"


@pytest.mark.parametrize("text", NONE, ids=lambda text: ascii(text)[:60])
def test_what_is_no_address_has_a_reason(text: str) -> None:
    with pytest.raises(RefusedUrl) as caught:
        parse_url(text)
    reason = str(caught.value)
    assert len(reason) < 80
    assert "pw" not in reason
    assert "\\" not in reason


def see_as_urllib(address: WebAddress) -> tuple[str, int]:
    """Host and port that urllib and http.client find in the URL, each by its own reading."""
    request = urllib.request.Request(address.text)
    connection = http.client.HTTPConnection(request.host)
    parts = urlsplit(address.text)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    assert parts.hostname == connection.host
    assert request.selector == address.target
    return connection.host, connection.port if ":" in request.host.rpartition("]")[2] else port


ODD = st.text(st.sampled_from("a1.%@:/\\[]?#-_ 0x7fé。１\t\x00é%31%3A%40"), max_size=24)


@settings(max_examples=deep(400), deadline=None)
@given(ODD)
def test_nobody_reads_another_address_out_of_it(text: str) -> None:
    for url in (
        f"http://{text}",
        f"https://pub.example{text}",
        f"http://pub.example:8080{text}",
        f"http://1.1.1.1{text}",
    ):
        try:
            address = parse_url(url)
        except RefusedUrl:
            continue
        assert address.text.isascii()
        assert parse_url(address.text) == address
        assert see_as_urllib(address) == (address.host, address.port)


@pytest.mark.parametrize(
    ("reference", "to"),
    [("/b", "https://example.org:8443/b"), ("//127.1/", "https://127.0.0.1/"), ("c?d", "https://example.org:8443/a/c?d"),
     ("http://%6cocalhost", "http://localhost/"), ("\t/b\n", "https://example.org:8443/b"), ("", "https://example.org:8443/a/b")],
)  # fmt: skip
def test_a_reference_is_read_like_any_url(reference: str, to: str) -> None:
    assert parse_url("https://example.org:8443/a/b").join(reference).text == to


@pytest.mark.parametrize("reference", ["//a@b/", "http://x%3A22/", "ftp://x/", "http://[::1", "javascript:1"])
def test_a_reference_to_nowhere_is_refused(reference: str) -> None:
    with pytest.raises(RefusedUrl):
        parse_url("https://example.org/").join(reference)
