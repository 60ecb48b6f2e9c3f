"""What the Internet Archive holds of an address that is gone or changed: snapshots near a date, by its own API.

The list comes from the CDX server (`/cdx/search/cdx`); a snapshot's bytes, as they were served then, lie under
`/web/<time>id_/<address>` and are fetched like any other address. Nothing is believed: whoever asks judges the bytes.

Source: https://github.com/internetarchive/wayback/tree/master/wayback-cdx-server (fields, filters, `closest`);
    https://archive.org/help/wayback_api.php.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import polars as pl

from relaionet.manifests.containers.texts import parse_json
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import ALIVE
from relaionet.manifests.tables.schema import shape_table
from relaionet.manifests.tables.splits import SNAPSHOTS
from relaionet.pipeline.addresses.parse import RefusedUrl, parse_url
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.downloads.rate_limits import RateLimits
from relaionet.pipeline.downloads.web_guard import Limits, WebGuard
from relaionet.pipeline.downloads.web_rules import Failure, explain_failure, judge_url

INTERNET_ARCHIVE = "https://web.archive.org"
MAX_LIST_BYTES, LISTED, MAX_URL_CHARS = 1_000_000, 50, 8192
TIME, TIME_FORMAT = re.compile(r"[12][0-9]{13}"), "%Y%m%d%H%M%S"
WEB = re.compile(r"https?://[^\s\x00-\x1f\x7f-\x9f]+")
FIELDS = ("timestamp", "original", "mimetype", "statuscode", "digest")


@dataclass(frozen=True, kw_only=True)
class ArchiveConfig:
    """How an archive is asked.

    Attributes:
        base: address it answers at; another than the Internet Archive's must speak its CDX protocol.
        snapshots_count: snapshots of one address that are tried, nearest to the date first, equal bytes once.
        interval_s: seconds from the start of one request to the start of the next.
        retries: further tries after a failure that may pass (HTTP 429 and 5xx, a lost connection).
        retry_wait_s: seconds before the first further try, doubled each time; the archive's Retry-After counts more.
        max_wait_s: seconds waited in all because the archive asks for pauses or fails, before no more is asked.
        timeout_s: seconds one request may take.
    """

    base: str = INTERNET_ARCHIVE
    snapshots_count: int = 3
    interval_s: float = 1.5
    retries: int = 4
    retry_wait_s: float = 2.0
    max_wait_s: float = 900.0
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        for name in ("snapshots_count", "timeout_s"):
            if getattr(self, name) <= 0:
                raise BadInput(f"{name} = {getattr(self, name)}: expected more than 0.")
        for name in ("interval_s", "retries", "retry_wait_s", "max_wait_s"):
            if getattr(self, name) < 0:
                raise BadInput(f"{name} = {getattr(self, name)}: expected 0 or more.")
        if self.snapshots_count > LISTED:
            raise BadInput(f"snapshots_count = {self.snapshots_count}: expected at most {LISTED}.")
        try:
            address = parse_url(self.base)
        except RefusedUrl as error:
            raise BadInput(f"archive '{self.base}': {error}; expected an address as {INTERNET_ARCHIVE}.") from None
        object.__setattr__(self, "base", address.text.rstrip("/"))

    def downloading(self, download: DownloadConfig) -> DownloadConfig:
        """How snapshots are fetched: within the same limits, as slowly as the archive is asked."""
        return replace(
            download, threads=min(download.threads, 4), requests_per_host=1,
            host_interval_s=max(download.host_interval_s, self.interval_s),
            host_wait_s=max(download.host_wait_s, self.max_wait_s), retries=max(download.retries, self.retries),
            retry_wait_s=max(download.retry_wait_s, self.retry_wait_s),
            timeout_s=max(download.timeout_s, self.timeout_s),
        )  # fmt: skip


def ask_archive(
    rows: pl.DataFrame, config: ArchiveConfig, download: DownloadConfig, ledger: Path,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Ask an archive what it holds of some addresses, one after the other.

    Args:
        rows: candidate_id, address and near (UTC, null where no date is known), each pair of the first two once.
        config: how it is asked.
        download: limits, proxy, and the name we go by.
        ledger: file that is written as the answers come; a call that was cut short goes on from it.
        progress: called with the number of addresses asked since the last call.

    Returns:
        SNAPSHOTS: of each address its snapshots, nearest first, or one row that says why there is none.
    """
    known = {(line["candidate_id"], line["address"]): line["found"] for line in _read_ledger(ledger)}
    asker = _Asker(config, download)
    ledger.parent.mkdir(parents=True, exist_ok=True)
    made: list[dict[str, Any]] = []
    with ledger.open("a", encoding="utf-8") as file:
        for candidate_id, address, near in rows.select("candidate_id", "address", "near").iter_rows():
            found = known.get((candidate_id, address))
            if found is None:
                found = asker.ask(address, near)
                line = {"candidate_id": candidate_id, "address": address, "found": found}
                file.write(json.dumps(line) + "\n")
                file.flush()
            made += [one | {"candidate_id": candidate_id, "address": address} for one in found]
            if progress is not None:
                progress(1)
    for one in made:
        for name in ("archived_at", "asked_at"):
            one[name] = datetime.fromisoformat(one[name]) if one.get(name) else None
    return shape_table(pl.DataFrame(made, schema=dict(SNAPSHOTS.schema)), SNAPSHOTS)


def _read_ledger(ledger: Path) -> Iterator[dict[str, Any]]:
    for line in ledger.read_bytes().splitlines() if ledger.is_file() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue  # the line that was being written when the run was killed


class _Asker:
    """Asks an archive's CDX server, within the bounds of `WebGuard`."""

    def __init__(self, config: ArchiveConfig, download: DownloadConfig) -> None:
        self._config, self._host = config, parse_url(config.base).host
        limits = Limits(
            timeout_s=config.timeout_s, max_bytes=MAX_LIST_BYTES, max_redirects=download.max_redirects,
            allow_private=download.allow_private,
        )  # fmt: skip
        rate_limits = RateLimits(
            requests_count=1, interval_s=config.interval_s, failures_count=download.host_failures,
            max_wait_s=config.max_wait_s,
        )  # fmt: skip
        contact = f"; +{download.contact}" if download.contact else ""
        header = f"Mozilla/5.0 (compatible; {download.user_agent}/{metadata.version('relaionet')}{contact})"
        proxies = {"http": download.proxy, "https": download.proxy} if download.proxy is not None else None
        self._guard = WebGuard(limits, rate_limits, download.user_agent, header, proxies)

    def ask(self, address: str, near: datetime | None) -> list[dict[str, Any]]:
        """Rows of SNAPSHOTS of one address, times as text."""
        asked = {"asked_at": datetime.now(UTC).isoformat()}
        data = self._fetch(list_url(self._config.base, address, near))
        if isinstance(data, Failure):
            status = "failed" if data.may_come_back else "none"
            return [asked | {"status": status, "reason": f"the archive: {data.reason}"}]
        try:
            found = read_list(data)
        except ValueError as error:
            return [asked | {"status": "failed", "reason": f"the archive's list cannot be read: {error}"[:300]}]
        nearest = choose_snapshots(found, near, self._config.snapshots_count)
        if not nearest:
            return [asked | {"status": "none", "reason": "the archive holds no snapshot of a picture there"}]
        return [
            asked | {
                "snapshot": f"{self._config.base}/web/{one['timestamp']}id_/{one['original']}",
                "archived_at": _read_time(one["timestamp"]).isoformat(), "rank": rank, "status": ALIVE,
            }
            for rank, one in enumerate(nearest)
        ]  # fmt: skip

    def _fetch(self, url: str) -> bytes | Failure:
        tries = 0
        while True:
            try:
                judge_url(url, allow_private=self._guard.limits.allow_private)
                with self._guard.open(url) as body:
                    data: bytes = body.read()
                    return data
            except (OSError, http.client.HTTPException, ValueError) as error:
                visit = self._guard.visits.pop(url, None)
                if visit is not None and visit.put_off:
                    time.sleep(self._guard.gate.rest_s({self._host}))
                    continue
                failure = visit.failure if visit is not None else None
                failure = failure or explain_failure(error, self._config.timeout_s)
                if not failure.may_come_back or visit is None or not visit.asked or tries >= self._config.retries:
                    return failure
                tries += 1
                wait_s = self._config.retry_wait_s * 2 ** (tries - 1)
                time.sleep(max(wait_s, self._guard.gate.rest_s({self._host})))


def list_url(base: str, address: str, near: datetime | None) -> str:
    """Where the CDX server lists the snapshots of one address that were answered with a body, nearest first.

    Args:
        base: of the archive.
        address: the URL.
        near: date they are to be near; None lists the oldest first.
    """
    asked = {"url": address, "output": "json", "fl": ",".join(FIELDS), "filter": "statuscode:200", "limit": LISTED}
    if near is not None:
        asked |= {"closest": near.astimezone(UTC).strftime(TIME_FORMAT), "sort": "closest"}
    return f"{base}/cdx/search/cdx?{urlencode(asked)}"


def read_list(data: bytes) -> list[dict[str, str]]:
    """The snapshots of a CDX answer; lines that are none are left out.

    Args:
        data: JSON as the server sends it: a list of lists, the first of which names the fields.

    Raises:
        ValueError: it is nothing of the kind.
    """
    if not data.strip():
        return []
    told = parse_json(data)
    if not isinstance(told, list) or not all(isinstance(line, list) for line in told):
        raise ValueError("no list of lists")
    if not told:
        return []
    head = [str(name) for name in told[0]]
    if not {"timestamp", "original"} <= set(head):
        raise ValueError("its first line does not name timestamp and original")
    lines = [dict(zip(head, map(str, line), strict=True)) for line in told[1:] if len(line) == len(head)]
    return [line for line in lines if _is_snapshot(line)]


def _is_snapshot(line: Mapping[str, str]) -> bool:
    original = line["original"]
    if not TIME.fullmatch(line["timestamp"]) or not WEB.fullmatch(original) or len(original) > MAX_URL_CHARS:
        return False
    if line.get("statuscode", "200") != "200" or line.get("mimetype", "").startswith("text/"):
        return False
    try:
        _read_time(line["timestamp"])
    except ValueError:
        return False
    return True


def _read_time(text: str) -> datetime:
    return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)


def choose_snapshots(found: list[dict[str, str]], near: datetime | None, count: int) -> list[dict[str, str]]:
    """The snapshots nearest to a date, those of equal bytes once.

    Args:
        found: from `read_list`.
        near: the date; None takes the oldest.
        count: at most.
    """
    times = {one["timestamp"]: _read_time(one["timestamp"]) for one in found}

    def distance(one: Mapping[str, str]) -> tuple[float, str]:
        time = times[one["timestamp"]]
        return (abs((time - near).total_seconds()) if near is not None else 0.0, one["timestamp"])

    seen: set[str] = set()
    chosen = []
    for one in sorted(found, key=distance):
        key = one.get("digest") or one["timestamp"]
        if key not in seen:
            seen.add(key)
            chosen.append(one)
    return chosen[:count]
