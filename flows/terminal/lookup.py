"""What `relaionet lookup` says at its end: the share found, overall and of the classes with least, and what to do."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.release.release import Release
from relaionet.manifests.tables.schema import ALIVE
from relaionet.manifests.words import name_counted
from relaionet.pipeline.lookup.settle import count_found, tell_found

CLASSES_SHOWN = 5
NEXT = {
    "no_picture": "name the folder that holds their pictures with --images",
    "not_near": "look in further places: --in can be given again",
    "changed": "look in further places, or among more of the nearest (--near)",
    "gone": "run again with --retry, or look in further places",
}


def say_lookup(reporter: Reporter, release: Release, lookup: pl.DataFrame, path: Path, classes_file: Path) -> None:
    """Say what was found.

    Args:
        reporter: where to.
        release: what was looked up.
        lookup: LOOKUP of it.
        path: the new release, or the old one where nothing was found.
        classes_file: what was found of each class, in the folder of the lookup.
    """
    told, classes = tell_found(lookup), count_found(lookup)
    sought, found = told["sought"], told["found"]
    share = f" = {found / sought:.1%}" if sought else ""
    several = lookup.filter(pl.col("status") == ALIVE)["other_urls"].list.len().fill_null(0)
    exact = lookup.filter((pl.col("status") == ALIVE) & (pl.col("verdict") == "exact")).height
    reporter.say(f"  {'found':<12}{found:>7,} of {sought:,}{share}; {exact:,} serve the release's own bytes")
    if found:
        reporter.say(f"  {'':<12}{int((several > 0).sum()):>7,} of them at several addresses")
    for status, to_do in NEXT.items():
        count = told["outcomes"].get(status, 0)
        if count:
            reporter.say(f"  {status:<12}{count:>7,} {name_counted(count, 'row')}; {to_do}")
    _say_classes(reporter, classes)
    reporter.say(f"\nEvery row  {classes_file.parent / 'lookup'}; by class: {classes_file}")
    if path == release.path:
        reporter.say(f"Nothing was found, so {release.info.full_name} stays as it is.")
        return
    reporter.say(f"Release    {path}", f"Images     relaionet rebuild {path} --out DIR")


def _say_classes(reporter: Reporter, classes: pl.DataFrame) -> None:
    short = classes.filter(pl.col("found") < pl.col("sought"))
    none = short.filter(pl.col("found") == 0).height
    parts = f"{classes.height - short.height:,} whole + {short.height - none:,} in part + {none:,} without any"
    reporter.say(f"  {'classes':<12}{classes.height:>7,} = {parts}")
    for row in short.sort("share", "class_index").head(CLASSES_SHOWN).iter_rows(named=True):
        reporter.say(f"  {'':<12}{row['found']:>7,} of {row['sought']:,} {row['class_name']} ({row['wnid']})")
