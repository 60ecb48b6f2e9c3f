"""One fetch of every hostile row by the real downloader, in a network of ours; what each attempt looks at."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.pipeline.downloads.fetch import DownloadConfig, fetch_images
from tests.fakes.web.network import PUBLIC, stub_network
from tests.fakes.web.pictures import jpeg

INSIDE = {
    "inside.test": "127.0.0.1", "ten.test": "10.0.0.7", "metadata.test": "169.254.169.254",
    "wire.test": "168.63.129.16", "oracle.test": "192.0.0.192", "alibaba.test": "100.100.100.200", "six.test": "::1",
    "mapped.test": "::ffff:10.0.0.1", "nat64.test": "64:ff9b::a00:1", "sixtofour.test": "2002:7f00:1::1",
    "teredo.test": "2001:0:5ef5:79fb::1", "local.test": "fe80::1", "unique.test": "fd00:ec2::254",
    "google.test": "fd20:ce::254", "doc.test": "3fff::1", "srv6.test": "5f00::1", "shared.test": "100.64.0.1",
    "bench.test": "198.18.0.1", "zero.test": "0.0.0.0", "many.test": "224.0.0.1", "reserved.test": "240.0.0.1",
    "protocol.test": "192.0.0.8", "relay.test": "192.88.99.1",
}  # fmt: skip
NAMES = {
    "pub.test": [[PUBLIC]], "xn--pb-xka.test": [[PUBLIC]], "both.test": [[PUBLIC, "127.0.0.1"]],
    "rebind.test": [[PUBLIC], ["127.0.0.1"]], "turned.test": [["127.0.0.1"], [PUBLIC]],
    **{name: [[address]] for name, address in INSIDE.items()},
}  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, targets: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.targets = targets
        self.asked: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that leave early are no matter


class _Handler(BaseHTTPRequestHandler):
    """`/hop/N` moves to the Nth target; everything else is a picture, also for a proxy's clients."""

    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)
        self.send_error(502)

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        _, hop, number = self.path.rpartition("/hop/")
        self.send_response(302 if hop else 200)
        if hop:
            self.wfile.write(self._headers_buffer.pop(0))  # type: ignore[attr-defined]
            self.wfile.write(b"Location: " + self.server.targets[int(number)].encode() + b"\r\n")
        self.send_header("Content-Type", "image/jpeg")
        body = b"" if hop else jpeg()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(targets: Sequence[str]) -> Iterator[_Server]:
    """A server that redirects `/hop/N` to the Nth target, while the block lasts."""
    with _Server(targets) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@dataclass(frozen=True)
class Fetched:
    """What became of rows.

    Attributes:
        rows: URL -> its row of DOWNLOADS.
        redirects: target -> the row of the URL that redirects to it.
        reached: everything that was connected to, (address, port).
        asked: what the proxy or server was asked for.
    """

    rows: dict[str, dict[str, Any]]
    redirects: dict[str, dict[str, Any]]
    reached: list[tuple[str, int]]
    asked: list[str]


def _fetch(urls: Sequence[str], targets: Sequence[str], *, by_proxy: bool) -> Fetched:
    asked = [*urls, *(f"http://pub.test/hop/{number}" for number in range(len(targets)))]
    ids = [hashlib.sha256(f"{number} {url}".encode()).hexdigest() for number, url in enumerate(asked)]
    folder = Path(tempfile.mkdtemp(prefix="relaionet-addresses-"))
    try:
        with serving(targets) as server, stub_network(folder / "stub", NAMES, server.server_address[1]) as network:
            config = DownloadConfig(
                proxy=f"http://127.0.0.1:{server.server_address[1]}" if by_proxy else None, retries=0, host_failures=999
            )
            table = fetch_images(pl.DataFrame({"candidate_id": ids, "url": asked}), config, folder / "images")
            rows = table.rows(named=True)
            redirects = dict(zip(targets, rows[len(urls) :], strict=True))
            return Fetched(dict(zip(urls, rows, strict=False)), redirects, network.connections(), server.asked)
    finally:
        shutil.rmtree(folder)


@cache
def fetched_directly(urls: tuple[str, ...], targets: tuple[str, ...]) -> Fetched:
    """Rows fetched without a proxy, and rows that a public server redirects to `targets`."""
    return _fetch(("http://pub.test/control.jpg", *urls), targets, by_proxy=False)


@cache
def fetched_by_proxy(urls: tuple[str, ...], targets: tuple[str, ...]) -> Fetched:
    """The same, through a proxy that resolves names itself."""
    return _fetch(("http://pub.test/control.jpg", *urls), targets, by_proxy=True)
