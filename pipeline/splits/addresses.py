"""Where a row's picture may be asked for, and which of the answers counts.

A row has its `url`, which has turn 0, and further ones, turns 1, 2, …; an archive's snapshots come after them. Each
is asked only while those before it gave no picture that passes. Every answer is judged alike; the best one counts, and
of equals the first.
"""

from __future__ import annotations

import polars as pl

from relaionet.manifests.tables import ALIVE
from relaionet.pipeline.splits.verdicts import VerdictConfig, judge_rows

# of an archive's snapshots; a row has far fewer addresses
FIRST_SNAPSHOT = 1000
KEY = ("candidate_id", "turn")
# fetched but not measured yet: whether further addresses are to be asked is not known
PENDING, UNASKED = "pending", "unasked"
RANKS = {"exact": 0, "same_picture": 1, PENDING: 2, "changed": 3, "gone": 4, UNASKED: 5}
POOR = ("changed", "gone")


def list_addresses(manifest: pl.DataFrame, snapshots: pl.DataFrame | None = None) -> pl.DataFrame:
    """Every address of every row.

    Args:
        manifest: MANIFEST rows.
        snapshots: candidate_id, address, turn and archived_at of what archives hold of some rows.

    Returns:
        candidate_id, address, turn and archived_at (null but for snapshots); in the manifest's order, turns
        ascending. A row whose address nobody knows has turn 0 with a null.
    """
    others = pl.col("other_urls").fill_null(pl.lit([], pl.List(pl.String)))
    known = manifest.select("candidate_id", address=pl.concat_list("url", others)).explode("address")
    turn = pl.int_range(pl.len(), dtype=pl.Int32).over("candidate_id")
    listed = known.with_columns(turn=turn, archived_at=pl.lit(None, pl.Datetime("us", "UTC")))
    if snapshots is None or snapshots.is_empty():
        return listed
    order = manifest.select("candidate_id").with_row_index("_row")
    whole = pl.concat([listed, snapshots.select(listed.columns).cast(listed.schema)])  # type: ignore[arg-type]
    return whole.join(order, on="candidate_id").sort("_row", "turn").drop("_row")


def judge_answers(lines: pl.DataFrame, config: VerdictConfig) -> pl.DataFrame:
    """Give the answer of every address its verdict.

    Args:
        lines: as for `judge_rows`, a line per address; fetch_status is null where it was not asked.
        config: thresholds.

    Returns:
        The same lines with status and reason; `pending` where a picture is still to be measured, `unasked` where the
        address was not asked.
    """
    asked, there = pl.col("fetch_status").is_not_null(), pl.col("fetch_status") == ALIVE
    unmeasured = there & pl.col("phash_distance").is_null()
    status = pl.when(~asked).then(pl.lit(UNASKED)).when(unmeasured).then(pl.lit(PENDING)).otherwise("status")
    reason = pl.when(asked & ~unmeasured).then("reason")
    return judge_rows(lines, config).with_columns(status=status, reason=reason)


def choose_answers(judged: pl.DataFrame) -> pl.DataFrame:
    """The answer that counts for each row.

    Args:
        judged: from `judge_answers`, all lines of each row together; those with a true `is_lost`, where there is such
            a column, count for nothing while a row has another.

    Returns:
        One line per row, in the order the rows came in; may_come_back is true where the reason of any address may
        pass, and the reason says where further addresses gave nothing better.
    """
    rank = pl.col("status").replace_strict(RANKS, return_dtype=pl.Int32)
    if "is_lost" in judged.columns:
        rank = rank + pl.col("is_lost").cast(pl.Int32) * len(RANKS)
    failed = pl.col("fetch_status").is_not_null() & (pl.col("fetch_status") != ALIVE)
    rows = judged.with_columns(
        _rank=rank, _row=pl.col("candidate_id").rle_id(),
        _passing=(failed & pl.col("may_come_back").fill_null(value=False)).any().over("candidate_id"),
        _others=_asked(pl.col("turn").is_between(1, FIRST_SNAPSHOT - 1)),
        _snapshots=_asked(pl.col("turn") >= FIRST_SNAPSHOT),
    )  # fmt: skip
    best = rows.sort("_row", "_rank", "turn").unique("_row", keep="first", maintain_order=True)
    poor = best["status"].is_in(POOR)
    return best.with_columns(
        may_come_back=pl.when(pl.col("status") == "gone").then("_passing").otherwise("may_come_back"),
        reason=pl.when(poor).then(_tell_others()).otherwise("reason"),
    ).drop("_rank", "_row", "_passing", "_others", "_snapshots")


def _asked(which: pl.Expr) -> pl.Expr:
    return (which & pl.col("fetch_status").is_not_null()).any().over("candidate_id")


def _tell_others() -> pl.Expr:
    others = pl.when("_others").then(pl.lit("; nor has another address of it the picture")).otherwise(pl.lit(""))
    archive = pl.when("_snapshots").then(pl.lit("; nor an archive")).otherwise(pl.lit(""))
    return pl.concat_str("reason", others, archive)


def find_next(
    judged: pl.DataFrame, retry: str | None, done: pl.DataFrame | None = None, *, has_folder: bool = False
) -> pl.DataFrame:
    """The next address to ask of each row for which no picture has passed yet.

    Args:
        judged: from `judge_answers`.
        retry: ask once more where nothing came: `passing` where the reason may pass, `all` everywhere; None nowhere.
        done: candidate_id and turn of what this run asked once more already.
        has_folder: pictures come from a folder, where a row is looked for once whatever addresses it has.

    Returns:
        candidate_id, address, turn and kind (`other` for an address not asked before, `archive` for a snapshot,
        `retry`); at most one line per row, in the order of the rows.
    """
    best = pl.col("status").replace_strict(RANKS, return_dtype=pl.Int32).min().over("candidate_id")
    rows = judged.with_columns(_best=best).filter(pl.col("_best").is_in([RANKS[status] for status in POOR]))
    unasked, again = pl.col("status") == UNASKED, pl.lit(value=False)
    if retry is not None:
        again = pl.col("status") == "gone"
        again = again if retry == "all" else again & pl.col("may_come_back").fill_null(value=False)
    if has_folder:
        rows = rows.filter(again & (pl.col("_best") == RANKS["gone"])).with_columns(turn=pl.lit(0, pl.Int32))
    else:
        rows = rows.filter((unasked | again) & pl.col("address").is_not_null())
    if done is not None:
        repeated = rows.filter(~unasked).join(done, on=KEY, how="semi").select(KEY)
        rows = rows.join(repeated, on=KEY, how="anti", maintain_order="left")
    new = pl.when(pl.col("turn") >= FIRST_SNAPSHOT).then(pl.lit("archive")).otherwise(pl.lit("other"))
    kind = pl.when(unasked).then(new).otherwise(pl.lit("retry"))
    first = rows.with_columns(kind=kind).unique("candidate_id", keep="first", maintain_order=True)
    return first.select("candidate_id", "address", "turn", "kind")
