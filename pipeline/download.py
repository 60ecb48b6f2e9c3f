"""Fetch images by URL through img2dataset: bytes as served, stored by candidate_id, every row with a status.

img2dataset's own downloader runs in a clean process of its own, on top of the bounds of `web_guard`; its rows come back
through a ledger, one line per row, so that a run that was killed continues where it was.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
import threading
import types
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.store import digest_of
from relaionet.manifests.tables import DOWNLOADS, shape_table
from relaionet.pipeline.fetch_ledger import FetchJob, LedgerWriter, read_ledgers
from relaionet.pipeline.fetch_process import run_fetcher
from relaionet.pipeline.web_guard import Limits, WebGuard

VERSION = "1"
CANDIDATE_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class DownloadConfig:
    """How images are fetched.

    Attributes:
        timeout_s: seconds one request may take, from connecting to its last byte.
        retries: further tries after a failure that may pass (no answer, HTTP 429 and 5xx).
        threads: requests under way at once.
        proxy: "http://host:port" (not stored with a run) all requests go through; None takes what the environment says.
        max_bytes: longest body accepted, bytes.
        max_pixels: largest picture decoded, width × height.
        max_redirects: redirects followed per request.
        user_agent: name servers see and may address in X-Robots-Tag.
        allow_private: let URLs lead to loopback and private addresses (for servers of one's own).
    """

    timeout_s: float = 10.0
    retries: int = 1
    threads: int = 32
    proxy: str | None = None
    max_bytes: int = 20_000_000
    max_pixels: int = 64_000_000
    max_redirects: int = 5
    user_agent: str = "relaionet"
    allow_private: bool = False

    def __post_init__(self) -> None:
        for name in ("timeout_s", "threads", "max_bytes", "max_pixels"):
            if getattr(self, name) <= 0:
                raise BadInput(f"{name} = {getattr(self, name)}: expected more than 0.")
        if self.retries < 0 or self.max_redirects < 0:
            raise BadInput("retries and max_redirects: expected 0 or more.")


def fetch_images(
    rows: pl.DataFrame, config: DownloadConfig, images: Path, progress: Callable[[int], None] | None = None
) -> pl.DataFrame:
    """Fetch the images of some rows.

    Args:
        rows: candidate_id (64 hex digits, each once) and url, both without nulls; other columns are ignored.
        config: limits and manners.
        images: folder of the images; bytes go to `<first two digits>/<candidate_id>.<format>`.
        progress: called with the number of rows done since the last call.

    Returns:
        DOWNLOADS, one row per row given, in order. Nothing is re-encoded; bytes that are no image within the limits
        are counted and hashed but not stored.

    Raises:
        BadInput: an id is not one, stands twice, or a URL is null.
        Unavailable: the proxy or the whole network is out of reach, or img2dataset stopped; nothing done is lost, the
            same call continues.
    """
    _check_rows(rows)
    if rows.is_empty():
        return DOWNLOADS.empty()
    # what does not change the bytes does not keep a run from continuing, such as a proxy that moved
    settled = replace(config, proxy=None, threads=1)
    work = images.absolute() / f".fetch-{digest_of(rows['candidate_id'].to_list(), settled)[:16]}"
    done = read_ledgers(work, images)
    if progress is not None and done:
        progress(len(done))
    left = rows.filter(~pl.col("candidate_id").is_in(list(done)))
    if not left.is_empty():
        _check_proxy(config)
        run_fetcher(left, asdict(replace(config, proxy=None)), config.proxy, images.absolute(), work, progress)
        done = read_ledgers(work, images)
    _check_complete(rows, done, work)
    shutil.rmtree(work)
    return _shape(rows, done)


def _check_rows(rows: pl.DataFrame) -> None:
    missing = [name for name in ("candidate_id", "url") if name not in rows.columns]
    if missing:
        raise BadInput(f"rows to fetch lack {', '.join(missing)}; found {', '.join(rows.columns)}.")
    ids = rows["candidate_id"]
    wrong = rows.filter(~ids.str.contains(f"^{CANDIDATE_ID.pattern}$").fill_null(value=False))
    if not wrong.is_empty():
        raise BadInput(f"'{wrong['candidate_id'][0]}' is no candidate_id; expected 64 hex digits.")
    if ids.is_duplicated().any():
        raise BadInput(f"candidate_id {ids.filter(ids.is_duplicated())[0]} stands twice among the rows to fetch.")
    if rows["url"].null_count():
        raise BadInput(f"candidate_id {rows.filter(pl.col('url').is_null())['candidate_id'][0]} has no URL.")


def _check_proxy(config: DownloadConfig) -> None:
    if config.proxy is None:
        return
    parts = urlsplit(config.proxy)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"proxy '{config.proxy.rpartition('@')[2]}': expected http://host:port.")
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), config.timeout_s).close()
    except (OSError, ValueError) as error:
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # without a password
        raise Unavailable(f"proxy {shown} does not answer ({error}); start it or leave `proxy` out.") from None


def _check_complete(rows: pl.DataFrame, done: dict[str, dict[str, Any]], work: Path) -> None:
    lost = [key for key in rows["candidate_id"] if key not in done]
    if lost:
        raise Unavailable(f"img2dataset lost {len(lost)} of {rows.height} rows; run again; log {work / 'log.txt'}.")
    # where names are not resolved at all, some look-ups fail and others run out of time
    cut_off = all(row["offline"] or row["status"] == "slow" for row in done.values())
    if rows.height >= 3 and cut_off and any(row["offline"] for row in done.values()):
        shutil.rmtree(work)
        raise Unavailable(
            f"none of {rows.height} hosts could be reached: check this machine's network, or set a proxy."
        )


def _shape(rows: pl.DataFrame, done: dict[str, dict[str, Any]]) -> pl.DataFrame:
    found = pl.DataFrame([done[key] for key in rows["candidate_id"]], infer_schema_length=None)
    fetched = pl.from_epoch(pl.col("fetched_us"), time_unit="us").dt.replace_time_zone("UTC")
    table = found.with_columns(rows["url"], fetched.alias("fetched_at"))
    return shape_table(table, DOWNLOADS)


def _import_img2dataset() -> tuple[Any, Any]:
    """img2dataset's Downloader and Resizer, without the modules it imports for uses other than this one.

    They cost seconds, two of them call home, and imghdr is gone since Python 3.13.
    """
    for name in ("torch", "ray"):  # it does without
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    for name in ("wandb", "albumentations", "imghdr"):  # for logging elsewhere and for re-encoding
        sys.modules.setdefault(name, types.ModuleType(name))
    from img2dataset.downloader import Downloader
    from img2dataset.resizer import Resizer

    return Downloader, Resizer


def _run_job(path: Path) -> None:
    """Fetch the rows of a job file; the main function of the fetching process."""
    told = json.loads(path.read_bytes())
    config = DownloadConfig(**told["settings"])
    job = FetchJob(
        settings=told["settings"], images=Path(told["images"]), work=path.parent, ledger=Path(told["ledger"])
    )
    downloader_class, resizer_class = _import_img2dataset()
    guard = WebGuard(
        Limits(
            timeout_s=config.timeout_s, max_bytes=config.max_bytes, max_redirects=config.max_redirects,
            allow_private=config.allow_private,
        )
    )  # fmt: skip
    urllib.request.install_opener(guard)
    rows_count = pl.scan_ipc(path.parent / "rows.arrow").select(pl.len()).collect().item()
    downloader = downloader_class(
        sample_writer_class=lambda *_: LedgerWriter(job, guard),
        resizer=resizer_class(image_size=0, resize_mode="no", resize_only_if_bigger=False, disable_all_reencoding=True),
        thread_count=config.threads,
        save_caption=False,
        extract_exif=False,
        output_folder=str(path.parent),
        column_list=["candidate_id", "url"],
        timeout=config.timeout_s,
        number_sample_per_shard=max(2, rows_count),
        oom_shard_count=1,
        compute_hash="sha256",
        verify_hash_type=None,
        encode_format="bytes",
        retries=config.retries,
        user_agent_token=config.user_agent,
        disallowed_header_directives=["noai", "noimageai", "noindex", "noimageindex"],
    )
    downloader.download_shard((0, str(path.parent / "rows.arrow")))


def _end_with_parent() -> None:
    """Stop at once when the process that started this one is gone: its end of the pipe closes."""

    def watch() -> None:
        os.read(0, 1)
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    _end_with_parent()
    _run_job(Path(sys.argv[1]))
