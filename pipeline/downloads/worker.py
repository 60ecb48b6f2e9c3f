"""The fetching process: img2dataset's own downloader on top of the bounds of `web_guard`, wave after wave.

Rows that failed and may come back at once are asked for again when all others are done, so that a host has time to
recover and no thread waits for it.
"""

from __future__ import annotations

import json
import os
import sys
import time
import types
import urllib.request
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.pipeline.addresses.parse import parse_url
from relaionet.pipeline.child_process import end_with_parent
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.downloads.ledger import STORAGE_ERRORS, FetchJob, LedgerWriter, exit_code_of
from relaionet.pipeline.downloads.process import write_rows
from relaionet.pipeline.downloads.rate_limits import RateLimits
from relaionet.pipeline.downloads.web_guard import Limits, WebGuard
from relaionet.pipeline.downloads.web_rules import FORBIDDING


class _Unused(types.ModuleType):
    """Stands for a module that img2dataset imports for uses other than this one; its constants mean nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return 0


def _import_img2dataset() -> tuple[Any, Any]:
    """img2dataset's Downloader and Resizer, without the modules it imports for uses other than this one.

    They cost seconds, two of them call home, and imghdr is gone since Python 3.13.
    """
    for name in ("torch", "ray"):  # it does without
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    # for reading lists of URLs, for re-encoding and for logging elsewhere
    for name in ("pandas", "cv2", "wandb", "albumentations", "imghdr"):
        sys.modules.setdefault(name, _Unused(name))
    from img2dataset.downloader import Downloader
    from img2dataset.resizer import Resizer

    return Downloader, Resizer


def _make_guard(config: DownloadConfig) -> WebGuard:
    limits = Limits(
        timeout_s=config.timeout_s, max_bytes=config.max_bytes, max_redirects=config.max_redirects,
        allow_private=config.allow_private,
    )  # fmt: skip
    rate_limits = RateLimits(
        requests_count=config.requests_per_host, interval_s=config.host_interval_s,
        failures_count=config.host_failures, max_wait_s=config.host_wait_s,
    )  # fmt: skip
    contact = f"; +{config.contact}" if config.contact else ""
    header = f"Mozilla/5.0 (compatible; {config.user_agent}/{metadata.version('relaionet')}{contact})"
    return WebGuard(limits, rate_limits, config.user_agent, header, robots_txt=config.robots_txt)


def _run_job(path: Path) -> None:
    """Fetch the rows of a job file; the main function of the fetching process."""
    told = json.loads(path.read_bytes())
    config = DownloadConfig(**told["settings"])
    job = FetchJob(
        settings=told["settings"], images=Path(told["images"]), work=path.parent, ledger=Path(told["ledger"])
    )
    guard = _make_guard(config)
    urllib.request.install_opener(guard)
    writer = LedgerWriter(job, guard)
    rows_file = path.parent / "rows.arrow"
    rows = pl.read_ipc(rows_file.read_bytes())
    downloader = _make_downloader(config, writer, path.parent, rows.height)
    for wave in count():
        downloader.download_shard((0, str(rows_file)))
        rows = rows.filter(pl.col("candidate_id").is_in(list(writer.take_unsettled())))
        if rows.is_empty():
            break
        hosts = {parse_url(url).host for url in rows["url"]}
        time.sleep(max(config.retry_wait_s * 2 ** min(wave, 6), guard.gate.rest_s(hosts)))
        write_rows(rows, rows_file)
    writer.end()


def _make_downloader(config: DownloadConfig, writer: LedgerWriter, work: Path, rows_count: int) -> Any:
    downloader_class, resizer_class = _import_img2dataset()
    return downloader_class(
        sample_writer_class=lambda *_: writer,
        resizer=resizer_class(image_size=0, resize_mode="no", resize_only_if_bigger=False, disable_all_reencoding=True),
        thread_count=config.threads,
        save_caption=False,
        extract_exif=False,
        output_folder=str(work),
        column_list=["candidate_id", "url"],
        timeout=config.timeout_s,
        number_sample_per_shard=max(2, rows_count),
        oom_shard_count=1,
        compute_hash="sha256",
        verify_hash_type=None,
        encode_format="bytes",
        retries=0,  # in waves of their own, so that no thread waits for a host that needs a rest
        user_agent_token=config.user_agent,
        disallowed_header_directives=list(FORBIDDING),
    )


def _main(path: Path) -> int:
    try:
        _run_job(path)
    except OSError as error:
        if error.errno not in STORAGE_ERRORS:
            raise
        return exit_code_of(error)
    return 0


if __name__ == "__main__":
    end_with_parent(3)
    # no further word is written: the log may be on a full disk
    os._exit(_main(Path(sys.argv[1])))
