"""The web of a synthetic world: a loopback HTTP server and proxy, answering as each row's server would."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json

HOST_NAME = "miniature.invalid"
NAME = re.compile(r"/([0-9a-f]{20})\.jpg")
# at most so long a slow answer drips, and so long the server waits for a silent client
DRIP_S = 30.0
DRIP_STEP_S = 0.25
CLIENT_TIMEOUT_S = 30.0
MAX_PATH_BYTES = 2000
STATUS_ANSWERS = {"404", "410", "403", "500"}


def _content_type(data: bytes) -> str:
    # pages and broken bytes are served as JPEG too: strangers' servers lie
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if data[8:12] == b"WEBP" else "image/jpeg"


@dataclass(frozen=True, kw_only=True)
class Served:
    """A world being served.

    Attributes:
        url: "http://127.0.0.1:PORT"; answers `GET /<name>.jpg`.
        proxy: the same address, for `http_proxy`; answers for http://miniature.invalid, and 502 for other hosts.
        requests: how many requests came so far, by answer (200, 404, slow, …).
    """

    url: str
    proxy: str
    requests: dict[str, int] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, folder: Path, *, later: bool) -> None:
        known = read_json(folder / "answers.json")
        self.answers: dict[str, str] = dict(known["answers"])
        if later:
            self.answers.update(dict.fromkeys(known["gone_later"], "404"))
        self.folders = [folder / "later", folder / "photos"] if later else [folder / "photos"]
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.requests: dict[str, int] = {}
        super().__init__(("127.0.0.1", 0), _Handler)

    def count(self, answer: str) -> None:
        with self.lock:
            self.requests[answer] = self.requests.get(answer, 0) + 1

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = CLIENT_TIMEOUT_S

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    @property
    def _world(self) -> _Server:
        return cast("_Server", self.server)

    def do_GET(self) -> None:
        """Answer one request, to the server itself or, in absolute form, to it as a proxy."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            self._answer()

    do_HEAD = do_GET  # noqa: N815

    def _answer(self) -> None:
        try:
            target = urlsplit(self.path)
            host = target.hostname
        except ValueError:
            return self._say("400", b"this is no address")
        if target.scheme and host != HOST_NAME:
            return self._say("502", b"the name of this host could not be resolved")
        if len(self.path) > MAX_PATH_BYTES:
            return self._say("414", b"the address is too long")
        match = NAME.fullmatch(target.path)
        name = match[1] if match else ""
        answer = self._world.answers.get(name, "200")
        if answer in STATUS_ANSWERS:
            return self._say(answer, b"no picture here")
        path = next((path for folder in self._world.folders if name and (path := folder / name).is_file()), None)
        if path is None:
            return self._say("404", b"no picture here")
        return self._send(path.read_bytes(), answer)

    def _head(self, status: str, kind: str, length: int) -> None:
        self.send_response(int(status))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _say(self, status: str, text: bytes) -> None:
        self._world.count(status)
        self._head(status, "text/plain", len(text))
        if self.command != "HEAD":
            self.wfile.write(text)

    def _send(self, data: bytes, answer: str) -> None:
        self._world.count(answer)
        self._head("200", _content_type(data), len(data))
        if self.command == "HEAD":
            return
        if answer == "200":
            self.wfile.write(data)
            return
        self.close_connection = True
        if answer == "cut":
            self.wfile.write(data[: len(data) // 2])
            return
        for place in range(min(len(data), int(DRIP_S / DRIP_STEP_S))):
            self.wfile.write(data[place : place + 1])
            self.wfile.flush()
            if self._world.closing.wait(DRIP_STEP_S):
                return


@contextlib.contextmanager
def serve_world(folder: Path, *, later: bool = False) -> Iterator[Served]:
    """Serve a synthetic world on a free loopback port until the block is left.

    Args:
        folder: made by `make_world`.
        later: the second epoch: some pictures re-encoded, some replaced, some gone.

    Yields:
        Where it is served.

    Raises:
        BadInput: the folder holds no synthetic world.
    """
    if not (folder / "world.json").is_file():
        raise BadInput(f"{folder} holds no synthetic world; make one with make_world.")
    server = _Server(folder, later=later)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield Served(url=url, proxy=url, requests=server.requests)
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
