"""What became of every class between the source and the choice: how many rows name it, and where they were lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import labels_table, read_labels
from relaionet.manifests.tables import ALIVE, CANDIDATES, CHOSEN, TEXT_MATCHES
from relaionet.manifests.words import say_count
from relaionet.pipeline.candidates.choice import ChooseConfig, share_out

LOSSES = {
    "two_labels": "naming another class too",
    "repeated": "with the URL of an earlier row",
    "too_small": "too small",
    "unsafe": "unsafe by the source's word",
    "watermark": "watermarked by the source's word",
    "bad_url": "without a usable URL",
    "bad_text": "with a caption that is no clean text",
    "malformed": "of a line that is no row",
    "dissimilar": "about something else",
    "ambiguous": "of a word with several meanings that the text does not decide",
    "over_budget": "over the budget",
}
"""Status -> what it means for a class' rows, in the order they are said."""
FOUND = {
    "named": "captions that name the class, alone or with others",
    "possible": "captions with a word that may mean it",
    "sought": "rows a search found whose caption does neither",
}
"""How rows were found for a class."""
ONWARD = {
    "another_class": "counted for another class",
    "left_to_picture": "left to the picture, as the text does not say which class it shows",
    "chosen": "chosen for this class, to be fetched",
}
"""How rows went on. For every class: those found = those lost + those that went on."""
IN_ORDER_FRAC = 0.9


def count_classes(run: Run, config: ChooseConfig) -> pl.DataFrame:
    """Count the rows of each of the 1000 classes from the source to the choice.

    Args:
        run: a run whose choice is made.
        config: its budgets, for what a class falls short of.

    Returns:
        1000 rows in class order: class_index, wnid, name; a column for each of `FOUND`, of `LOSSES` and of `ONWARD`,
        where found = lost + went on; available (rows the choice could take), budget (rows asked for; null where all
        are taken), short (budget minus chosen), why (in words; null where nothing is short).
    """
    wide = _count_outcomes(run).pivot("what", index="wnid", values="rows", maintain_order=False)
    classes = labels_table().select("class_index", "wnid", "name").join(wide, on="wnid", how="left").sort("class_index")
    names = [*FOUND, *LOSSES, *ONWARD]
    missing = [pl.lit(None, dtype=pl.Int64).alias(name) for name in names if name not in classes.columns]
    classes = classes.with_columns(missing).with_columns(pl.col(names).fill_null(0).cast(pl.Int64))
    classes = classes.with_columns(available=pl.col("chosen") + pl.col("over_budget"))
    classes = classes.with_columns(pl.Series("budget", _budgets(classes, config), dtype=pl.Int64))
    short = (pl.col("budget") - pl.col("chosen")).clip(lower_bound=0)
    classes = classes.with_columns(short=short.fill_null(0))
    why = [explain_class(row) for row in classes.iter_rows(named=True)]
    order = ["class_index", "wnid", "name", *FOUND, *LOSSES, "available", *ONWARD]
    return classes.with_columns(pl.Series("why", why, dtype=pl.String)).select(*order, "budget", "short", "why")


def _count_outcomes(run: Run) -> pl.DataFrame:
    """wnid, what, rows: how rows were found for a class, and what became of each of them: every row has one outcome."""
    counts = [pl.DataFrame(schema={"wnid": pl.String, "what": pl.String, "rows": pl.Int64})]
    for shard in run.store.shards(CANDIDATES):
        rows = _end_of_rows(run, shard)
        for what in ("found", "outcome"):
            counts.append(rows.group_by("wnid", pl.col(what).alias("what")).agg(pl.len().cast(pl.Int64).alias("rows")))
    return pl.concat(counts).group_by("wnid", "what").agg(pl.col("rows").sum())


def _end_of_rows(run: Run, shard: str) -> pl.DataFrame:
    """wnid, found, outcome of the rows of a shard, a line for each class that a row was found for."""
    columns = ["candidate_id", "wnid", "other_wnids", "possible_wnids", "sought_wnids", "status"]
    rows = run.store.read(CANDIDATES, shard, columns=columns).with_row_index("row")
    named = pl.when(pl.col("wnid").is_not_null()).then(pl.concat_list("wnid")).otherwise("other_wnids")
    ways = {"named": named, "possible": pl.col("possible_wnids"), "sought": pl.col("sought_wnids")}
    found = pl.concat(
        rows.select("row", pl.lit(way).alias("found"), wnids.alias("wnid")).explode("wnid").drop_nulls("wnid")
        for way, wnids in ways.items()
    ).unique(["row", "wnid"], keep="first", maintain_order=True)
    # what was turned away earlier is in no later table, and of rows with one URL at most one is in them
    later = rows.filter(pl.col("status") == ALIVE).select("row", "candidate_id")
    for table, names in ((TEXT_MATCHES, {"status": "matched"}), (CHOSEN, {"status": "taken", "wnid": "taken_for"})):
        part = run.store.read(table, shard, columns=["candidate_id", *names]).rename(names)
        later = later.join(part, on="candidate_id", how="left")
    found = found.join(rows.select("row", "status"), on="row").join(later.drop("candidate_id"), on="row", how="left")
    return found.select("wnid", "found", _outcome().alias("outcome"))


def _outcome() -> pl.Expr:
    """What became of a row, told of one class it was found for."""
    return (
        pl.when(pl.col("status") != ALIVE).then("status")
        .when(pl.col("matched") != ALIVE).then("matched")
        .when(pl.col("taken_for").is_not_null() & (pl.col("taken_for") != pl.col("wnid"))).then(pl.lit("another_class"))
        .when(pl.col("taken") != ALIVE).then("taken")
        .when(pl.col("taken_for").is_null()).then(pl.lit("left_to_picture"))
        .otherwise(pl.lit("chosen"))
    )  # fmt: skip


def _budgets(classes: pl.DataFrame, config: ChooseConfig) -> list[int | None]:
    """Rows asked for of each class: its own budget, or the share it would have if every class had enough."""
    if config.per_class_count is not None or config.total_count is None:
        return [config.per_class_count] * classes.height
    if config.shape == "proportional":
        return [None] * classes.height
    enough = share_out(dict.fromkeys(classes["wnid"], config.total_count), config)
    return [enough[wnid] for wnid in classes["wnid"]]


def explain_class(row: Mapping[str, Any]) -> str | None:
    """Why a class has fewer rows than asked for, or none at all; None where it has what was asked for."""
    if not row["short"] and row["chosen"]:
        return None
    named, possible, sought = (row[key] for key in FOUND)
    found = [say_count(named, "caption names it", "captions name it") if named else "no caption names it"]
    if possible:
        found.append(say_count(possible, "uses a word that may mean it", "use a word that may mean it"))
    if sought:
        found.append(f"{sought:,} found by a search")
    lost, on = (
        [f"{row[key]:,} {words}" for key, words in kinds.items() if row[key] and key != "chosen"]
        for kinds in (LOSSES, ONWARD)
    )
    told = [", ".join(found), "lost: " + ", ".join(lost) if lost else "", "went on: " + ", ".join(on) if on else ""]
    return "; ".join(filter(None, told))


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
        raise BadInput(f"{path}: only {len(counts):,} of {say_count(len(lines), 'name')} are ImageNet classes.")
    return counts
