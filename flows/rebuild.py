"""The flow `rebuild`: a release becomes images again, and every row says what became of it."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.request import getproxies

from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.terminal.rebuild import say_plan, say_split
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json
from relaionet.manifests.release.release import Release, check_release
from relaionet.manifests.tables import DOWNLOADS, SPLIT
from relaionet.pipeline.downloads.fetch import DownloadConfig, check_proxy
from relaionet.pipeline.hub import is_address
from relaionet.pipeline.splits.build import carry_out
from relaionet.pipeline.splits.export import FormConfig
from relaionet.pipeline.splits.plan import INFO_FILE, POLICIES, Policy, SplitConfig, SplitPlan, plan_split
from relaionet.pipeline.splits.vectors import read_vectors

if TYPE_CHECKING:
    from relaionet.flows.runs.run import Run

Retry = Literal["passing", "all"]


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
    form: str | None = None,
    form_out: Path | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Check a release, then rebuild it as far as it is not rebuilt yet.

    Args:
        release: folder of a release or of releases, or `hf://datasets/owner/name[@revision]`.
        out: folder of the split.
        policy: `same_picture` or `exact`; None leaves a split its policy, and gives a new one `same_picture`.
        download: limits and rate limits of fetching.
        retry: also fetch rows that were gone: `passing` those whose reason may pass, `all` every one.
        verify: read every byte of what is there.
        images: folder on this machine that holds the images; None fetches them.
        encoder: name of the encoder whose embeddings the release ships; None compares none.
        form: form the split is written in as well (`FormConfig.form`); None writes none.
        form_out: folder of that form; None is `<out>-<form>`.
        reporter: where progress is shown.

    Returns:
        What `split.json` says.
    """
    reporter = reporter or Reporter()
    config = SplitConfig(policy=policy_of(out, policy))
    written = FormConfig(form=form) if form is not None else None
    checked = check_release(locate_release(str(release), reporter))
    vectors = None
    if encoder is not None:
        from relaionet.pipeline.embeddings.encoders import load_encoder

        vectors = read_vectors(checked, load_encoder(encoder))
    with hold_folder(out):
        plan = plan_split(checked, config, out, retry=retry, verify=verify, images=images, vectors=vectors)
        told = carry_out_plan(reporter, plan, download or DownloadConfig())
        if written is not None:
            from relaionet.flows.export import write_form

            write_form(out, written, form_out or out.with_name(f"{out.name}-{written.form}"), reporter)
    return told


def carry_out_plan(reporter: Reporter, plan: SplitPlan, download: DownloadConfig) -> dict[str, Any]:
    """Do a plan, as a flow where anything is fetched; returns what `split.json` says."""
    if not plan.chunks:  # no flow: a server for it would take longer than the work
        return judge_anew(reporter, plan)
    if plan.images is None:
        check_reach(plan.release, download)
    from relaionet.flows.runs.run import Run

    return do_plan(Run(root=plan.out, reporter=reporter), plan, download)


def check_reach(release: Release, download: DownloadConfig) -> None:
    """Say before anything is started what would make every download fail.

    Raises:
        BadInput: the proxy is no address, or the miniature, which no real web holds, is asked for without one.
        Unavailable: the proxy does not answer.
    """
    from relaionet.pipeline.miniature.rows import HOST

    check_proxy(download)
    proxied = download.proxy is not None or "http" in getproxies()
    if not proxied and release.manifest["url"].str.starts_with(f"{HOST}/").any():
        raise BadInput(
            "the miniature's pictures are on no real web. Serve them with `relaionet miniature serve` in another "
            "terminal, then add --proxy and the address it prints."
        )


def locate_release(release: str, reporter: Reporter) -> Path:
    """The folder of a release; one on the Hugging Face Hub is fetched and checked first."""
    if not is_address(release):
        return Path(release)
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
    told: dict[str, Any] = read_json(plan.out / INFO_FILE)
    seconds, done = time.perf_counter() - started, plan.table is not None
    reporter.counts("rebuild", told["rows_count"], told["verdicts"], seconds, done=done)
    say_split(reporter, told, plan.out)
    return told


def policy_of(out: Path, asked: str | None) -> Policy:
    """The policy asked for, else that of the split that is there, else `same_picture`."""
    if asked is not None:
        return cast(Policy, asked)
    held = read_json(out / INFO_FILE) if (out / INFO_FILE).is_file() else None
    found = held.get("policy") if isinstance(held, dict) else None
    return cast(Policy, found) if found in POLICIES else "same_picture"


def rebuild(run: Run, release: Release, config: SplitConfig, download: DownloadConfig) -> dict[str, Any]:
    """The flow: a release becomes images again; returns what `split.json` says."""
    return do_plan(run, plan_split(release, config, run.root), download)


def do_plan(run: Run, plan: SplitPlan, download: DownloadConfig) -> dict[str, Any]:
    """Do what is left to do, as a flow; returns what `split.json` says."""
    from relaionet.flows.runs.stages import as_flow

    return as_flow(
        "rebuild", lambda: fetch_rows(run, plan, download), release=plan.release.info.full_name,
        policy=plan.config.policy, out=str(run.root),
    )  # fmt: skip


def fetch_rows(run: Run, plan: SplitPlan, download: DownloadConfig) -> dict[str, Any]:
    """Fetch the rows of a plan, judge all rows, and say what came of it."""
    from relaionet.flows.runs.run_record import write_run_record
    from relaionet.flows.runs.stages import publish_counts

    say_plan(run.reporter, plan)
    with run.reporter.bar("fetch", plan.rows_count) as advance:
        carry_out(plan, download, advance)
    if plan.table is None:
        run.made.add(SPLIT.name)
        write_run_record(run.root, {"split": asdict(plan.config), "download": replace(download, proxy=None)})
    told: dict[str, Any] = read_json(run.root / INFO_FILE)
    seconds = sum(receipt.seconds for table in (DOWNLOADS, SPLIT) for receipt in run.store.receipts(table))
    run.note("rebuild", told["rows_count"], told["verdicts"], told["reasons"], seconds, SPLIT.name)
    say_split(run.reporter, told, run.root)
    publish_counts(run, "rebuild")
    return told
