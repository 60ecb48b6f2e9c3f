"""The process images are fetched in, seen from outside: started clean, followed through its ledger, ended with us."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.errors import Unavailable
from relaionet.manifests.files import write_atomic, write_json
from relaionet.pipeline.addresses.parse import RefusedUrl, WebAddress
from relaionet.pipeline.child_process import ChildProcess, read_log, start_child
from relaionet.pipeline.downloads.ledger import SETTLED_MARK, error_of_exit, refused_line
from relaionet.pipeline.downloads.rate_limits import spread_hosts
from relaionet.pipeline.downloads.web_rules import explain_failure, judge_url

POLL_S = 0.1


def _environment(proxy: str | None) -> dict[str, str]:
    """Environment of the fetching process: quiet, calling nobody, with the proxy asked for."""
    env = {name: value for name, value in os.environ.items() if proxy is None or "proxy" not in name.lower()}
    if proxy is not None:
        env |= {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": ""}
    quiet = {"DO_NOT_TRACK": "1", "NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    return env | quiet


def run_fetcher(
    rows: pl.DataFrame,
    settings: Mapping[str, Any],
    proxy: str | None,
    images: Path,
    work: Path,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Fetch rows with img2dataset in a process that ends when this one does.

    Args:
        rows: candidate_id and url.
        settings: fields of `DownloadConfig` but for the proxy: they are written to a file, and it may hold a password.
        proxy: "http://host:port" all requests go through; None takes what the environment says.
        images: absolute folder of the images.
        work: absolute folder of the ledgers; left as it is, so that another call can continue.
        progress: called with the number of rows done since the last call.

    Raises:
        Unavailable: the process failed; what it had done stays in the ledger.
        OSError: it could not store what it fetched: a full disk, no permission.
    """
    work.mkdir(parents=True, exist_ok=True)
    _drop_parts(work)
    attempt = len(list(work.glob("ledger-*.jsonl")))
    ledger = work / f"ledger-{attempt:03d}.jsonl"
    asked = _judge_rows(rows, ledger, allow_private=settings["allow_private"])
    if asked.is_empty():
        if progress is not None:
            progress(rows.height)
        return
    write_rows(asked, work / "rows.arrow")
    write_json(work / "job.json", {"settings": dict(settings), "images": str(images), "ledger": str(ledger)})
    command = [sys.executable, "-P", "-m", "relaionet.pipeline.downloads.worker", str(work / "job.json")]
    with (work / "log.txt").open("wb") as log:
        child = start_child(command, output=log, errors="output", environment=_environment(proxy), own_group=True)
        try:
            _follow(child, ledger, progress)
        finally:
            code = child.stop(ask="never")
            _drop_parts(work)
    storage_error = error_of_exit(code, images)
    if storage_error is not None:
        raise storage_error
    if code != 0:
        lines = read_log(work / "log.txt").strip().splitlines()
        raise Unavailable(
            f"img2dataset stopped with exit code {code} ({lines[-1][:300] if lines else 'no word'}); "
            f"run again to continue; its log is {work / 'log.txt'}."
        )


def _judge_rows(rows: pl.DataFrame, ledger: Path, *, allow_private: bool) -> pl.DataFrame:
    """Write the rows that may not be asked for into the ledger; the others, each with its URL as it was read.

    What stands behind the # tells rows apart whose URLs are two spellings of one; it is not sent.
    """
    addresses: dict[str, WebAddress] = {}
    with ledger.open("wb") as lines:
        for candidate_id, url in rows.select("candidate_id", "url").iter_rows():
            try:
                addresses[candidate_id] = judge_url(url, allow_private=allow_private)
            except RefusedUrl as error:
                lines.write(refused_line(candidate_id, explain_failure(error, 0)))
    order = spread_hosts([address.host for address in addresses.values()])
    urls = [f"{address.text}#{candidate_id}" for candidate_id, address in addresses.items()]
    schema = {"candidate_id": pl.String, "url": pl.String}
    return pl.DataFrame({"candidate_id": list(addresses), "url": urls}, schema=schema)[order]


def _follow(child: ChildProcess, ledger: Path, progress: Callable[[int], None] | None) -> None:
    with ledger.open("rb") as lines:
        ended = False
        while not ended:
            ended = child.wait(POLL_S) is not None
            count = lines.read().count(SETTLED_MARK)
            if count and progress is not None:
                progress(count)


def write_rows(rows: pl.DataFrame, path: Path) -> None:
    """Write rows as img2dataset reads them: an Arrow file."""
    data = io.BytesIO()  # polars words a full disk in many ways, Python's own files in one
    rows.write_ipc(data, compression="uncompressed")
    write_atomic(path, data.getbuffer())


def _drop_parts(work: Path) -> None:
    """Remove files that were being written when a process was killed."""
    for part in work.glob("*.part"):
        part.unlink(missing_ok=True)
