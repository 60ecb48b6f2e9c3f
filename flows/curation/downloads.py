"""The stage of the flow `curate` that fetches images; what was fetched once, for whatever shard, is taken over."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl

from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run
from relaionet.manifests.files import digest_of
from relaionet.manifests.store import write_parquet
from relaionet.manifests.tables import ALIVE, CANDIDATES, CHOSEN, DOWNLOADS, alive
from relaionet.pipeline.downloads import fetch as download
from relaionet.pipeline.downloads.fetch import WORK_PREFIX, DownloadConfig
from relaionet.pipeline.downloads.no_images import count_failures, explain_no_images, list_failures

# rows fetched once that no shard holds at the moment, by the shard that held them
SET_ASIDE = "downloads_earlier"


def chosen_rows(run: Run, shard: str, *columns: str) -> pl.DataFrame:
    """The rows of a shard that are to be fetched, with further columns of the candidates."""
    rows = alive(run.store.read(CHOSEN, shard)).select("candidate_id")
    about = alive(run.store.read(CANDIDATES, shard)).select("candidate_id", *columns)
    return rows.join(about, on="candidate_id", how="left", maintain_order="left")


def download_shard(run: Run, shard: str, config: DownloadConfig, retry: bool, advance: Advance) -> bool:
    """Stage 4: the bytes of one shard's candidates.

    Args:
        run: the run.
        shard: its name.
        config: limits and rate limits of fetching.
        retry: also ask again for rows of a finished shard that failed and may come back.
        advance: called with the number of rows done since the last call.
    """
    return fetch_shard(run, shard, chosen_rows(run, shard, "url"), config, retry, advance)


def fetch_shard(
    run: Run, shard: str, rows: pl.DataFrame, config: DownloadConfig, retry: bool, advance: Advance
) -> bool:
    """One shard of DOWNLOADS; what any fetch of this run brought is taken over.

    Args:
        run: the run.
        shard: its name.
        rows: candidate_id and url.
        config: limits and rate limits of fetching.
        retry: also ask again for rows of a finished shard that failed and may come back.
        advance: called with the number of rows done since the last call.
    """
    digest = digest_of(rows.rows(), download.same_results(config), download.VERSION)
    if run.store.has_table(DOWNLOADS, digest, shard):
        table = run.store.read(DOWNLOADS, shard)
        lost = not all((run.images / path).is_file() for path in table["path"].drop_nulls())
        if lost or (retry and table["may_come_back"].any()):
            run.store.forget(DOWNLOADS.name, shard)

    def make() -> pl.DataFrame:
        earlier = earlier_downloads(run, rows["candidate_id"])
        table = download.fetch_images(rows, config, run.images, advance, earlier)
        set_aside(run, shard, table["candidate_id"])
        return table

    return run.make(DOWNLOADS, digest, make, shard=shard)


def earlier_downloads(run: Run, ids: pl.Series) -> pl.DataFrame:
    """What is known of some rows from all shards and from what was set aside; the last entry of a row counts."""
    # a row on its way from a shard to the rows set aside stands in both for a moment: shards are read first
    among = pl.col("candidate_id").is_in(ids.implode())
    shards = [_read_rows(path, among) for path in sorted(run.store.path(DOWNLOADS).parent.glob("*.parquet"))]
    spares = [_read_rows(path, among) for path in sorted((run.root / SET_ASIDE).glob("*.parquet"))]
    return pl.concat([*spares, *shards, DOWNLOADS.empty()])


def _read_rows(path: Path, wanted: pl.Expr) -> pl.DataFrame:
    """Rows of a stored table; none where it is of another version, or cannot be read: its own shard will say so."""
    try:
        rows = pl.scan_parquet(path)
        return rows.filter(wanted).collect() if rows.collect_schema() == DOWNLOADS.schema else DOWNLOADS.empty()
    except (pl.exceptions.PolarsError, OSError):
        return DOWNLOADS.empty()


def set_aside(run: Run, shard: str, kept: pl.Series) -> None:
    """Keep what is known of the rows of a shard that it will hold no longer.

    Args:
        run: the run.
        shard: its name; its table is still the old one.
        kept: ids of the rows it goes on to hold.
    """
    path = run.store.path(DOWNLOADS, shard)
    leaving = _read_rows(path, ~pl.col("candidate_id").is_in(kept.implode()) & ~pl.col("may_come_back"))
    if leaving.is_empty():
        return
    spare = run.root / SET_ASIDE / path.name
    rows = pl.concat([_read_rows(spare, pl.lit(True)), leaving]).unique(
        "candidate_id", keep="last", maintain_order=True
    )
    write_parquet(spare, rows)


def set_shards_aside(run: Run, shards: list[str]) -> None:
    """Keep what is known of the rows of all shards but these, which are about to be removed."""
    for shard in set(run.store.shards(DOWNLOADS)) - set(shards):
        set_aside(run, shard, pl.Series([], dtype=pl.String))


def finish_downloads(run: Run) -> None:
    """Remove what fetches under other settings left unfinished; say why rows failed, and how many may come back."""
    for folder in run.images.glob(f"{WORK_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)
    count, failed = 0, []
    for shard in run.store.shards(DOWNLOADS):
        rows = run.store.read(DOWNLOADS, shard, columns=["status", "reason", "may_come_back"])
        count += int(rows["may_come_back"].sum())
        failed.append(count_failures(rows.filter(pl.col("status") != ALIVE)))
    for rows_count, why in list_failures(pl.concat(failed)) if failed else ():
        run.reporter.say(f"  {'':<12}{rows_count:>7,} {why}")
    if count:
        run.reporter.say(f"  {'':<12}{count:>7,} that failed may come back: run again with --retry to ask for them")


def stop_without_images(run: Run) -> None:
    """End a run that has no image to go on with.

    Raises:
        BadInput: no image was fetched; the message says why, and what in the recipe lets them through.
        Unavailable: none was, and all of them may come back.
    """
    columns = ["status", "reason", "may_come_back"]
    failed = []
    for shard in run.store.shards(DOWNLOADS):
        rows = run.store.read(DOWNLOADS, shard, columns=columns)
        if not alive(rows).is_empty():
            return
        failed.append(rows)
    raise explain_no_images(pl.concat([DOWNLOADS.empty().select(columns), *failed]))
