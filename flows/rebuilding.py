"""What a rebuild is, before any flow is begun: a release checked and planned, and what needs no fetching done at once.

Prefect is not imported here: a rebuild that has nothing to fetch does without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import polars as pl

from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.terminal.rebuild import say_plan, say_split
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json_object
from relaionet.manifests.places import LOCAL, check_place, local_path
from relaionet.manifests.release.release import Release, check_release
from relaionet.manifests.release.withdrawals import carried_withdrawals, join_withdrawals, read_withdrawals
from relaionet.pipeline.addresses.proxies import web_proxies
from relaionet.pipeline.downloads.archive import ArchiveConfig
from relaionet.pipeline.downloads.fetch import DownloadConfig, check_proxy
from relaionet.pipeline.splits.build import carry_out
from relaionet.pipeline.splits.export import ExportConfig
from relaionet.pipeline.splits.plan import INFO_FILE, POLICIES, Policy, SplitConfig, SplitPlan, plan_split
from relaionet.pipeline.splits.vectors import read_vectors

Retry = Literal["passing", "all"]


@dataclass(frozen=True, kw_only=True)
class RebuildOrder:
    """What is to be rebuilt.

    Attributes:
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
        withdrawn: list of withdrawals: a newer release, or a CSV or parquet file; those of newer versions beside the
            release, and those said in an earlier run, count without it.
    """

    release: Path | str
    out: Path
    policy: str | None = None
    download: DownloadConfig = field(default_factory=DownloadConfig)
    retry: Retry | None = None
    verify: bool = False
    images: Path | None = None
    encoder: str | None = None
    format: str | None = None
    format_out: Path | None = None
    archive: ArchiveConfig | None = None
    withdrawn: Path | None = None


@dataclass(frozen=True, kw_only=True)
class RebuildWork:
    """A rebuild that has something to fetch.

    Attributes:
        run: the split's folder, held by whoever made this.
        plan: what is left to do.
        download: limits and rate limits of fetching, and the proxy, whose address may hold a password.
    """

    run: Run
    plan: SplitPlan
    download: DownloadConfig


def rebuild_release(
    order: RebuildOrder, fetch: Callable[[RebuildWork], dict[str, Any]], reporter: Reporter | None = None
) -> dict[str, Any]:
    """Check a release, then rebuild it as far as it is not rebuilt yet.

    Args:
        order: what is to be rebuilt.
        fetch: does what has something to fetch; nothing else needs it.
        reporter: where progress is shown.

    Returns:
        What `split.json` says.

    Raises:
        BadInput: the release, the split's folder or a setting is wrong.
        Corrupt: a file of the release is not what it was.
        Unavailable: the Hub or the proxy does not answer.
    """
    reporter, out = reporter or Reporter(), order.out
    config = SplitConfig(policy=policy_of(out, order.policy))
    written = ExportConfig(format=order.format) if order.format is not None else None
    checked = check_release(locate_release(str(order.release), reporter))
    vectors = None
    if order.encoder is not None:
        from relaionet.pipeline.embeddings.encoders import load_encoder

        vectors = read_vectors(checked, load_encoder(order.encoder))
    with hold_folder(out):
        plan = plan_split(
            checked, config, out, retry=order.retry, verify=order.verify, images=order.images, vectors=vectors,
            archive=order.archive, withdrawn=find_withdrawals(checked, order.withdrawn),
        )  # fmt: skip
        if plan.chunks or plan.archive_questions_count:
            if plan.images is None:
                check_reach(plan.release, order.download)
            told = fetch(RebuildWork(run=Run(root=out, reporter=reporter), plan=plan, download=order.download))
        else:  # no flow: a server for it would take longer than the work
            told = judge_anew(reporter, plan)
        if written is not None:
            from relaionet.flows.export import write_export

            write_export(out, written, order.format_out or out.with_name(f"{out.name}-{written.format}"), reporter)
    return told


def find_withdrawals(release: Release, place: Path | None) -> pl.DataFrame | None:
    """WITHDRAWN of a list that was named, and of the versions of a release that lie beside it.

    Args:
        release: what is rebuilt.
        place: of the list; None where none was named.
    """
    beside = carried_withdrawals(release.path.parent, release.info.name)
    return join_withdrawals(read_withdrawals(place) if place is not None else None, beside)


def check_reach(release: Release, download: DownloadConfig) -> None:
    """Say before anything is started what would make every download fail.

    Raises:
        BadInput: the proxy is no address, or the miniature, which no real web holds, is asked for without one.
        Unavailable: the proxy does not answer.
    """
    from relaionet.pipeline.miniature.rows import HOST

    check_proxy(download)
    proxied = download.proxy is not None or "http" in web_proxies()
    if not proxied and release.manifest["url"].str.starts_with(f"{HOST}/").any():
        raise BadInput(
            "the miniature's pictures are on no real web. Serve them with `relaionet miniature serve` in another "
            "terminal, then add --proxy and the address it prints."
        )


def locate_release(release: str, reporter: Reporter) -> Path:
    """The folder of a release; one on the Hugging Face Hub is fetched and checked first."""
    if check_place(release, "release", "RELEASE") == LOCAL:
        return local_path(release, "RELEASE")
    from relaionet.pipeline.machine import find_home
    from relaionet.pipeline.splits.hub_release import fetch_release

    found = fetch_release(release, find_home() / "releases")
    reporter.say(f"Fetched {release}: every byte is as listed; kept in {found}")
    return found


def judge_anew(reporter: Reporter, plan: SplitPlan) -> dict[str, Any]:
    """Do a plan that fetches nothing, and say what came of it."""
    say_plan(reporter, plan)
    started = time.perf_counter()
    carry_out(plan, DownloadConfig())
    told: dict[str, Any] = read_json_object(plan.out / INFO_FILE)
    seconds, done = time.perf_counter() - started, plan.table is not None
    reporter.counts("rebuild", told["rows_count"], told["verdicts"], seconds, done=done)
    say_split(reporter, told, plan.out)
    return told


def policy_of(out: Path, asked: str | None) -> Policy:
    """The policy asked for, else that of the split that is there, else `same_picture`."""
    if asked is not None:
        return cast(Policy, asked)
    held = read_json_object(out / INFO_FILE) if (out / INFO_FILE).is_file() else None
    found = held.get("policy") if isinstance(held, dict) else None
    return cast(Policy, found) if found in POLICIES else "same_picture"
