"""How a request is read and answered: counting, faults, byte ranges; and the second server large files are kept on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from tests.fakes.hub.faults import Fault
    from tests.fakes.hub.repos import File
    from tests.fakes.hub.server import Hub, LoopbackServer


class Refused(Exception):
    """A request that gets an error for an answer."""

    def __init__(self, status: int, code: str = "", message: str = "", body: Any = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.body = body if body is not None else {"error": message or code}


class Answering(BaseHTTPRequestHandler):
    """What both servers share: reading a request, counting it, faults, and sending bytes with ranges."""

    server: LoopbackServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    @property
    def hub(self) -> Hub:
        """The Hub that is asked."""
        return self.server.hub

    def log_message(self, *_: object) -> None:
        """Nothing is logged; `hub.asked` counts."""

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _answer(self) -> None:
        self.url = urlsplit(self.path)
        self.segments = [unquote(part) for part in self.url.path.split("/") if part]
        self.query = {key: values[-1] for key, values in parse_qs(self.url.query).items()}
        name = f"{self.command} {unquote(self.url.path)}"
        with self.hub.lock:
            self.hub.asked[name] += 1
        self.body, self.fault = b"".join(self._read_body()), self.hub.faults.take(name)
        try:
            if self.fault is not None and self.fault.kind == "status":
                raise Refused(self.fault.status, message="switched on")
            if self.fault is not None and self.fault.kind == "slow":
                time.sleep(self.fault.seconds)
            self.respond()
        except Refused as refusal:
            told = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.message}
            self.send_json(refusal.body, refusal.status, {key: value for key, value in told.items() if value})

    def respond(self) -> None:
        """Answer the request, or raise Refused."""
        raise NotImplementedError

    def _read_body(self) -> Iterator[bytes]:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send_json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer with JSON."""
        self.send(
            json.dumps(value).encode(),
            status,
            {"Content-Type": "application/json; charset=utf-8"} | dict(headers or {}),
        )

    def send(self, data: bytes, status: int, headers: Mapping[str, str]) -> None:
        """Answer with bytes; a fault that is on changes them."""
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(spoil(data, self.fault))
            if self.fault is not None and self.fault.kind == "cut":
                self.close_connection = True

    def send_file(self, file: File, headers: Mapping[str, str]) -> None:
        """Answer with a file, or the range of it that was asked for."""
        told = {"ETag": f'"{file.etag}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        start, end, asked = 0, file.size, self.headers.get("Range", "")
        if asked.startswith("bytes=") and "," not in asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start = int(first) if first else max(0, file.size - int(last))
            end = min(file.size, int(last) + 1) if first and last else file.size
            if start >= file.size:
                raise Refused(416, message="range not satisfiable")
            told["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
        with self.hub.blobs.path(file.sha256).open("rb") as source:
            source.seek(start)
            data = source.read(end - start) if self.command != "HEAD" else b""
        if self.command == "HEAD":
            self.send_response(200)
            for key, value in (told | dict(headers)).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            return
        self.send(data, 206 if "Content-Range" in told else 200, told | dict(headers))


def spoil(data: bytes, fault: Fault | None) -> bytes:
    """The body as a fault leaves it."""
    if fault is None or not data:
        return data
    if fault.kind == "cut":
        return data[: len(data) // 2]
    if fault.kind == "flip":
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    return data


class CdnHandler(Answering):
    """Large files by sha256: given to whoever has the address, taken on upload; never with the Hub's token."""

    def respond(self) -> None:
        """GET, HEAD and PUT /objects/<sha256>."""
        if self.headers.get("Authorization"):
            raise Refused(400, message="the token was sent to the storage server")
        sha256 = self.segments[-1]
        if self.command == "PUT":
            if self.hub.blobs.add(self.body) != sha256:
                raise Refused(400, message="the bytes are not those announced")
            self.send(b"", 200, {"ETag": f'"{sha256}"'})
        elif not self.hub.blobs.has(sha256):
            raise Refused(403, message="no such object")
        else:
            self.send_file(self.hub.blobs.file("large.bin", sha256), {})
