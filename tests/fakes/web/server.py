"""A loopback server that answers as a proxy for every host of a list, byte by byte as each fault wants it."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

Answer = Callable[[socket.socket, str], None]
LONGEST_S = 12.0


def reply(
    sock: socket.socket, body: bytes, *headers: str, code: str = "200 OK", length: int | None = None,
    kind: str = "image/jpeg",
) -> None:  # fmt: skip
    """Send one whole answer; `length` may be a lie, -1 leaves it out."""
    lines = [f"HTTP/1.1 {code}", f"Content-Type: {kind}", "Connection: close", *headers]
    if length != -1:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def drip(sock: socket.socket, piece: bytes, every_s: float = 0.1) -> None:
    """Send a piece again and again, far longer than anyone should wait."""
    end = time.monotonic() + LONGEST_S
    while time.monotonic() < end:
        sock.sendall(piece)
        time.sleep(every_s)


class _Handler(socketserver.BaseRequestHandler):
    server: FaultProxy

    def handle(self) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            data = self.request.recv(65536)
            if not data:
                return
            asked += data
        method, target = asked.split(b" ", 2)[:2]
        host = target.decode().partition(":")[0] if method == b"CONNECT" else urlsplit(target.decode()).hostname or ""
        self.server.asked[host] += 1
        self.server.agents.update(line[12:].decode() for line in asked.split(b"\r\n") if line[:12] == b"User-Agent: ")
        answer = self.server.answers.get(host)
        try:
            if method == b"CONNECT":
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self.request.recv(65536)  # the client's part of the handshake
            if answer is None:
                reply(self.request, b"", code="502 Bad Gateway")
            else:
                answer(self.request, target.decode())
        except OSError:  # the client had enough
            return


class FaultProxy(socketserver.ThreadingTCPServer):
    """Answers by host.

    Args:
        answers: host -> what it does; other hosts are a bad gateway.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.answers = answers
        self.asked: Counter[str] = Counter()
        self.agents: set[str] = set()


@contextmanager
def serve_faults(answers: Mapping[str, Answer]) -> Iterator[FaultProxy]:
    """Serve while the block lasts."""
    server = FaultProxy(answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
