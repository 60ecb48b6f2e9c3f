"""The flow `rebuild`: a release becomes images again, and every row says what became of it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from relaionet.flows.rebuilding import RebuildOrder, RebuildWork, Retry, rebuild_release
from relaionet.flows.runs.handed import handed, handing
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run_record import write_run_record
from relaionet.flows.runs.served import served_flow
from relaionet.flows.runs.stages import publish_counts
from relaionet.flows.terminal.rebuild import say_plan, say_split
from relaionet.manifests.files import read_json_object
from relaionet.manifests.tables import DOWNLOADS, SPLIT
from relaionet.pipeline.downloads.archive import ArchiveConfig
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.splits.build import carry_out
from relaionet.pipeline.splits.plan import INFO_FILE


@served_flow("rebuild")
def rebuild(
    release: str,
    out: Path,
    policy: Literal["same_picture", "exact"] | None = None,
    retry: Literal["passing", "all"] | None = None,
    verify: bool = False,
    images: Path | None = None,
    encoder: str | None = None,
    format: str | None = None,
    format_out: Path | None = None,
    threads: int = 32,
    timeout_s: float = 10.0,
    archive: str | None = None,
    withdrawn: Path | None = None,
) -> dict[str, Any]:
    """Get the images of a release back, and say for each row: exact, same picture, changed or gone.

    Called once more it goes on where it was stopped. A proxy is the environment's: what stands here is stored.

    Args:
        release: folder of a release or of releases, or `hf://datasets/owner/name[@revision]`.
        out: folder of the split.
        policy: what is kept; None leaves a split its policy, and gives a new one `same_picture`.
        retry: ask again for rows that were gone: `passing` for those whose reason may pass, `all` for every one.
        verify: read every byte of the pictures that are there; damaged ones are fetched again.
        images: folder on this machine to take the images from instead of the web.
        encoder: compare embeddings as well, where the release ships them: the encoder it names.
        format: write the finished split in this export format too, such as `webdataset` or `parquet`.
        format_out: folder of that format; `<out>-<format>` where this is not said.
        threads: downloads at once.
        timeout_s: seconds one image may take.
        archive: address of the archive asked for what is gone or changed (`https://web.archive.org`); None asks none.
        withdrawn: list of withdrawals, as in `RebuildOrder`.

    Returns:
        What `split.json` says.

    Raises:
        BadInput: the release, the split's folder or a setting is wrong.
        Corrupt: a file of the release is not what it was.
        Unavailable: the Hub or the proxy does not answer.
    """
    if (work := handed(RebuildWork)) is not None:
        return fetch_rows(work)
    order = RebuildOrder(
        release=release, out=out, policy=policy, retry=retry, verify=verify, images=images, encoder=encoder,
        format=format, format_out=format_out, download=DownloadConfig(threads=threads, timeout_s=timeout_s),
        archive=ArchiveConfig(base=archive) if archive is not None else None, withdrawn=withdrawn,
    )  # fmt: skip
    return rebuild_release(order, fetch_rows)


def run_rebuild(
    release: Path | str,
    out: Path,
    *,
    policy: str | None = None,
    download: DownloadConfig | None = None,
    retry: Retry | None = None,
    verify: bool = False,
    images: Path | None = None,
    encoder: str | None = None,
    format: str | None = None,
    format_out: Path | None = None,
    archive: ArchiveConfig | None = None,
    withdrawn: Path | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Check a release, then rebuild it as far as it is not rebuilt yet; a flow is begun where anything is fetched.

    Args:
        release: folder of a release or of releases, or `hf://datasets/owner/name[@revision]`.
        out: folder of the split.
        policy: `same_picture` or `exact`; None leaves a split its policy, and gives a new one `same_picture`.
        download: limits and rate limits of fetching, and the proxy.
        retry: also fetch rows that were gone: `passing` those whose reason may pass, `all` every one.
        verify: read every byte of what is there.
        images: folder on this machine that holds the images; None fetches them.
        encoder: name of the encoder whose embeddings the release ships; None compares none.
        format: format the split is written in as well (`ExportConfig.format`); None writes none.
        format_out: folder of that format; None is `<out>-<format>`.
        archive: asked for rows that are gone or changed; None asks none.
        withdrawn: list of withdrawals, as in `RebuildOrder`.
        reporter: where progress is shown.

    Returns:
        What `split.json` says.
    """
    order = RebuildOrder(
        release=release, out=out, policy=policy, download=download or DownloadConfig(), retry=retry, verify=verify,
        images=images, encoder=encoder, format=format, format_out=format_out, archive=archive,
        withdrawn=withdrawn,
    )  # fmt: skip
    return rebuild_release(order, fetch_in_flow, reporter)


def fetch_in_flow(work: RebuildWork) -> dict[str, Any]:
    """Do a planned rebuild as a flow; returns what `split.json` says."""
    plan = work.plan
    with handing(work):
        return rebuild(
            plan.release.info.full_name, work.run.root, plan.config.policy, images=plan.images,
            threads=work.download.threads, timeout_s=work.download.timeout_s,
            archive=plan.may.archive.base if plan.may.archive is not None else None,
        )  # fmt: skip


def fetch_rows(work: RebuildWork) -> dict[str, Any]:
    """Fetch the rows of a plan, judge all rows, and say what came of it; returns what `split.json` says."""
    run, plan = work.run, work.plan
    say_plan(run.reporter, plan)
    with run.reporter.bar("fetch", plan.rows_count) as advance:
        carry_out(plan, work.download, advance)
    if plan.table is None:
        run.made.add(SPLIT.name)
        write_run_record(run.root, {"split": asdict(plan.config), "download": replace(work.download, proxy=None)})
    told: dict[str, Any] = read_json_object(run.root / INFO_FILE)
    seconds = sum(receipt.seconds for table in (DOWNLOADS, SPLIT) for receipt in run.store.receipts(table))
    run.note("rebuild", told["rows_count"], told["verdicts"], told["reasons"], seconds, SPLIT.name)
    say_split(run.reporter, told, run.root)
    publish_counts(run, "rebuild")
    return told
