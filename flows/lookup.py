"""The flow `lookup`: rows of a release without an address get theirs, found again and held against their pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from relaionet.flows.lookups.fetched import fetch_all, gather_addresses
from relaionet.flows.lookups.near import find_all_near
from relaionet.flows.lookups.order import LookupOrder, LookupWork, open_lookup
from relaionet.flows.lookups.settled import CLASSES_FILE, compare_all, release_found, settle_all
from relaionet.flows.lookups.sought import embed_all_sought, write_sought
from relaionet.flows.runs.handed import handed, handing
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run_record import write_run_record
from relaionet.flows.runs.runners import THREADS, check_runner
from relaionet.flows.runs.served import served_flow
from relaionet.flows.runs.stages import publish_counts, working_on
from relaionet.flows.terminal.lookup import say_lookup
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.lookup.places import LookupConfig


@served_flow("lookup")
def lookup(
    release: str, places: list[str], out: Path, images: Path | None = None, encoder: str | None = None,
    device: str = "auto", releases: Path | None = None, captions: Literal["any", "match"] | None = None,
    per_row_count: int = 10, retry: bool = False, threads: int = 32, timeout_s: float = 10.0, workers: int = 1,
    on: str = THREADS,
) -> Path:  # fmt: skip
    """Find the addresses of a release's pictures again, and write the version anyone can rebuild; returns its folder.

    What is done is not done again: call it once more with the same folder and it goes on where it was stopped.

    Args:
        release: folder of a release or of releases, or `hf://datasets/owner/name[@revision]`.
        places: folders of embeddings or of runs, addresses of clip-retrieval services, tables of metadata.
        out: folder of the lookup.
        images: folder that holds the release's pictures; needed where embeddings are searched.
        encoder: the one the embeddings were made with, where they do not say themselves.
        device: it runs on.
        releases: folder of the new version; that of the old one where this is not said.
        captions: of tables of metadata: `any` fetches every row, `match` those whose caption names one class.
        per_row_count: nearest pictures looked at for each row, in each place.
        retry: ask once more for addresses that were gone for a reason that may pass.
        threads: downloads at once.
        timeout_s: seconds one picture may take.
        workers: shards at work at once.
        on: where shards are worked on: `threads`, `ray` or `ray://host:port`.

    Raises:
        BadInput: nothing is to be looked up, or something is missing or does not fit.
        Corrupt: a file of the release or of a place is not what it was.
        Unavailable: the Hub, a service or the network is out of reach; what was done is kept.
    """
    work = handed(LookupWork)
    if work is not None:
        return look_up(work, on)
    order = LookupOrder(
        release=release, places=tuple(places), out=out, images=images, encoder=encoder, device=device,
        releases=releases, config=LookupConfig(captions=captions, per_row_count=per_row_count), retry=retry,
        download=DownloadConfig(threads=threads, timeout_s=timeout_s), workers=workers,
    )  # fmt: skip
    with open_lookup(order, Reporter()) as opened:
        return look_up(opened, on)


def run_lookup(order: LookupOrder, *, on: str = THREADS, reporter: Reporter | None = None) -> Path:
    """Look up as ordered; what is wrong is said before a flow is started.

    Args:
        order: what is to be looked up.
        on: where shards are worked on: `threads`, `ray` or `ray://host:port`.
        reporter: where progress is shown.

    Returns:
        Folder of the release.

    Raises:
        BadInput, Corrupt, Unavailable: as `lookup`.
    """
    check_runner(on)
    with open_lookup(order, reporter or Reporter()) as work, handing(work):
        return lookup(
            order.release, list(order.places), order.out, images=order.images, encoder=order.encoder,
            device=order.device, releases=order.releases, captions=order.config.captions,
            per_row_count=order.config.per_row_count, retry=order.retry, threads=order.download.threads,
            timeout_s=order.download.timeout_s, workers=order.workers, on=on,
        )  # fmt: skip


def look_up(work: LookupWork, on: str) -> Path:
    """All stages in order; returns the folder of the release."""
    run, order = work.run, work.order
    record: dict[str, Any] = {"release": work.release.info.full_name, "lookup": order.config}
    encoder = None if work.models is None else work.models.encoder
    write_run_record(run.root, record, **({} if encoder is None else {"encoder": encoder.fingerprint}))
    shards = write_sought(work)
    with working_on(run, on, order.workers):
        embed_all_sought(work, shards)
        find_all_near(work, shards)
        addresses = gather_addresses(work)
        fetch_all(work, addresses)
        compare_all(work, shards)
    found = settle_all(work, shards)
    path = release_found(work, found)
    say_lookup(run.reporter, work.release, found, path, run.root / CLASSES_FILE)
    publish_counts(run, "lookup")
    return path
