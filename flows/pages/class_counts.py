"""What became of every class between the source and the choice: how many rows name it, and where they were lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import labels_table, read_labels
from relaionet.manifests.tables import ALIVE, CANDIDATES, CHOSEN, TEXT_MATCHES, Table
from relaionet.pipeline.candidates.choice import ChooseConfig, share_out

LOSSES = {
    "two_labels": "naming another class too",
    "repeated": "with the URL of an earlier row",
    "too_small": "too small",
    "unsafe": "unsafe by the source's word",
    "watermark": "watermarked by the source's word",
    "bad_url": "without a usable URL",
    "bad_text": "with a caption that is no clean text",
    "dissimilar": "about something else",
    "ambiguous": "of a word with several meanings that the text does not decide",
    "over_budget": "over the budget",
}
"""Status -> what it means for a class' rows, in the order they are said."""
IN_ORDER_FRAC = 0.9


def count_classes(run: Run, config: ChooseConfig) -> pl.DataFrame:
    """Count the rows of each of the 1000 classes from the source to the choice.

    Args:
        run: a run whose choice is made.
        config: its budgets, for what a class falls short of.

    Returns:
        1000 rows in class order: class_index, wnid, name; named (rows whose caption names the class, alone or with
        others), possible (rows with a word that may mean it), sought (rows that only a search found); one column for
        each of `LOSSES`; available (rows the choice could take), chosen, budget (rows asked for; null where all are
        taken), short (budget minus chosen), why (in words; null where nothing is short).
    """
    parts = [_count_candidates(run), _count_statuses(run, TEXT_MATCHES), _count_statuses(run, CHOSEN)]
    counted = pl.concat(parts).group_by("wnid", "what").agg(pl.col("rows").sum())
    wide = counted.pivot("what", index="wnid", values="rows", maintain_order=False)
    classes = labels_table().select("class_index", "wnid", "name").join(wide, on="wnid", how="left").sort("class_index")
    names = ["named", "possible", "sought", *LOSSES, "chosen"]
    missing = [pl.lit(None, dtype=pl.Int64).alias(name) for name in names if name not in classes.columns]
    classes = classes.with_columns(missing).with_columns(pl.col(names).fill_null(0).cast(pl.Int64))
    classes = classes.with_columns(available=pl.col("chosen") + pl.col("over_budget"))
    classes = classes.with_columns(pl.Series("budget", _budgets(classes, config), dtype=pl.Int64))
    short = (pl.col("budget") - pl.col("chosen")).clip(lower_bound=0)
    classes = classes.with_columns(short=short.fill_null(0))
    why = [explain_class(row) for row in classes.iter_rows(named=True)]
    order = ["class_index", "wnid", "name", "named", "possible", "sought", *LOSSES]
    return classes.with_columns(pl.Series("why", why, dtype=pl.String)).select(
        *order, "available", "chosen", "budget", "short", "why"
    )


def _scan(run: Run, table: Table) -> list[pl.LazyFrame]:
    return [pl.scan_parquet(run.store.path(table, shard)) for shard in run.store.shards(table)]


def _count_candidates(run: Run) -> pl.DataFrame:
    """wnid, what, rows: how captions name a class, and the rows lost before the texts were compared."""
    counts = []
    for rows in _scan(run, CANDIDATES):
        classes = {
            "named": pl.when(pl.col("wnid").is_not_null()).then(pl.concat_list("wnid")).otherwise("other_wnids"),
            "possible": pl.col("possible_wnids"),
            "sought": pl.when(~pl.col("found_by").list.contains("lemma")).then("sought_wnids"),
        }
        for what, wnids in classes.items():
            named = rows.select(wnids.alias("wnid"), "status").explode("wnid").drop_nulls("wnid")
            counts.append(named.group_by("wnid").len("rows").with_columns(pl.lit(what).alias("what")))
            if what == "named":
                lost = named.filter(pl.col("status") != ALIVE).rename({"status": "what"})
                counts.append(lost.group_by("wnid", "what").len("rows"))
    return _sum(counts)


def _count_statuses(run: Run, table: Table) -> pl.DataFrame:
    """wnid, what, rows: rows of each class by their status; those alive count as chosen in the choice alone."""
    counts = []
    for rows in _scan(run, table):
        what = pl.when(pl.col("status") == ALIVE).then(pl.lit("chosen")).otherwise("status").alias("what")
        counted = rows.drop_nulls("wnid").group_by("wnid", what).len("rows")
        counts.append(counted if table is CHOSEN else counted.filter(pl.col("what") != "chosen"))
    return _sum(counts)


def _sum(counts: list[pl.LazyFrame]) -> pl.DataFrame:
    schema = {"wnid": pl.String, "what": pl.String, "rows": pl.Int64}
    frames = [frame.select("wnid", "what", pl.col("rows").cast(pl.Int64)) for frame in counts]
    together = pl.concat([pl.LazyFrame(schema=schema), *frames])
    return together.group_by("wnid", "what").agg(pl.col("rows").sum()).collect(engine="streaming")


def _budgets(classes: pl.DataFrame, config: ChooseConfig) -> list[int | None]:
    """Rows asked for of each class: its own budget, or the share it would have if every class had enough."""
    if config.per_class_count is not None or config.total_count is None:
        return [config.per_class_count] * classes.height
    if config.shape == "proportional":
        return [None] * classes.height
    enough = share_out(dict.fromkeys(classes["wnid"], config.total_count), config)
    return [enough[wnid] for wnid in classes["wnid"]]


def explain_class(row: Mapping[str, object]) -> str | None:
    """Why a class has fewer rows than asked for, or none at all; None where it has what was asked for."""
    if not row["short"] and row["chosen"]:
        return None
    named, possible, sought = (row[key] for key in ("named", "possible", "sought"))
    found = [f"{named:,} caption{'s name' if named != 1 else ' names'} it" if named else "no caption names it"]
    if possible:
        found.append(f"{possible:,} use{'s' if possible == 1 else ''} a word that may mean it")
    if sought:
        found.append(f"{sought:,} found by a search")
    lost = [f"{row[status]:,} {words}" for status, words in LOSSES.items() if row[status]]
    return ", ".join(found) + ("; lost: " + ", ".join(lost) if lost else "")


def read_published_counts(path: Path) -> dict[str, int]:
    """Read published counts of the classes, to compare ours with.

    Args:
        path: one `name<TAB>count` per line; a name is a wnid or a class' name. A file of 1000 lines in class order is
            read by place, since published lists name some classes otherwise and some twice.

    Returns:
        wnid -> count, of the lines that name a class.

    Raises:
        BadInput: a line is no name and count, or hardly any line names a class.
    """
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    labels = read_labels()
    known = {label.wnid: label.wnid for label in labels} | {label.name.casefold(): label.wnid for label in labels}
    names = [line.rpartition("\t")[0].strip().casefold() for line in lines]
    same = sum(name in (label.name.casefold(), label.wnid) for name, label in zip(names, labels, strict=False))
    in_order = len(lines) == len(labels) and same >= IN_ORDER_FRAC * len(labels)
    counts: dict[str, int] = {}
    for place, line in enumerate(lines):
        name, tab, number = line.rpartition("\t")
        if not tab or not number.strip().isdigit():
            raise BadInput(f"{path}, line {place + 1}: expected a name, a tab and a count; found '{line[:60]}'.")
        wnid = labels[place].wnid if in_order else known.get(name.strip().casefold())
        if wnid is not None:
            counts[wnid] = int(number)
    if 2 * len(counts) < len(lines):
        raise BadInput(f"{path}: only {len(counts)} of {len(lines)} names are ImageNet classes.")
    return counts
