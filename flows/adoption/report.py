"""What is told of an adoption: on the terminal, beside the release, and in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.versions import make_version
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import write_atomic
from relaionet.manifests.labels import find_label
from relaionet.manifests.release.beside import tell_evidence
from relaionet.manifests.release.sentences import plain_text
from relaionet.manifests.store import csv_bytes, write_parquet
from relaionet.manifests.tables.schema import count_statuses
from relaionet.manifests.words import say_count
from relaionet.pipeline.adoption.adopt import AdoptConfig, Adoption, make_adopted_manifest

SHOWN = 5
STEP = "adopt"


def write_release(
    pictures: pl.DataFrame, adopted: pl.DataFrame, adoption: Adoption, out: Path, config: AdoptConfig,
    notes: Mapping[str, object], reporter: Reporter,
) -> Path:  # fmt: skip
    """Make the release, and write beside it what became of every file.

    Args:
        pictures: PICTURES.
        adopted: ADOPTED.
        adoption: what was to be adopted.
        out: folder of releases.
        config: how.
        notes: from `make_notes`.
        reporter: where it is said.

    Returns:
        Folder of the release.

    Raises:
        BadInput: nothing can be adopted.
    """
    manifest = make_adopted_manifest(pictures, adopted)
    if manifest.is_empty():
        raise BadInput(f"{adoption.shown}: no picture of it can be adopted; the lines above say why.")
    doubles = adopted.filter(pl.col("could_be").is_not_null())
    told = doubles.filter(pl.col("candidate_id").is_not_null()).select(
        "candidate_id", "could_be", "probabilities", "decided_by"
    )
    evidence = tell_evidence(STEP, told) if not told.is_empty() else None
    path = make_version(manifest, out, name=config.name, notes=notes, evidence=evidence)
    report = path.with_name(f"{path.name}.adopted.parquet")
    write_parquet(report, adopted)
    reporter.say(f"\nRelease: {path}", f"Every file: {report}")
    if not doubles.is_empty():
        listed = path.with_name(f"{path.name}.doubles.csv")
        write_atomic(listed, csv_bytes(list_doubles(doubles)))
        reporter.say(f"Could be either: {listed}")
    return path


def list_doubles(doubles: pl.DataFrame) -> pl.DataFrame:
    """The pictures whose folder may mean several classes, for people: one row each, with the probabilities in words."""
    words = []
    for could_be, given in doubles.select("could_be", "probabilities").iter_rows():
        chances = [f" {chance:.3f}" for chance in given] if given is not None else [""] * len(could_be)
        named = zip(could_be, chances, strict=True)
        words.append("; ".join(f"{find_label(wnid).name} ({wnid}){chance}" for wnid, chance in named))
    return doubles.select(
        "path", "folder", "wnid", pl.col("decided_by").fill_null("nothing"), "status", could_be=pl.Series(words)
    )


def make_notes(
    adoption: Adoption, about: Mapping[str, str], chosen: Mapping[str, object] | None = None
) -> dict[str, object]:
    """What the release says about where it comes from; nothing of this machine.

    Args:
        adoption: what was to be adopted.
        about: `licence`, `cite` and `homepage` of the set.
        chosen: of which repository it is, and what looked at pictures that could be either, and how.
    """
    adopted: dict[str, object] = {"kind": adoption.layout.kind, "layout": adoption.layout.words}
    if adoption.mapping:
        adopted["mapping"] = adoption.mapping
    adopted |= chosen or {}
    return {"adopted": adopted} | {key: plain_text(value) for key, value in about.items()}


def say_mapping(reporter: Reporter, adoption: Adoption) -> None:
    """Say what the mapping file changes."""
    for group, wnid in list(adoption.mapping.items())[:SHOWN]:
        says = "left out" if wnid == "skip" else f"{find_label(wnid).name} ({wnid})"
        reporter.say(f"  mapping     {group}: {says}")
    if len(adoption.mapping) > SHOWN:
        reporter.say(f"  mapping     … and {len(adoption.mapping) - SHOWN} more")


def say_adopted(reporter: Reporter, adopted: pl.DataFrame) -> None:
    """Say what became of the files: counts that add up, why some are not in it, and bytes that stand twice."""
    counts = count_statuses(adopted)
    parts = " + ".join(f"{count:,} {status}" for status, count in counts.items())
    classes = adopted["wnid"].drop_nulls().n_unique()
    reporter.say(f"  files       {adopted.height:,} = {parts}; {say_count(classes, 'class')}")
    reasons = adopted.filter(pl.col("reason").is_not_null()).group_by("status", "reason").agg(
        pl.len(), pl.col("path").first()
    )  # fmt: skip
    for status, reason, count, path in reasons.sort("len", "reason", descending=[True, False]).head(SHOWN).iter_rows():
        reporter.say(f"  {status:<11} {count:,} {reason}, first {path}")
    again = adopted.filter(pl.col("same_bytes_as").is_not_null())
    across = again.filter(pl.col("same_bytes_wnid").is_not_null())
    if not again.is_empty():
        repeat = say_count(again.height, "file repeats another", "files repeat another")
        reporter.say(f"  same bytes  {repeat}, {across.height:,} of them in another class")
    for row in across.head(SHOWN).iter_rows(named=True):
        reporter.say(f"              {row['path']} = {row['same_bytes_as']}")
