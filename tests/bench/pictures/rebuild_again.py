"""A second rebuild with everything present, against the first: 1,500 images from a loopback server without delay.

Two figures, each the same thing measured both times. `rebuild_again` is the whole command as a user waits for it, from
its start to its end, Python's own start-up included. `rebuild_again_inside` is what the command calls, in this process:
without Python, and for the first run without the Prefect server its flow starts, so nothing but fetching and judging.
A loopback server is the hardest case: the first run never waits for the web.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import polars as pl
from PIL import Image

from relaionet.manifests.labels import read_labels
from relaionet.manifests.release.release import check_release, make_release
from relaionet.manifests.tables import MANIFEST
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.thumbnail_hash import thumbprint_hex
from relaionet.pipeline.splits.build import build_split
from relaionet.pipeline.splits.plan import SplitConfig
from tests.bench.row import Row

IMAGES_COUNT, DISTINCT, CLASSES = 1500, 60, 100
REPEATS = 3
GOAL = "<=0.05"


def pictures() -> list[tuple[bytes, dict[str, object]]]:
    """Photo-sized pictures; made few times and told apart by a comment, since it is not their drawing that counts."""
    found = []
    for seed in range(DISTINCT):
        grid = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        image = Image.fromarray(grid).resize((640, 480), Image.Resampling.BICUBIC)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=85)
        found.append((out.getvalue(), {"phash": phash_hex(image), "thumbprint": thumbprint_hex(image)}))
    return found


def make_world(folder: Path) -> tuple[Path, dict[str, bytes]]:
    """A release and what its URLs serve: 80 % the same bytes, 10 % re-encoded, 5 % another picture, 5 % nothing."""
    drawn, rows, served = pictures(), [], {}
    for number in range(IMAGES_COUNT):
        data, seen = drawn[number % DISTINCT]
        mine = data[:-2] + b"\xff\xfe\x00\x06" + number.to_bytes(4, "big") + data[-2:]  # a comment segment
        url, label = f"http://pictures.invalid/{number}.jpg", read_labels()[number % CLASSES]
        if number % 20 != 3:
            served[f"/{number}.jpg"] = {5: data, 15: data, 7: drawn[(number + 1) % DISTINCT][0]}.get(number % 20, mine)
        rows.append(
            dict.fromkeys(MANIFEST.columns) | seen
            | {
                "candidate_id": hashlib.sha256(url.encode()).hexdigest(), "url": url, "wnid": label.wnid,
                "class_index": label.class_index, "class_name": label.name, "format": "jpeg",
                "image_sha256": hashlib.sha256(mine).hexdigest(), "bytes_count": len(mine), "width_px": 640,
                "height_px": 480, "votes_count": 1, "yes_count": 1, "selection_frac": 1.0,
                "fetched_at": datetime(2025, 1, 1, tzinfo=UTC),
            }
        )  # fmt: skip
    return make_release(pl.DataFrame(rows, schema=MANIFEST.schema), folder, notes={}), served


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[str]:
    """Address of a proxy that answers for every host."""

    class Answer(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            data = files.get(urlsplit(self.path).path)
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    class Web(ThreadingHTTPServer):
        daemon_threads, request_queue_size = True, 256

    server = Web(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def time_command(release: Path, out: Path, proxy: str) -> float:
    command = [
        sys.executable,
        "-m",
        "relaionet.flows.cli.main",
        "rebuild",
        str(release),
        "--out",
        str(out),
        "--proxy",
        proxy,
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def time_inside(release: Path, out: Path, proxy: str) -> float:
    started = time.perf_counter()
    build_split(check_release(release), SplitConfig(), out, DownloadConfig(proxy=proxy))
    return time.perf_counter() - started


def measure() -> list[Row]:
    """Both figures; the least of three runs each."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        release, served = make_world(folder / "releases")
        with serving(served) as proxy:
            for row, run in (("rebuild_again", time_command), ("rebuild_again_inside", time_inside)):
                outs = [folder / f"{row}-{number}" for number in range(REPEATS)]
                first = min(run(release, out, proxy) for out in outs)
                second = min(run(release, out, proxy) for out in outs)
                rows.append(Row(name=row, ours=second, peer=first, goal=GOAL, unit="s (the first rebuild)"))
    return rows
