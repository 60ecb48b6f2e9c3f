"""`relaionet rebuild RELEASE --check`: how much of a release is alive, from a sample, before anything is rebuilt."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.flows.rebuilding import RebuildOrder, check_reach, find_withdrawals, locate_release
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, read_json_object, write_json
from relaionet.manifests.release.release import Release, check_release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import CHECKED, DOWNLOADS, shape_table
from relaionet.manifests.words import say_count
from relaionet.pipeline.addresses.parse import RefusedUrl, parse_url
from relaionet.pipeline.splits.build import carry_out
from relaionet.pipeline.splits.plan import INFO_FILE as SPLIT_FILE
from relaionet.pipeline.splits.plan import SplitConfig, plan_split

VERSION = "1"
INFO_FILE, WORK_FOLDER = "check.json", ".check"
ALIVE_STATUSES = ("exact", "same_picture")
SHOWN, TAIL = 5, 0.025


@dataclass(frozen=True, kw_only=True)
class CheckConfig:
    """Which rows are looked at.

    Attributes:
        count: rows, drawn at random with equal chances (simple random sampling); all where there are fewer.
        seed: of the draw; the same seed draws the same rows of a release, so that several checks tell of the same.
    """

    count: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count <= 0:
            raise BadInput(f"count = {self.count}: expected more than 0.")


def run_check(order: RebuildOrder, config: CheckConfig, reporter: Reporter | None = None) -> dict[str, Any]:
    """Fetch a sample of a release's rows, judge them, and say how much of the whole is alive; no picture is kept.

    Args:
        order: the release, `out` for the table, and how it is fetched; a run that was stopped goes on.
        config: which rows.
        reporter: where it is said.

    Returns:
        What `check.json` says: release, release_digest, seed, sample_count, rows_count, alive_count, alive_frac, low
        and high (95 %), verdicts, and hosts with most rows.

    Raises:
        BadInput: the folder holds something else, or the release is wrong.
        Unavailable: the network is out of reach.
    """
    reporter, out = reporter or Reporter(), order.out
    release = check_release(locate_release(str(order.release), reporter))
    with hold_folder(out):
        told = _read_done(out, release, config)
        if told is None:
            check_reach(release, order.download)
            told = _check_rows(release, order, config, reporter)
    say_check(reporter, told, out)
    return told


def draw_sample(release: Release, config: CheckConfig) -> pl.DataFrame:
    """MANIFEST rows of a simple random sample, in the manifest's order.

    Args:
        release: what is looked at.
        config: how many, by which seed.
    """
    # by a hash of each id, so that a later version, whose other rows are the same, gives the same sample
    ids = release.manifest["candidate_id"].to_list()
    drawn = sorted(ids, key=lambda one: sha256(f"{config.seed} {one}".encode()).digest())[: config.count]
    return release.manifest.filter(pl.col("candidate_id").is_in(drawn))


def estimate_alive(alive_count: int, sample_count: int, rows_count: int) -> tuple[float, float, float]:
    """Share of the whole that is alive, with its 95 % interval.

    Args:
        alive_count: of the sample.
        sample_count: rows drawn without putting back.
        rows_count: of the whole.

    Returns:
        Share, lower and upper end, 0 to 1; all three the same where every row was looked at.

    Source: exact, by inverting the tails of the hypergeometric distribution (Buonaccorsi 1987, "A note on confidence
        intervals for proportions in finite populations"); it holds the truth at least as often as it says.
    """
    import numpy as np
    from scipy.stats import hypergeom

    if not sample_count:
        return 0.0, 0.0, 1.0
    dead_count = sample_count - alive_count
    # whatever the rest is, what was seen is known
    possible = np.arange(alive_count, rows_count - dead_count + 1)
    as_many = hypergeom.sf(alive_count - 1, rows_count, possible, sample_count)
    as_few = hypergeom.cdf(alive_count, rows_count, possible, sample_count)
    held = possible[(as_many > TAIL) & (as_few > TAIL)]
    return alive_count / sample_count, float(held[0] / rows_count), float(held[-1] / rows_count)


def _read_done(out: Path, release: Release, config: CheckConfig) -> dict[str, Any] | None:
    """`check.json` of the same check; None where it is not finished."""
    if (out / SPLIT_FILE).exists():
        raise BadInput(f"{out} holds a split; name a folder of its own for the check: --out CHECK.")
    if not (out / INFO_FILE).is_file():
        others = [path.name for path in out.iterdir() if not path.name.startswith(".")] if out.is_dir() else []
        if set(others) - {CHECKED.name}:
            raise BadInput(f"{out} holds something that is no check; choose another folder.")
        return None
    told = read_json_object(out / INFO_FILE)
    same = {"release_digest": release.info.digest, "seed": config.seed, "asked_count": config.count}
    if any(told.get(key) != value for key, value in same.items()):
        raise BadInput(f"{out} holds a check of another release, size or seed; choose another folder.")
    return told


def _check_rows(release: Release, order: RebuildOrder, config: CheckConfig, reporter: Reporter) -> dict[str, Any]:
    out, work = order.out, order.out / WORK_FOLDER
    sample = draw_sample(release, config)
    reporter.headline(
        f"Check {release.info.full_name}: {sample.height:,} of {say_count(release.manifest.height, 'row')}"
    )
    plan = plan_split(
        replace(release, manifest=sample), SplitConfig(), work, archive=order.archive, retry=order.retry,
        withdrawn=find_withdrawals(release, order.withdrawn),
    )  # fmt: skip
    with reporter.bar("check", plan.rows_count) as advance:
        table = carry_out(plan, order.download, advance)
    last = Store(work).read_all(DOWNLOADS).group_by("candidate_id").agg(checked_at=pl.col("fetched_at").max())
    hosts = pl.Series("host", [_host_of(url) for url in sample["url"]], dtype=pl.String)
    rows = table.join(last, on="candidate_id", how="left", maintain_order="left").join(
        sample.select("candidate_id", hosts), on="candidate_id", how="left", maintain_order="left"
    )
    rows = rows.with_columns(is_alive=pl.col("status").is_in(ALIVE_STATUSES) & pl.col("archived_at").is_null())
    rows = shape_table(rows, CHECKED)
    Store(out).write(rows, CHECKED, digest_of(VERSION, release.info.digest, config))
    told = describe_check(rows, release, config)
    write_json(out / INFO_FILE, told)
    shutil.rmtree(work)
    return told


def _host_of(url: str | None) -> str | None:
    try:
        return parse_url(url).host if url is not None else None
    except RefusedUrl:
        return None


def describe_check(rows: pl.DataFrame, release: Release, config: CheckConfig) -> dict[str, Any]:
    """What `check.json` says.

    Args:
        rows: CHECKED.
        release: what was looked at.
        config: how.
    """
    alive_count = int(rows["is_alive"].sum())
    share, low, high = estimate_alive(alive_count, rows.height, release.manifest.height)
    hosts = rows.group_by("host").agg(pl.len().alias("rows_count"), pl.col("is_alive").sum().alias("alive_count"))
    first, last = rows["checked_at"].min(), rows["checked_at"].max()
    return {
        "release": release.info.full_name, "release_digest": release.info.digest, "seed": config.seed,
        "asked_count": config.count, "sample_count": rows.height, "rows_count": release.manifest.height,
        "alive_count": alive_count, "alive_frac": share, "low": low, "high": high,
        "sampling": "simple random, without putting back", "interval": "exact 95 %, for a finite population",
        "verdicts": dict(rows.group_by("status").len().sort("status").iter_rows()),
        "hosts": hosts.sort("rows_count", "host", descending=[True, False]).head(20).to_dicts(),
        "checked": [str(first) if first is not None else None, str(last) if last is not None else None],
    }  # fmt: skip


def say_check(reporter: Reporter, told: dict[str, Any], out: Path) -> None:
    """The share alive with its interval, the verdicts, the hosts most rows are on."""
    parts = " + ".join(f"{count:,} {status}" for status, count in told["verdicts"].items()) or "0 rows"
    reporter.say(f"  sample      {told['sample_count']:>7,} = {parts}")
    ends = f"{told['low']:.1%} to {told['high']:.1%}"
    reporter.say(
        f"  alive       {told['alive_frac']:>7.1%} of {say_count(told['rows_count'], 'row')}, {ends} "
        f"({told['interval']}; "
        f"{told['sampling']}, seed {told['seed']})"
    )
    for host in told["hosts"][:SHOWN]:
        reporter.say(f"  {'':<12}{host['alive_count']:>7,} of {host['rows_count']:,} on {host['host'] or 'no address'}")
    reporter.say(f"\nRows     {out / CHECKED.name}", f"Core     relaionet release core RELEASE --from {out} --from …")
