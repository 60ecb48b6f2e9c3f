"""A loopback server of pictures and faults, answering plain requests and those sent through it as a proxy."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image


def picture(seed: int, format: str = "JPEG", size: tuple[int, int] = (96, 64), **save: object) -> bytes:
    """A smooth random picture, encoded."""
    grid = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC).save(out, format=format, **save)
    return out.getvalue()


class FaultServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.files: dict[str, bytes] = {}
        self.codes: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.agents: set[str] = set()

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that leave early are part of the tests


class Handler(BaseHTTPRequestHandler):
    server: FaultServer
    protocol_version = "HTTP/1.0"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        name = unquote(parts.path)
        self.server.asked[name] += 1
        self.server.agents.add(self.headers.get("User-Agent", ""))
        if parts.hostname and parts.hostname.startswith("dead"):
            self.send_error(502)
            return
        if name in self.server.codes:
            self.send_error(self.server.codes[name])
            return
        fault = name.strip("/").split("/")[0]
        handler = getattr(self, f"fault_{fault}", None)
        if handler is not None:
            handler(name)
        elif name in self.server.files:
            self.reply(self.server.files[name], "image/jpeg")
        else:
            self.send_error(404)

    def reply(self, data: bytes, kind: str, headers: dict[str, str] | None = None, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    def fault_code(self, name: str) -> None:
        self.send_error(int(name.split("/")[2].split(".")[0]))

    def fault_html(self, _: str) -> None:
        self.reply(b"<!DOCTYPE html><html>gone</html>", "text/html")

    def fault_liar(self, _: str) -> None:
        self.reply(b"<!DOCTYPE html><html>gone</html>", "image/jpeg")

    def fault_noise(self, _: str) -> None:
        self.reply(bytes(range(256)) * 4, "image/jpeg")

    def fault_empty(self, _: str) -> None:
        self.reply(b"", "image/jpeg")

    def fault_short(self, _: str) -> None:
        data = picture(1)
        self.reply(data[: len(data) // 2], "image/jpeg", length=len(data))

    def fault_cut(self, _: str) -> None:
        data = picture(1, size=(400, 300))
        self.reply(data[: len(data) // 2], "image/jpeg")

    def fault_noai(self, _: str) -> None:
        self.reply(picture(2), "image/jpeg", {"X-Robots-Tag": "noai"})

    def fault_big(self, _: str) -> None:
        self.reply(b"\xff" * 3_000_000, "image/jpeg")

    def fault_bomb(self, _: str) -> None:
        out = io.BytesIO()
        Image.new("L", (3000, 3000)).save(out, "PNG")
        self.reply(out.getvalue(), "image/png")

    def fault_flaky(self, name: str) -> None:
        if self.server.asked[name] == 1:
            self.send_error(503)
        else:
            self.reply(picture(3), "image/jpeg")

    def fault_hop(self, name: str) -> None:
        self.send_response(302)
        self.send_header("Location", name.split("/", 2)[2].replace("~", "/"))
        self.end_headers()

    def fault_loop(self, name: str) -> None:
        self.send_response(302)
        self.send_header("Location", f"{name}x")
        self.end_headers()

    def fault_drip(self, _: str) -> None:
        self.send_response(200)
        self.end_headers()
        self._drip(b"\xff")

    def fault_dripheaders(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
        self._drip(b"a")

    def _drip(self, byte: bytes) -> None:
        end = time.monotonic() + 8
        try:
            while time.monotonic() < end:
                self.wfile.write(byte)
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:
            return


@contextmanager
def running_server() -> Iterator[FaultServer]:
    """A server that answers while the block lasts."""
    server = FaultServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    with running_server() as server:
        yield server
