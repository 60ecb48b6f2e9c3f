"""Fetch images by URL through img2dataset: bytes as served, stored by candidate_id, every row with a status.

img2dataset's own downloader runs in a clean process of its own, on top of the bounds of `web_guard`; its rows come back
through a ledger, one line per row, so that a run that was killed continues where it was.
"""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.files import HEX_64, LATER, digest_of
from relaionet.manifests.tables import DOWNLOADS, shape_table
from relaionet.pipeline.addresses.proxies import read_proxy, web_proxies
from relaionet.pipeline.downloads.earlier import earlier_rows, keep_rows
from relaionet.pipeline.downloads.ledger import read_ledgers
from relaionet.pipeline.downloads.process import run_fetcher
from relaionet.pipeline.downloads.web_rules import NO_NAME

VERSION = "2"
CONTACT = "https://arxiv.org/abs/2603.14186"  # what this is fetched for
WORK_PREFIX = ".fetch-"  # of the folder of an unfinished fetch, among the images
KNOWN_NAME = "example.com"  # kept by IANA, so that it exists for ever


@dataclass(frozen=True, kw_only=True)
class DownloadConfig:
    """How images are fetched.

    Attributes:
        timeout_s: seconds one request may take, from connecting to its last byte, redirects included.
        retries: further tries after a failure that may pass at once (a lost connection, HTTP 429 and 5xx).
        retry_wait_s: seconds before the first further try, doubled each time; a server's Retry-After counts more.
        threads: requests under way at once.
        requests_per_host: of them to one host.
        host_interval_s: seconds from the start of one request to a host to the start of the next.
        host_failures: failures in a row that may pass, after which a host is not asked any more in this fetch.
        host_wait_s: seconds waited for one host in all because it asks for pauses or fails.
        proxy: "http://host:port" (not stored with a run) all requests go through; None takes what the environment says.
        max_bytes: longest body accepted, bytes.
        max_pixels: largest picture decoded, width × height.
        max_redirects: redirects followed per request.
        decode_s: seconds decoding one picture may take.
        user_agent: name servers see and may address in X-Robots-Tag.
        contact: where those who run a server can read or ask who is fetching: a web or mail address, shown to them.
        allow_private: let URLs lead to loopback and private addresses (for servers of one's own).
        robots_txt: ask each site's robots.txt first and obey it. X-Robots-Tag headers that forbid a picture's use are
            always obeyed.
    """

    timeout_s: float = 10.0
    retries: int = 1
    retry_wait_s: float = 0.5
    threads: int = 32
    requests_per_host: int = 6
    host_interval_s: float = 0.0
    host_failures: int = 10
    host_wait_s: float = 120.0
    proxy: str | None = None
    max_bytes: int = 20_000_000
    max_pixels: int = 64_000_000
    max_redirects: int = 5
    decode_s: float = 20.0
    user_agent: str = "relaionet"
    contact: str = CONTACT
    allow_private: bool = False
    robots_txt: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        for name in (
            "timeout_s",
            "threads",
            "max_bytes",
            "max_pixels",
            "requests_per_host",
            "host_failures",
            "decode_s",
        ):
            if getattr(self, name) <= 0:
                raise BadInput(f"{name} = {getattr(self, name)}: expected more than 0.")
        for name in ("retries", "max_redirects", "retry_wait_s", "host_interval_s", "host_wait_s"):
            if getattr(self, name) < 0:
                raise BadInput(f"{name} = {getattr(self, name)}: expected 0 or more.")
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", self.user_agent):
            raise BadInput(f"user_agent = '{self.user_agent}': expected a name of letters, digits, '_', '.' and '-'.")
        if not re.fullmatch(r"[!-'*-~]*", self.contact):
            raise BadInput(f"contact = '{self.contact}': expected a web or mail address without spaces and brackets.")


def same_results(config: DownloadConfig) -> DownloadConfig:
    """The configuration without what changes neither bytes nor verdicts: how fast and by which way they are fetched."""
    plain = DownloadConfig()
    return replace(
        config, proxy=None, threads=plain.threads, requests_per_host=plain.requests_per_host,
        host_interval_s=plain.host_interval_s, host_failures=plain.host_failures, host_wait_s=plain.host_wait_s,
        retry_wait_s=plain.retry_wait_s, contact=plain.contact,
    )  # fmt: skip


def settings_digest(config: DownloadConfig) -> str:
    """Digest of the settings under which a failure that does not pass stays one, 16 hex digits."""
    plain = DownloadConfig()
    settled = replace(same_results(config), timeout_s=plain.timeout_s, retries=plain.retries)
    return digest_of(settled, VERSION)[:16]


def fetch_images(
    rows: pl.DataFrame,
    config: DownloadConfig,
    images: Path,
    progress: Callable[[int], None] | None = None,
    earlier: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Fetch the images of some rows.

    Args:
        rows: candidate_id (64 hex digits, each once) and url, both without nulls; other columns are ignored.
        config: limits and rate limits.
        images: folder of the images; bytes go to `<first two digits>/<candidate_id>.<format>`.
        progress: called with the number of rows done since the last call.
        earlier: DOWNLOADS of earlier fetches into the same folder. Rows of it whose bytes are there, or that failed
            for good under settings like these, are taken over; those that failed and may come back are asked again.

    Returns:
        DOWNLOADS, one row per row given, in order. Nothing is re-encoded; bytes that are no image within the limits
        are counted and hashed but not stored.

    Raises:
        BadInput: an id is not one, stands twice, or a URL is null.
        Unavailable: the proxy or the whole network is out of reach, or img2dataset stopped; nothing done is lost, the
            same call continues.
        OSError: the disk is full or may not be written to; nothing done is lost either.
    """
    _check_rows(rows)
    rows = rows.select("candidate_id", "url")
    known = earlier_rows(rows, earlier)
    kept = keep_rows(
        known, images, settings=settings_digest(config), max_bytes=config.max_bytes, max_pixels=config.max_pixels
    )
    if progress is not None and not kept.is_empty():
        progress(kept.height)
    asked = rows.join(kept, on="candidate_id", how="anti", maintain_order="left")
    table = pl.concat([kept, _fetch(rows, asked, known, config, images, progress)])
    return rows.select("candidate_id").join(table, on="candidate_id", how="left", maintain_order="left")


def _fetch(
    rows: pl.DataFrame,
    asked: pl.DataFrame,
    known: pl.DataFrame,
    config: DownloadConfig,
    images: Path,
    progress: Callable[[int], None] | None,
) -> pl.DataFrame:
    """Fetch the rows that are to be asked for; a call that was cut short continues."""
    if asked.is_empty():
        return DOWNLOADS.empty()
    work = images.absolute() / f"{WORK_PREFIX}{digest_of(rows['candidate_id'].to_list(), same_results(config))[:16]}"
    done = read_ledgers(work, images)
    left = asked.filter(~pl.col("candidate_id").is_in(list(done)))
    if progress is not None and left.height < asked.height:
        progress(asked.height - left.height)
    if not left.is_empty():
        check_proxy(config)
        run_fetcher(left, asdict(replace(config, proxy=None)), config.proxy, images.absolute(), work, progress)
        done = read_ledgers(work, images)
    _check_complete(asked, done, work)
    shutil.rmtree(work)
    return _shape(asked, done, known, config)


def _check_rows(rows: pl.DataFrame) -> None:
    missing = [name for name in ("candidate_id", "url") if name not in rows.columns]
    if missing:
        raise BadInput(f"rows to fetch lack {', '.join(missing)}; found {', '.join(rows.columns)}.")
    ids = rows["candidate_id"]
    wrong = rows.filter(~ids.str.contains(f"^{HEX_64}$").fill_null(value=False))
    if not wrong.is_empty():
        raise BadInput(f"'{wrong['candidate_id'][0]}' is no candidate_id; expected 64 hex digits.")
    if ids.is_duplicated().any():
        raise BadInput(f"candidate_id {ids.filter(ids.is_duplicated())[0]} stands twice among the rows to fetch.")
    if rows["url"].null_count():
        raise BadInput(f"candidate_id {rows.filter(pl.col('url').is_null())['candidate_id'][0]} has no URL.")


def check_proxy(config: DownloadConfig) -> None:
    """See that the proxy, where one is set, is an address that answers; those of the environment, that they are such.

    Raises:
        BadInput: it is no address.
        Unavailable: nothing answers there.
    """
    if config.proxy is None:
        web_proxies()
        return
    if "://" not in config.proxy:
        raise BadInput(f"proxy '{config.proxy.rpartition('@')[2]}': expected http://host:port.")
    proxy = read_proxy(config.proxy, "proxy")
    try:
        socket.create_connection((proxy.host, proxy.port), config.timeout_s).close()
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"proxy {proxy.scheme}://{proxy.netloc} does not answer ({error}); start it, or leave --proxy (`proxy` in "
            "a recipe) out."
        ) from None


def _check_complete(rows: pl.DataFrame, done: dict[str, dict[str, Any]], work: Path) -> None:
    lost = [key for key in rows["candidate_id"] if key not in done]
    if lost:
        raise Unavailable(f"img2dataset lost {len(lost)} of {rows.height} rows; run again; log {work / 'log.txt'}.")
    # where names are not resolved at all, some look-ups fail and others run out of time
    asked = [done[key] for key in rows["candidate_id"]]
    is_offline = any(row["offline"] for row in asked)
    no_names = any(row["reason"] == NO_NAME for row in asked)
    cut_off = all(row["offline"] or row["status"] == "slow" or row["reason"] == NO_NAME for row in asked)
    if rows.height >= 3 and cut_off and (is_offline or (no_names and not _resolves(KNOWN_NAME))):
        shutil.rmtree(work)
        raise Unavailable(
            f"none of {rows.height} hosts could be reached: check this machine's network, or set a proxy."
        )


def _resolves(name: str) -> bool:
    """Whether names can be looked up at all: some resolvers say of every name that it does not exist."""
    try:
        socket.getaddrinfo(name, 443)
    except OSError:
        return False
    return True


def _shape(
    rows: pl.DataFrame, done: dict[str, dict[str, Any]], known: pl.DataFrame, config: DownloadConfig
) -> pl.DataFrame:
    found = pl.DataFrame([done[key] for key in rows["candidate_id"]], infer_schema_length=None)
    fetched = pl.from_epoch(pl.col("fetched_us"), time_unit="us").dt.replace_time_zone("UTC")
    before = known.select("candidate_id", pl.col("tries_count").alias("tries_before"))
    table = found.with_columns(
        rows["url"], fetched.alias("fetched_at"), pl.lit(settings_digest(config)).alias("settings")
    ).join(before, on="candidate_id", how="left", maintain_order="left")
    table = table.with_columns(pl.col("tries_count") + pl.col("tries_before").fill_null(0))
    return shape_table(table, DOWNLOADS)
