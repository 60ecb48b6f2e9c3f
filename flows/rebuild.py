"""The flow `rebuild`: a release becomes images again, and every row says what became of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from relaionet.flows.console import Reporter
from relaionet.flows.folder_lock import hold_folder
from relaionet.flows.provenance import write_run_record
from relaionet.flows.stage import Run, as_flow, publish_counts
from relaionet.manifests.release import Release, check_release
from relaionet.manifests.store import read_json
from relaionet.manifests.tables import SPLIT
from relaionet.pipeline.download import DownloadConfig
from relaionet.pipeline.split import SplitConfig, build_split

REASONS_SHOWN = 5


def run_rebuild(
    release: Path, out: Path, *, policy: str, proxy: str | None, threads: int, reporter: Reporter | None = None
) -> Run:
    """Check a release, then rebuild it.

    Args:
        release: folder of a release or of releases.
        out: folder of the split.
        policy: `same_picture` or `exact`.
        proxy: HTTP proxy for the downloads.
        threads: downloads at once.
        reporter: where progress is shown.
    """
    run = Run(root=out, reporter=reporter or Reporter())
    config = SplitConfig(policy=cast(Literal["same_picture", "exact"], policy))
    checked = check_release(release)
    with hold_folder(out):
        rebuild(run, checked, config, DownloadConfig(proxy=proxy, threads=threads))
    run.reporter.say(f"\nImages: {out / 'images'}\nCoverage: {out / 'split.json'}")
    return run


def rebuild(run: Run, release: Release, config: SplitConfig, download: DownloadConfig) -> dict[str, Any]:
    """The flow: a release becomes images again; returns what `split.json` says."""
    return as_flow(
        "rebuild", lambda: fetch_release(run, release, config, download), release=release.info.full_name,
        policy=config.policy, out=str(run.root),
    )  # fmt: skip


def fetch_release(run: Run, release: Release, config: SplitConfig, download: DownloadConfig) -> dict[str, Any]:
    """Fetch every row and judge it."""
    info = release.info
    run.reporter.headline(f"Rebuild {info.full_name}: {info.rows_count:,} rows of {info.classes_count} classes")
    was_done = (run.root / "split.json").exists()
    with run.reporter.bar("rebuild", info.rows_count) as advance:
        build_split(release, config, run.root, download, advance)
    if not was_done:
        run.made.add(SPLIT.name)
        write_run_record(run.root, {"split": config, "download": replace(download, proxy=None)})
    counted = run.count(SPLIT, "rebuild")
    for reason, count in list(counted.reasons.get("gone", {}).items())[:REASONS_SHOWN]:
        run.reporter.say(f"  {'':<12}{count:>7,} {reason}")
    found: dict[str, Any] = read_json(run.root / "split.json")
    kept, share = found["kept_count"], found["coverage_frac"]
    run.reporter.say(f"  kept        {kept:>7,} = {share:.1%} of the release; split digest {found['digest'][:12]}")
    publish_counts(run, "rebuild")
    return found
