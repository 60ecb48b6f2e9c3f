"""The real photos on a loopback server that plays the web, as a proxy for http://photos.invalid."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

REAL = (Path(__file__).resolve().parents[3] / "shared" / "real").resolve()
ENCODER = f"{REAL / 'encoder' / 'conse.py'}:ConseEncoder"


class Photos(BaseHTTPRequestHandler):
    """Answers requests for http://photos.invalid/<file>, sent to it as a proxy, from the folder of the photos."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        file = (REAL / "photos" / url.path.lstrip("/")).resolve()
        if url.hostname != "photos.invalid" or not file.is_relative_to(REAL / "photos") or not file.is_file():
            self.send_error(404)
            return
        data = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serve_photos() -> Iterator[str]:
    """Address of the proxy, while inside."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Photos)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def encode_again(file: Path, number: int) -> tuple[bytes, str]:
    """A photo as a set of images keeps it: another quality, size or format; its bytes and their ending."""
    with Image.open(file) as image:
        shown = image.convert("RGB")
    sizes = ((299, 299), (256, 256), (240, 240), (224, 224))
    shown = shown.resize(sizes[number % len(sizes)], Image.Resampling.BICUBIC)
    form, ending, options = (
        ("JPEG", "jpg", {"quality": 70 + number % 25}),
        ("PNG", "png", {}),
        ("WEBP", "webp", {"quality": 80}),
    )[number % 3]
    data = BytesIO()
    shown.save(data, form, **options)
    return data.getvalue(), ending
