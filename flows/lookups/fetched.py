"""The stages that fetch: every address worth asking once, what it serves, and the fingerprints of that."""

from __future__ import annotations

from functools import partial

import polars as pl

from relaionet.flows.curation.downloads import fetch_shard, finish_downloads, set_shards_aside
from relaionet.flows.curation.source import read_source
from relaionet.flows.lookups.order import LookupWork
from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run, input_digest, input_digests
from relaionet.flows.runs.stages import run_shards
from relaionet.manifests.files import digest_of
from relaionet.manifests.tables import CANDIDATES, DOWNLOADS, alive
from relaionet.manifests.tables.adoption import PICTURES
from relaionet.manifests.tables.lookups import ADDRESSES, NEAR
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.images import files as picture_files
from relaionet.pipeline.images.files import PictureLimits, read_pictures


def gather_addresses(work: LookupWork) -> list[str]:
    """ADDRESSES: those near a row and those of tables of metadata, each once; returns the names of their shards."""
    run = work.run
    if work.places.sources:
        shards = read_source(run, work.places.sources, work.candidates)
        run.count(CANDIDATES)
        run.store.keep_only(CANDIDATES, shards)
    else:
        run.store.keep_only(CANDIDATES, [])
    digest = digest_of(input_digests(run, NEAR), input_digests(run, CANDIDATES), work.order.config.rows_per_shard)
    names = [receipt.shard for receipt in run.store.receipts(ADDRESSES)]
    if names and all(run.store.has_table(ADDRESSES, digest, name) for name in names):
        return names
    found = [run.store.read(NEAR, shard, ["url_id", "url"]) for shard in run.store.shards(NEAR)]
    found = [rows.rename({"url_id": "candidate_id"}) for rows in found]
    for shard in run.store.shards(CANDIDATES):
        found.append(alive(run.store.read(CANDIDATES, shard, ["candidate_id", "url", "status"])).drop("status"))
    # by id: neighbours in a list are then on many hosts
    rows = pl.concat([ADDRESSES.empty(), *found]).unique("candidate_id", keep="any").sort("candidate_id")
    size = work.order.config.rows_per_shard
    starts = range(0, max(1, rows.height), size)
    names = [f"{number:05d}" for number in range(len(starts))]
    run.store.keep_only(ADDRESSES, names)
    for name, start in zip(names, starts, strict=True):
        run.make(ADDRESSES, digest, partial(rows.slice, start, size), shard=name)
    return names


def fetch_all(work: LookupWork, shards: list[str]) -> None:
    """DOWNLOADS of all addresses, and the PICTURES of what they serve."""
    run, order = work.run, work.order
    count = sum(receipt.rows_count for receipt in run.store.receipts(ADDRESSES))
    set_shards_aside(run, shards)
    run.store.keep_only(DOWNLOADS, shards)
    run_shards(run, DOWNLOADS, fetch_addresses, shards, count, order.download, order.retry)
    finish_downloads(run)
    versions = sorted(set(work.release.manifest["fingerprint_version"].fill_null(1)))
    names = [f"{shard}-{version}" for shard in shards for version in versions]
    run.store.keep_only(PICTURES, names)
    total = count * len(versions)
    run_shards(run, PICTURES, hash_pictures, names, total, order.download, is_counted=False)


def fetch_addresses(run: Run, shard: str, config: DownloadConfig, retry: bool, advance: Advance) -> bool:
    """One shard of DOWNLOADS: what the addresses of that shard serve.

    Args:
        run: of the lookup.
        shard: its name.
        config: limits and rate limits of fetching.
        retry: also ask again for what failed and may come back.
        advance: called with the number of addresses done since the last call.
    """
    return fetch_shard(run, shard, run.store.read(ADDRESSES, shard), config, retry, advance)


def hash_pictures(run: Run, name: str, config: DownloadConfig, advance: Advance) -> bool:
    """PICTURES of one shard, in one version of the fingerprints.

    Args:
        run: of the lookup.
        name: `<shard>-<version>`.
        config: with the largest picture decoded.
        advance: called with the number of pictures done since the last call.
    """
    shard, _, version = name.partition("-")
    digest = digest_of(input_digest(run, DOWNLOADS, shard), version, picture_files.VERSION)

    def make() -> pl.DataFrame:
        paths = alive(run.store.read(DOWNLOADS, shard))["path"].to_list()
        limits = PictureLimits(max_bytes=config.max_bytes, max_pixels=config.max_pixels)
        return read_pictures(run.images, paths, limits, advance, version=int(version))

    return run.make(PICTURES, digest, make, shard=name)
