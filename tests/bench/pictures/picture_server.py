"""A static server for benchmarks: pictures made on the spot, held in memory, served by processes that share a port."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

PICTURES_COUNT, PROCESSES_COUNT = 200, 2


def make_pictures() -> list[bytes]:
    """Smooth random pictures with some grain, 20 to 60 kB as JPEG, in sizes usual on the web."""
    pictures = []
    for seed in range(PICTURES_COUNT):
        rng = np.random.default_rng(seed)
        size = (int(rng.integers(400, 560)), int(rng.integers(300, 460)))
        smooth = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        grain = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
        out = io.BytesIO()
        Image.blend(smooth, grain, 0.06).save(out, "JPEG", quality=85)
        pictures.append(out.getvalue())
    return pictures


class _Answers(asyncio.Protocol):
    def __init__(self, answers: list[bytes], delay_s: float) -> None:
        self._answers, self._delay_s, self._asked = answers, delay_s, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._asked += data
        if b"\r\n\r\n" not in self._asked:
            return
        number = int(self._asked.split(b" ", 2)[1].rpartition(b"/")[2].partition(b".")[0])
        answer = self._answers[number % len(self._answers)]
        asyncio.get_running_loop().call_later(self._delay_s, self._send, answer)

    def _send(self, answer: bytes) -> None:
        self._transport.write(answer)  # type: ignore[attr-defined]
        self._transport.close()


async def _serve(sock: socket.socket, answers: list[bytes], delay_s: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Answers(answers, delay_s), sock=sock, backlog=512)
    async with server:
        await server.serve_forever()


def _main(port: int, delay_s: float) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    answers = [head % len(data) + data for data in make_pictures()]
    for _ in range(PROCESSES_COUNT - 1):
        if os.fork() == 0:
            break
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    asyncio.run(_serve(sock, answers, delay_s))


@contextmanager
def serve_pictures(delay_s: float = 0.0) -> Iterator[str]:
    """Serve `/<number>.jpg` for any number while the block lasts, each answer after a delay; gives the address."""
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.bench.pictures.picture_server", str(port), str(delay_s)]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    _main(int(sys.argv[1]), float(sys.argv[2]))
