"""A rebuild that is killed again and again ends like one that was left alone."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import polars as pl
import pytest
from PIL import Image

from relaionet.manifests.labels import read_labels
from relaionet.manifests.release.release import make_release
from relaionet.manifests.tables import MANIFEST
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.thumbnail_hash import thumbprint_hex
from tests.depth import deep

IMAGES_COUNT, THREADS, KILLS, SEED, DELAY_S = 60, 2, deep(20), 7, 0.02
TOLD_ALIKE = ("verdicts", "classes", "reasons", "digest", "kept_count", "coverage_frac", "policy", "release_digest")

# what `relaionet rebuild` does, without a Prefect server per run, which would make up most of the time
RUN = """
import sys
from pathlib import Path
from relaionet.manifests.release.release import check_release
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.splits.plan import SplitConfig
from relaionet.pipeline.splits.build import build_split
release, proxy = sys.argv[1:]
checked = check_release(Path(release))
print("ready", flush=True)
out = input()
with hold_folder(Path(out)):
    download = DownloadConfig(proxy=proxy, threads=THREADS, retries=0)
    build_split(checked, SplitConfig(rows_per_shard=30), Path(out), download)
""".replace("THREADS", str(THREADS))


class Web(ThreadingHTTPServer):
    """Pictures a little late, so that there is something to interrupt."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.files: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that are killed


class Answer(BaseHTTPRequestHandler):
    server: Web

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        name = urlsplit(self.path).path
        self.server.asked[name] += 1
        time.sleep(DELAY_S)
        data = self.server.files.get(name)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def picture(seed: int, **save: int) -> bytes:
    grid = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(grid).resize((96, 72), Image.Resampling.BICUBIC).save(out, "JPEG", **save)
    return out.getvalue()


def served(number: int, data: bytes) -> bytes | None:
    """Months later: some re-encoded, some replaced, some gone."""
    changes = {1: picture(number, quality=40), 2: picture(number + 10_000), 3: None}
    return changes.get(number % 10, data)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Path]]:
    server, rows = Web(), []
    for number in range(IMAGES_COUNT):
        url, label, data = f"http://pictures.invalid/{number}.jpg", read_labels()[number % 7 * 9], picture(number)
        now = served(number, data)
        if now is not None:
            server.files[f"/{number}.jpg"] = now
        with Image.open(io.BytesIO(data)) as image:
            seen = {"phash": phash_hex(image), "thumbprint": thumbprint_hex(image)}
        rows.append(
            dict.fromkeys(MANIFEST.columns) | seen
            | {
                "candidate_id": hashlib.sha256(url.encode()).hexdigest(), "url": url, "wnid": label.wnid,
                "class_index": label.class_index, "class_name": label.name, "format": "jpeg",
                "image_sha256": hashlib.sha256(data).hexdigest(), "bytes_count": len(data), "width_px": 96,
                "height_px": 72, "votes_count": 1, "yes_count": 1, "selection_frac": 1.0,
                "fetched_at": datetime(2025, 1, 1, tzinfo=UTC),
            }
        )  # fmt: skip
    manifest = pl.DataFrame(rows, schema=MANIFEST.schema)
    release = make_release(manifest, tmp_path_factory.mktemp("releases"), notes={})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, release
    server.shutdown()
    server.server_close()


class Starter:
    """Starts runs; the next one's interpreter gets ready while this one is at work."""

    def __init__(self, web: Web, release: Path) -> None:
        self.command = [sys.executable, "-c", RUN, str(release), web.url]
        self.ahead = self._make()

    def _make(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)

    def start(self, out: Path) -> subprocess.Popen[bytes]:
        process, self.ahead = self.ahead, self._make()
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.stdin.write(f"{out}\n".encode())
        process.stdin.flush()
        return process

    def run_to_end(self, out: Path) -> float:
        process, started = self.start(out), time.monotonic()
        assert finish(process) == 0
        return time.monotonic() - started

    def close(self) -> None:
        self.ahead.kill()
        finish(self.ahead)


def finish(process: subprocess.Popen[bytes]) -> int:
    code = process.wait(120)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    return code


def result(out: Path) -> dict[str, object]:
    """All that a rebuild is to give, but for the times at which it was made."""
    told = json.loads((out / "split.json").read_text())
    found: dict[str, object] = {key: told[key] for key in TOLD_ALIKE}
    for folder in ("images", "aside"):
        for path in (out / folder).rglob("*"):
            if path.is_file():
                found[str(path.relative_to(out))] = hashlib.sha256(path.read_bytes()).hexdigest()
    found["split"] = hashlib.sha256((out / "split" / "all.parquet").read_bytes()).hexdigest()
    return found


def check_rows(out: Path, release: Path) -> None:
    table = pl.read_parquet(out / "split" / "all.parquet")
    assert table["candidate_id"].equals(pl.read_parquet(release / "manifest.parquet")["candidate_id"])
    fetched = pl.concat([pl.read_parquet(path) for path in (out / "downloads").glob("*.parquet")])
    assert fetched.height == IMAGES_COUNT
    assert fetched["candidate_id"].n_unique() == IMAGES_COUNT
    assert not (out / ".fetched").exists()


@pytest.fixture
def starter(web: tuple[Web, Path]) -> Iterator[Starter]:
    made = Starter(*web)
    yield made
    made.close()


def test_killed_at_twenty_random_moments_it_ends_like_one_left_alone(
    web: tuple[Web, Path], starter: Starter, tmp_path: Path
) -> None:
    server, release = web
    seconds = starter.run_to_end(tmp_path / "whole")
    whole = result(tmp_path / "whole")
    verdicts = whole["verdicts"]
    assert verdicts == {"exact": 42, "same_picture": 6, "changed": 6, "gone": 6}
    check_rows(tmp_path / "whole", release)

    moments, number, kills = random.Random(SEED), 0, 0
    out = tmp_path / "killed-0"
    server.asked.clear()
    while kills < KILLS:
        process = starter.start(out)
        time.sleep(moments.random() * seconds * 0.6)  # one that goes on where another was killed has less to do
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the fetcher has a session of its own, and ends with its parent
            kills += 1
        code = finish(process)
        assert code in (0, -signal.SIGKILL)
        if code == 0:  # it was done before it could be killed: the next one starts anew
            assert result(out) == whole
            check_rows(out, release)
            number += 1
            out = tmp_path / f"killed-{number}"
    starter.run_to_end(out)
    assert result(out) == whole
    check_rows(out, release)
    # what was stored before a kill is not asked for again: at most the requests under way at each kill are
    assert server.asked.total() <= (number + 1) * IMAGES_COUNT + KILLS * 2 * THREADS
