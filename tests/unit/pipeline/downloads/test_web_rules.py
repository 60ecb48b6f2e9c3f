from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaionet.manifests.tables import DOWNLOADS
from relaionet.pipeline.addresses.parse import RefusedUrl
from relaionet.pipeline.downloads.web_rules import (
    BLOCKED_PORTS,
    explain_failure,
    forbidding_directive,
    judge_url,
    read_retry_after,
)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://localhost:8080/", "http://LOCALHOST./", "http://2130706433/", "http://0x7f.1/",
     "http://127.1/", "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest/meta-data",
     "http://user@10.0.0.1/", "http://printer.local/", "file:///etc/passwd", "javascript:alert(1)", "ftp://example.org/",
     "http://a:b@example.org/", "http://example.org:25/", "http://metadata.google.internal/",
     "http://", "//example.org/x", "", "http://[bad/", "http://example.org:99999/"],
)  # fmt: skip
def test_what_may_not_be_fetched_is_refused_with_a_reason(url: str) -> None:
    with pytest.raises(RefusedUrl, match=r"."):
        judge_url(url, allow_private=False)


def test_private_hosts_only_where_allowed() -> None:
    assert judge_url("http://127.0.0.1:81/x", allow_private=True).port == 81
    assert judge_url("http://mine/x", allow_private=True).host == "mine"
    for url in ("file:///etc/passwd", "http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://a:b@127.0.0.1/"):
        with pytest.raises(RefusedUrl):
            judge_url(url, allow_private=True)
    assert judge_url("https://example.org/a?b=c", allow_private=False).text == "https://example.org/a?b=c"


@pytest.mark.parametrize("port", sorted(BLOCKED_PORTS - {0}))
def test_ports_of_other_services_are_refused_however_they_are_written(port: int) -> None:
    for text in (f":{port}", f":0{port}", f"%3A{port}", f"%3a{port}/"):
        with pytest.raises(RefusedUrl):
            judge_url(f"http://pub.example{text}/x", allow_private=False)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], None), (["noai"], "noai"), (["NoIndex, nofollow"], "noindex"), (["otherbot: noindex"], None),
        (["relaionet: noimageai"], "noimageai"), (["otherbot: none, Relaionet: noai"], "noai"),
        (["nofollow", "noimageindex"], "noimageindex"), (["unavailable_after: 25 Jun 2010 15:00:00 PST"], None),
        (["relaionet: nofollow, noai"], "noai"), (["otherbot: nofollow, noai"], None), ([",,:, :x"], None),
    ],
)  # fmt: skip
def test_directives_that_forbid(headers: list[str], found: str | None) -> None:
    assert forbidding_directive(headers, "relaionet") == found


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), (" 0 ", 0.0), ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0), ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
     ("soon", None), ("", None), (None, None), ("-3", None), ("9" * 50, 999999999.0)],
)  # fmt: skip
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, now_s=10.0) == seconds


@given(st.text(max_size=40))
def test_any_header_is_read(text: str) -> None:
    forbidding_directive([text], "relaionet")
    assert (read_retry_after(text, 0.0) or 0.0) >= 0


@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    for url in (text, f"http://{text}", f"http://example.org/{text}", f"http://example.org:{text}/"):
        try:
            assert judge_url(url, allow_private=False).text.isascii()
        except RefusedUrl:
            continue


def test_reasons_show_no_secret() -> None:
    error = urllib.error.HTTPError("http://a/", 404, "Not at 'http://me:pa@h/?sig=s'", Message(), None)
    assert explain_failure(error, 5).reason == "HTTP 404 Not at 'http://***@h/?sig=***'"
    assert "pa" not in explain_failure(OSError("x" * 280 + " http://me:paaaaaaaaaaaaaaaaaaaaaaaa@h/"), 5).reason


def http_error(code: int, text: str = "x") -> urllib.error.HTTPError:
    return urllib.error.HTTPError("http://a/", code, text, Message(), None)


# words of reasons that may pass
MAY_COME_BACK = ("HTTP 503", "timed out after 5 s", "connection refused", "connection closed", "truncated")


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (http_error(404, "Not Found"), "gone", "HTTP 404 Not Found"),
        (http_error(403, "Forbidden"), "refused", "HTTP 403"),
        (http_error(503, "Busy"), "gone", "HTTP 503"),
        (http_error(302, "…infinite loop…"), "gone", "redirects without end"),
        (urllib.error.URLError(socket.gaierror(socket.EAI_NONAME, "x")), "gone", "name could not be resolved"),
        (urllib.error.URLError(TimeoutError("timed out")), "slow", "timed out after 5 s"),
        (ConnectionRefusedError(), "gone", "connection refused"),
        (http.client.RemoteDisconnected("x"), "gone", "connection closed"),
        (http.client.IncompleteRead(b"", 12), "broken", "truncated"),
        (http.client.BadStatusLine("x"), "gone", "not HTTP"),
        (ssl.SSLCertVerificationError("x"), "gone", "TLS"),
        (ValueError("unknown url type: 'x'"), "refused", "not a URL"),
        (OSError("something\nelse"), "gone", "something else"),
    ],
)
def test_failures_read_as_status_and_reason(error: Exception, status: str, word: str) -> None:
    failure = explain_failure(error, 5)
    assert failure.status == status
    assert failure.status in DOWNLOADS.statuses
    assert word in failure.reason
    assert failure.may_come_back == (word in MAY_COME_BACK)
    assert "\n" not in failure.reason
