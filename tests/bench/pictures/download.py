"""Fetching pictures, against bare img2dataset with the same settings and the same loopback server.

Both start a process of their own, which counts. Ours also decodes every picture and takes its perceptual hash, looks at
every address, and keeps a ledger; img2dataset decodes nothing with these settings.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from relaionet.pipeline.downloads.fetch import DownloadConfig, fetch_images
from tests.bench.pictures.picture_server import serve_pictures
from tests.bench.row import Row

ROWS_COUNT, THREADS, REPEATS = 3000, 32, 2
WEB_DELAY_S = 0.15
BARE = """
import sys
from img2dataset import download
download(
    url_list=sys.argv[1], output_folder=sys.argv[2], input_format="parquet", url_col="url", output_format="files",
    processes_count=1, thread_count=int(sys.argv[3]), image_size=0, resize_mode="no", disable_all_reencoding=True,
    extract_exif=False, compute_hash="sha256", timeout=10, retries=1, save_additional_columns=["candidate_id"],
    number_sample_per_shard=10000,
)
"""


def fetch_bare(rows: Path, out: Path) -> tuple[float, float]:
    """Seconds of img2dataset's own entry point: all of it, and its downloads alone."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(rows), str(out), str(THREADS)], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    stats = json.loads((out / "00000_stats.json").read_text())
    if done.returncode or stats["successes"] != ROWS_COUNT:
        raise RuntimeError(f"img2dataset fetched {stats['successes']} of {ROWS_COUNT}: {done.stderr[-500:]}")
    return seconds, stats["end_time"] - stats["start_time"]


def fetch_ours(rows: pl.DataFrame, out: Path) -> tuple[float, float]:
    """Seconds of `fetch_images`: all of it, and from the first row to the last."""
    config = DownloadConfig(threads=THREADS, requests_per_host=THREADS, allow_private=True)
    started = time.perf_counter()
    table = fetch_images(rows, config, out)
    seconds = time.perf_counter() - started
    if table["status"].to_list() != ["ok"] * rows.height:
        raise RuntimeError(f"fetched {table['status'].value_counts().rows()}")
    first, last = table["fetched_at"].min(), table["fetched_at"].max()
    return seconds, (last - first).total_seconds()  # type: ignore[operator, union-attr]


def compare(delay_s: float) -> tuple[Row, Row]:
    """Images per second of the whole job and of its downloads alone, the best of some repeats."""
    ours, bare = [], []
    with serve_pictures(delay_s) as address, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        urls = [f"{address}/{number}.jpg" for number in range(ROWS_COUNT)]
        ids = [hashlib.sha256(url.encode()).hexdigest() for url in urls]
        rows = pl.DataFrame({"candidate_id": ids, "url": urls})
        rows.write_parquet(folder / "rows.parquet")
        for _ in range(REPEATS):
            bare.append(fetch_bare(folder / "rows.parquet", folder / "bare"))
            ours.append(fetch_ours(rows, folder / "ours"))
            shutil.rmtree(folder / "bare")
            shutil.rmtree(folder / "ours")
    best = [[ROWS_COUNT / min(times) for times in zip(*runs, strict=True)] for runs in (ours, bare)]
    name = "download" if delay_s == 0 else f"download_{delay_s * 1000:g}ms"
    unit = f"images/s (bare img2dataset, {THREADS} threads, answers after {delay_s * 1000:g} ms"
    return (
        Row(name=name, ours=best[0][0], peer=best[1][0], goal=">=0.95", unit=f"{unit})"),
        Row(name=f"{name}_alone", ours=best[0][1], peer=best[1][1], goal=">=0.95", unit=f"{unit}, without its start)"),
    )


def measure() -> list[Row]:
    return [row for delay_s in (0.0, WEB_DELAY_S) for row in compare(delay_s)]
