"""Where a row's picture may be asked for, and which of the answers counts.

A row has its `url`, which has turn 0, and further ones, turns 1, 2, …; an archive's snapshots come after them. Each
is asked only while those before it gave no picture that passes. Every answer is judged alike; the best one counts, and
of equals the first.
"""

from __future__ import annotations

import polars as pl

from relaionet.manifests.tables import ALIVE
from relaionet.pipeline.downloads.archive import LISTED
from relaionet.pipeline.splits.verdicts import VerdictConfig, judge_rows

# of an archive's snapshots; a row has far fewer addresses
FIRST_SNAPSHOT = 1000
KEY = ("candidate_id", "turn")
# fetched but not measured yet: whether further addresses are to be asked is not known
PENDING, UNASKED = "pending", "unasked"
RANKS = {"exact": 0, "same_picture": 1, PENDING: 2, "changed": 3, "gone": 4, UNASKED: 5}
POOR = ("changed", "gone")
OPT_OUT = "X-Robots-Tag|robots.txt"
ARCHIVE_SAID = {"none": "; the archive holds no snapshot of it", "failed": "; the archive did not answer"}


def list_addresses(manifest: pl.DataFrame, snapshots: pl.DataFrame | None = None) -> pl.DataFrame:
    """Every address of every row.

    Args:
        manifest: MANIFEST rows.
        snapshots: SNAPSHOTS rows that are snapshots.

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
    of = snapshots.join(listed.select("candidate_id", "address", "turn"), on=["candidate_id", "address"])
    turn = (FIRST_SNAPSHOT + pl.col("turn") * LISTED + pl.col("rank")).cast(pl.Int32)
    archived = of.select("candidate_id", address="snapshot", turn=turn, archived_at="archived_at")
    return pl.concat([listed, archived]).join(order, on="candidate_id").sort("_row", "turn").drop("_row")


def tell_archive_answers(snapshots: pl.DataFrame) -> pl.DataFrame:
    """What an archive said of each row, all its addresses together.

    Args:
        snapshots: SNAPSHOTS.

    Returns:
        candidate_id and archive_said: `ok` where it holds a snapshot, else `failed` where it gave no answer, else
        `none`; rows it was not asked about are left out.
    """
    said = pl.col("status")
    best = pl.when((said == ALIVE).any()).then(pl.lit(ALIVE)).when((said == "failed").any()).then(pl.lit("failed"))
    return snapshots.group_by("candidate_id").agg(archive_said=best.otherwise(pl.lit("none")))


def find_archive_questions(judged: pl.DataFrame, snapshots: pl.DataFrame, retry: str | None) -> pl.DataFrame:
    """The addresses an archive is to be asked about: those whose answer is gone or changed, of rows with no better one.

    Whoever forbids the use of a picture at an address forbids it for the copies an archive made there.

    Args:
        judged: from `judge_answers`.
        snapshots: SNAPSHOTS, what it said before; where it gave no answer it is asked again.
        retry: `all` asks once more where it held none; anything else does not.

    Returns:
        candidate_id and address, in the order of the rows.
    """
    rows = _open_rows(judged).filter(pl.col("status").is_in(POOR) & (pl.col("turn") < FIRST_SNAPSHOT))
    rows = rows.filter(pl.col("address").is_not_null())
    opted_out = pl.col("fetch_reason").fill_null("").str.contains(OPT_OUT)
    rows = rows.filter(~(opted_out & (pl.col("fetch_status") == "refused")))
    again = ["failed", "none"] if retry == "all" else ["failed"]
    settled = snapshots.filter(~pl.col("status").is_in(again))
    return rows.select("candidate_id", "address").join(
        settled, on=["candidate_id", "address"], how="anti", maintain_order="left"
    )


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
    said = pl.col("archive_said").replace_strict(ARCHIVE_SAID, default="", return_dtype=pl.String).fill_null("")
    archive = pl.when("_snapshots").then(pl.lit("; nor has an archive's snapshot")).otherwise(said)
    return pl.concat_str("reason", others, archive)


def _open_rows(judged: pl.DataFrame) -> pl.DataFrame:
    """The lines of the rows for which no picture has passed, with the rank of the best of each as `_best`."""
    judged = judged.filter(pl.col("withdrawn").is_null())
    best = pl.col("status").replace_strict(RANKS, return_dtype=pl.Int32).min().over("candidate_id")
    return judged.with_columns(_best=best).filter(pl.col("_best").is_in([RANKS[status] for status in POOR]))


def find_next(
    judged: pl.DataFrame, retry: str | None, done: pl.DataFrame | None = None, *, has_folder: bool = False,
    has_archive: bool = False,
) -> pl.DataFrame:  # fmt: skip
    """The next address to ask of each row for which no picture has passed yet.

    Args:
        judged: from `judge_answers`.
        retry: ask once more where nothing came: `passing` where the reason may pass, `all` everywhere; None nowhere.
        done: candidate_id and turn of what this run asked once more already.
        has_folder: pictures come from a folder, where a row is looked for once whatever addresses it has.
        has_archive: an archive's snapshots may be asked too.

    Returns:
        candidate_id, address, turn and kind (`other` for an address not asked before, `archive` for a snapshot,
        `retry`); at most one line per row, in the order of the rows.
    """
    rows = _open_rows(judged)
    if not has_archive:
        rows = rows.filter(pl.col("turn") < FIRST_SNAPSHOT)
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
