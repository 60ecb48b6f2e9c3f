"""Passwords, tokens and signatures in URLs: nothing that is printed, logged or written shows one."""

from __future__ import annotations

import hashlib
import logging
import socket
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from relaionet.annotations.label_studio.client import connect_studio
from relaionet.manifests.errors import BadInput, ReLAIONetError, Unavailable
from relaionet.manifests.urls import hide_secrets
from relaionet.pipeline.downloads.fetch import DownloadConfig, fetch_images
from relaionet.pipeline.neighbours.service import RetrievalService
from tests.attempts.addresses.fetched import NAMES, serving
from tests.attempts.attempt import Attempt
from tests.fakes.web.network import stub_network

SECRET = "hush4711"
KIND = "Secrets in URLs"
# each in a text, as an error of a library may hold it
TEXTS = {
    "password": f"http://me:{SECRET}@h.test/x", "user name alone": f"https://{SECRET}@h.test",
    "slash in a password": f"http://me:a/{SECRET}@h.test/",
    "question mark in a password": f"http://me:a?{SECRET}@h.test/",
    "at sign in a password": f"http://me:@{SECRET}@h.test/", "hash in a password": f"http://me:#{SECRET}@h.test/",
    "cut off": f"http://me:{SECRET}", "backslashes": f"http:\\\\me:{SECRET}@h.test\\x",
    "proxy": f"socks5h://me:{SECRET}@p.test:1080", "bucket": f"s3://key:{SECRET}@bucket/x",
    "S3": f"https://b.test/k?X-Amz-Date=1&X-Amz-Signature={SECRET}",
    "S3 session": f"https://b.test/k?X-Amz-Security-Token={SECRET}",
    "S3, old": f"https://b.test/k?AWSAccessKeyId=1&Signature={SECRET}",
    "Google": f"https://b.test/k?X-Goog-Signature={SECRET}", "Azure": f"https://b.test/k?sv=1&sig={SECRET}&se=2",
    "CloudFront": f"https://b.test/k?Policy={SECRET}&Key-Pair-Id={SECRET}",
    "Alibaba": f"https://b.test/k?OSSAccessKeyId={SECRET}", "Akamai": f"https://b.test/k?hdnts=exp=1~hmac={SECRET}",
    "token": f"https://b.test/k?token={SECRET}", "encoded name": f"https://b.test/k?%74oken={SECRET}",
    "semicolons": f"https://b.test/k?a=1;access_token={SECRET};b=2", "fragment": f"https://b.test/k#id_token={SECRET}",
    "API key": f"https://b.test/k?api_key={SECRET}", "key": f"https://b.test/k?key={SECRET}",
    "one URL in another": f"https://b.test/?next=https%3A%2F%2Fme%3A{SECRET}%40h.test",
    "encoded twice": f"https://b.test/?next=https%253A%252F%252Fh.test%252F%253Fsig%253D{SECRET}",
}  # fmt: skip


def in_text(url: str) -> Callable[[Path], str]:
    """Errors of all kinds, and text that is cleaned, show the URL without what is secret in it."""

    def run(_folder: Path) -> str:
        texts = [f"at {url} nothing answers", f"'{url}': no.", f"({url}), sorry", f"{url}\nand more"]
        for text in texts:
            for shown in (hide_secrets(text), str(BadInput(text)), repr(Unavailable(text))):
                assert SECRET not in shown
                assert "***" in shown
        return "shown with *** in its place"

    return run


@cache
def _fetched() -> tuple[pl.DataFrame, bool]:
    """Rows with secrets and a proxy with a password, fetched; the table, and whether a file shows one."""
    urls = [f"http://me:{SECRET}@pub.test/x", "http://pub.test/hop/0", "http://pub.test/hop/1"]
    targets = [f"http://pub.test/y.jpg?X-Amz-Signature={SECRET}&w=1", f"http://me:{SECRET}@pub.test/x"]
    ids = [hashlib.sha256(url.encode()).hexdigest() for url in urls]
    with (
        tempfile.TemporaryDirectory() as temporary,
        serving(targets) as server,
        stub_network(Path(temporary) / "stub", NAMES, server.server_address[1]),
    ):
        folder = Path(temporary)
        config = DownloadConfig(retries=0, proxy=f"http://me:{SECRET}@127.0.0.1:{server.server_address[1]}")
        table = fetch_images(pl.DataFrame({"candidate_id": ids, "url": urls}), config, folder / "images")
        shown = any(SECRET.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return table, shown


def of_row(number: int, status: str, told: str) -> Callable[[Path], str]:
    """Neither the table, but for the row's own URL, nor any file shows it."""

    def run(_folder: Path) -> str:
        table, shown = _fetched()
        row = table.drop("url").row(number, named=True)
        assert not shown
        assert SECRET not in str(row)
        assert row["status"] == status
        assert told in f"{row['reason']} {row['final_url']}"
        return f"{row['status']}: {told}"

    return run


def in_errors(act: Callable[[], object]) -> Callable[[Path], str]:
    """The error does not show it, nor its cause, nor what was logged."""

    def run(_folder: Path) -> str:
        lines: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger().addHandler(handler)
        try:
            with pytest.raises(ReLAIONetError) as caught:
                act()
        finally:
            logging.getLogger().removeHandler(handler)
        assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r} {lines}"
        return "refused; the error does not show it"

    return run


def _fetch_through(proxy: str) -> None:
    ids = [hashlib.sha256(b"x").hexdigest()]
    fetch_images(pl.DataFrame({"candidate_id": ids, "url": ["http://pub.test/x"]}), DownloadConfig(proxy=proxy), Path())


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


ERRORS: dict[str, Callable[[], object]] = {
    "a proxy that does not answer": lambda: _fetch_through(f"http://me:{SECRET}@127.0.0.1:{_closed_port()}"),
    "a proxy that is none": lambda: _fetch_through(f"ftp://me:{SECRET}@127.0.0.1:1"),
    "a proxy with a slash in its password": lambda: _fetch_through(f"http://me:a/{SECRET}@127.0.0.1:{_closed_port()}"),
    "a proxy without a scheme": lambda: _fetch_through(f"me:{SECRET}@127.0.0.1:{_closed_port()}"),
    "Label Studio's address": lambda: connect_studio(f"http://me:{SECRET}@127.0.0.1:9", "k"),
    "Label Studio's address with a token": lambda: connect_studio(f"http://127.0.0.1:9/?token={SECRET}", "k"),
    "clip-retrieval's address": lambda: RetrievalService(url=f"http://me:{SECRET}@127.0.0.1:9"),
}
ATTEMPTS = [
    *(
        Attempt(name=name, kind=KIND, input_shown=url, expected="errors and other text hide it", run=in_text(url))
        for name, url in TEXTS.items()
    ),
    *(
        Attempt(
            name=name, kind=KIND, input_shown=shown, expected="on no file, in no column but the row's own url",
            run=of_row(number, status, told),
        )
        for number, (name, shown, status, told) in enumerate([
            ("a row's password", f"http://me:{SECRET}@pub.test/x", "refused", "the URL holds a user name or password"),
            ("a redirect to a signed URL, through a proxy with a password", f"Location: …?X-Amz-Signature={SECRET}",
             "ok", "http://pub.test/y.jpg?X-Amz-Signature=***&w=1"),
            ("a redirect to a URL with a password", f"Location: http://me:{SECRET}@…", "refused",
             "redirected to where the URL holds a user name or password"),
        ])
    ),
    *(
        Attempt(name=name, kind=KIND, input_shown=SECRET, expected="refused; the error does not show it",
                run=in_errors(act))
        for name, act in ERRORS.items()
    ),
]  # fmt: skip
