"""An archive of the web on loopback that speaks the Internet Archive's protocol, and the web it is an archive of."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ARCHIVE = "http://archive.invalid"
HEAD = ["timestamp", "original", "mimetype", "statuscode", "digest"]


@dataclass(frozen=True)
class Kept:
    """One snapshot: when it was taken (14 digits) and what was served then."""

    timestamp: str
    data: bytes
    code: str = "200"
    kind: str = "image/jpeg"
    headers: tuple[tuple[str, str], ...] = ()


class ArchivedWeb(ThreadingHTTPServer):
    """A proxy that answers for every host: the live web by path, and `archive.invalid` as an archive of it."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.live: dict[str, bytes] = {}
        self.live_headers: dict[str, dict[str, str]] = {}
        self.kept: dict[str, list[Kept]] = {}
        self.lists: dict[str, bytes] = {}  # whatever is to be answered in place of the right list
        self.busy: Counter[str] = Counter()  # how often an address is still answered with 429 or 503
        self.busy_code, self.busy_headers = 429, {"Retry-After": "1"}
        self.asked: Counter[str] = Counter()
        self.queries: list[dict[str, list[str]]] = []

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that leave early are part of the tests


class Answer(BaseHTTPRequestHandler):
    server: ArchivedWeb
    protocol_version = "HTTP/1.0"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.hostname == "archive.invalid":
            self.answer_archive(parts.path, parts.query)
            return
        address = f"{parts.scheme}://{parts.netloc}{unquote(parts.path)}"
        self.server.asked[address] += 1
        if address in self.server.live:
            self.reply(self.server.live[address], "image/jpeg", self.server.live_headers.get(address, {}))
        else:
            self.send_error(404)

    def answer_archive(self, path: str, query: str) -> None:
        if path == "/cdx/search/cdx":
            asked = parse_qs(query)
            address = asked["url"][0]
            self.server.asked[f"list {address}"] += 1
            self.server.queries.append(asked)
            if not self.is_busy(f"list {address}"):
                self.reply(self.list_of(address, asked), "application/json")
            return
        match = re.fullmatch(r"/web/(\d{14})id_/(https?://.*)", unquote(path))
        kept = self.server.kept.get(match[2], []) if match else []
        found = next((one for one in kept if match and one.timestamp == match[1]), None)
        name = f"{match[1]} {match[2]}" if match else path
        self.server.asked[name] += 1
        if self.is_busy(name):
            return
        if found is None:
            self.send_error(404)
        else:
            self.reply(found.data, found.kind, dict(found.headers))

    def list_of(self, address: str, asked: dict[str, list[str]]) -> bytes:
        """As the CDX server answers: `fl`, `filter`, `closest`, `sort`, `limit`, `output=json`."""
        if address in self.server.lists:
            return self.server.lists[address]
        assert asked["output"] == ["json"]
        kept = sorted(self.server.kept.get(address, []), key=lambda one: one.timestamp)
        for rule in asked.get("filter", []):
            column, _, value = rule.partition(":")
            assert column == "statuscode"
            kept = [one for one in kept if one.code == value]
        if asked.get("sort") == ["closest"]:
            kept.sort(key=lambda one: abs(int(one.timestamp) - int(asked["closest"][0])))
        fields = asked["fl"][0].split(",")
        lines = [
            dict(zip(HEAD, [one.timestamp, address, one.kind, one.code, f"SHA1{hash(one.data):x}"], strict=True))
            for one in kept[: int(asked["limit"][0])]
        ]
        told = [fields, *([line[name] for name in fields] for line in lines)] if lines else []
        return json.dumps(told).encode()

    def is_busy(self, name: str) -> bool:
        if self.server.busy[name] <= 0:
            return False
        self.server.busy[name] -= 1
        self.send_response(self.server.busy_code)
        for key, value in self.server.busy_headers.items():
            self.send_header(key, value)
        self.end_headers()
        return True

    def reply(self, data: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def running_archive() -> Iterator[ArchivedWeb]:
    """An archive that answers while the block lasts."""
    server = ArchivedWeb()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
