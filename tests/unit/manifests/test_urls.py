from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.urls import hide_secrets, holds_secret, show_url

SHOWN = {
    "http://me:SECRET@h.example/x": "http://***@h.example/x",
    "http://me:SE/CRET@h.example/x": "http://***@h.example/x",
    "http://me:SE?CRET@h.example/x": "http://***@h.example/x",
    "http://me:SE#CRET@h.example/x": "http://***@h.example/x",
    "http://me:#SECRET@h.example/x": "http://***@h.example/x",
    "http://me:SE@CRET@h.example/x": "http://***@h.example/x",
    "http:\\\\me:SECRET@h.example/": "http:\\\\***@h.example/",
    "HTTPS://SECRET@h.example": "HTTPS://***@h.example",
    "//me:SECRET@h.example/x": "//***@h.example/x",
    "me:SECRET@h.example:3128": "***@h.example:3128",
    "socks5h://me:SECRET@h.example:1": "socks5h://***@h.example:1",
    "s3://KEY:SECRET@bucket/x": "s3://***@bucket/x",
    "http://me:SECRET": "http://me:***",
    "https://h/?X-Amz-Signature=SECRET&X-Amz-Credential=SECRET%2F1&w=100":
        "https://h/?X-Amz-Signature=***&X-Amz-Credential=***&w=100",
    "https://h/?X-Goog-Signature=SECRET": "https://h/?X-Goog-Signature=***",
    "https://h/?sv=1&se=2&sig=SECRET": "https://h/?sv=1&se=2&sig=***",
    "https://h/?Expires=1&Signature=SECRET&Key-Pair-Id=SECRET&Policy=SECRET":
        "https://h/?Expires=1&Signature=***&Key-Pair-Id=***&Policy=***",
    "https://h/?OSSAccessKeyId=SECRET&AWSAccessKeyId=SECRET": "https://h/?OSSAccessKeyId=***&AWSAccessKeyId=***",
    "https://h/?%73ig=SECRET": "https://h/?%73ig=***",
    "https://h/?a=1;token=SECRET;b=2": "https://h/?a=1;token=***;b=2",
    "https://h/#access_token=SECRET": "https://h/#access_token=***",
    "https://h/?api_key=SECRET&apikey=SECRET&client_secret=SECRET&PASSWORD=SECRET":
        "https://h/?api_key=***&apikey=***&client_secret=***&PASSWORD=***",
    "https://h/?url=http%3A%2F%2Fme%3ASECRET%40h%2F": "https://h/?url=***",
    "https://h/?url=http%253A%252F%252Fh%252F%253Ftoken%253DSECRET": "https://h/?url=***",
}  # fmt: skip
PLAIN = [
    "http://h.example/photos/123@N00/1.jpg", "http://h.example:80/a:b@c", "https://h/@me/x", "http://[::1]:80/@x",
    "https://h/?w=100&keyword=x&author=me&design=2&assign=1", "C:\\x@y", "C:/x@y", "/home/me@x/y",
    "no url: a=b; token=x", "data@v2/x.parquet", "http://h:/x",
    "", "http://host:port", "ray://host:port", "http(s)://host[:port][/path]", "file:///tmp/x", "https://h/?token=",
]  # fmt: skip


@pytest.mark.parametrize("url", SHOWN)
def test_secrets_are_hidden(url: str) -> None:
    assert show_url(url) == SHOWN[url]
    assert holds_secret(url)
    assert show_url(SHOWN[url]) == SHOWN[url]


@pytest.mark.parametrize("url", PLAIN)
def test_what_is_no_secret_stays(url: str) -> None:
    assert show_url(url) == hide_secrets(url) == url
    assert not holds_secret(url)


@pytest.mark.parametrize("url", [url for url in SHOWN if "://" in url and " " not in url])
@pytest.mark.parametrize(
    "frame", ["{}", "proxy '{}' fails.", "at {}, sorry", "({}) and <{}>", 'see "{}"; or {}', "x={}"]
)
def test_urls_in_text(url: str, frame: str) -> None:
    text = frame.replace("{}", url)
    assert hide_secrets(text) == frame.replace("{}", SHOWN[url])
    for kind in (BadInput, Unavailable):
        assert "SECRET" not in str(kind(text)) + repr(kind(text))
        assert str(pickle.loads(pickle.dumps(kind(text)))) == str(kind(text))


NAME, LETTERS = st.sampled_from(["me", "me:", "", "a.b"]), st.text("abcXYZ019-._~!$&'()*+,;=%", max_size=8)


@given(NAME, LETTERS, LETTERS)
def test_no_password_is_ever_shown(name: str, before: str, path: str) -> None:
    url = f"https://{name}{before}SECRET@h.example/{path}"
    assert "SECRET" not in show_url(url)
    assert show_url(url).endswith(f"@h.example/{path}") or "***" in show_url(url)


@given(st.text(max_size=80))
def test_any_text_can_be_shown(text: str) -> None:
    for one in (text, f"http://{text}", f"http://h/?{text}"):
        assert show_url(show_url(one)) == show_url(one)
        hide_secrets(one)
