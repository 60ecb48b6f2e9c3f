"""The flow `adopt`: an image set on this disk becomes a release; a stopped run continues where it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.labels import find_label
from relaionet.manifests.places import local_path
from relaionet.manifests.release.release import make_release
from relaionet.manifests.release.sentences import plain_text
from relaionet.manifests.store import Store, write_parquet
from relaionet.manifests.tables.adoption import ADOPTED, PICTURES
from relaionet.manifests.tables.schema import check_table, count_statuses
from relaionet.pipeline.adoption.adopt import (
    AdoptConfig,
    Adoption,
    explain_unclear,
    label_pictures,
    make_adopted_manifest,
    plan_adoption,
)
from relaionet.pipeline.adoption.mapping import write_template
from relaionet.pipeline.images import files as picture_files
from relaionet.pipeline.images.files import Place, read_pictures

SHOWN = 5


def run_adopt(
    source: Path,
    out: Path,
    config: AdoptConfig,
    about: Mapping[str, str] | None = None,
    reporter: Reporter | None = None,
) -> Path:
    """Make a release of an image set.

    Args:
        source: folder of the set; only read.
        out: folder of releases. What was read is kept in `<out>/.adopt-<name>`, so that another mapping file or a
            stopped run reads nothing twice.
        config: how.
        about: `licence`, `cite` and `homepage` of the set, for the card.
        reporter: where progress is shown.

    Returns:
        Folder of the release. What became of every file is in `<release>.adopted.parquet` beside it.

    Raises:
        BadInput: folders whose class nobody knows (a mapping file to fill in is written), or nothing to adopt.
    """
    reporter, out = reporter or Reporter(), local_path(out, "out")
    adoption = plan_adoption(source, config)
    reporter.headline(f"Adopt {source} as {config.name}")
    reporter.say(f"  layout      {adoption.layout.words}")
    say_mapping(reporter, adoption)
    if adoption.unclear:
        file = write_template(out, config.name, adoption.unclear, adoption.mapping)
        raise BadInput(
            f"{explain_unclear(adoption)}\nNothing was adopted. Say which class each is in {file} (or `skip`), then "
            f"run the same command with --mapping {file}"
        )
    with hold_folder(out / f".adopt-{config.name}"):
        store = Store(out / f".adopt-{config.name}")
        pictures = read_set(store, adoption, config, reporter)
        adopted = check_table(label_pictures(pictures, adoption), ADOPTED)
        manifest = make_adopted_manifest(pictures, adopted)
        say_adopted(reporter, adopted)
        if manifest.is_empty():
            raise BadInput(f"{source}: no picture of it can be adopted; the lines above say why.")
        path = make_release(manifest, out, name=config.name, notes=make_notes(adoption, about or {}))
    report = path.with_name(f"{path.name}.adopted.parquet")
    write_parquet(report, adopted)
    reporter.say(f"\nRelease: {path}", f"Every file: {report}")
    reporter.say(f"Images:  relaionet rebuild {path} --images {source} --out DIR")
    return path


def read_set(store: Store, adoption: Adoption, config: AdoptConfig, reporter: Reporter) -> pl.DataFrame:
    """PICTURES of a whole set; shards that were read and whose files have not changed since are taken as they are."""
    shards = dict(cut_shards(adoption.places, config.rows_per_shard))
    with reporter.bar("pictures", len(adoption.places)) as advance:
        for shard, places in shards.items():
            stamps = [(place.path, place.stamp) for place in places]
            # threads change nothing that is found
            limits = (config.limits.max_bytes, config.limits.max_pixels)
            digest = digest_of(picture_files.VERSION, str(adoption.source.resolve()), stamps, limits)
            if store.has_table(PICTURES, digest, shard):
                advance(len(places))
                continue
            rows = read_pictures(adoption.source, [place.path for place in places], config.limits, advance)
            store.write(rows, PICTURES, digest, shard=shard)
    store.keep_only(PICTURES, list(shards))
    return store.read_all(PICTURES)


def cut_shards(places: tuple[Place, ...], size: int) -> Iterator[tuple[str, tuple[Place, ...]]]:
    """Parts of a set by name, in order."""
    for number, start in enumerate(range(0, len(places), size)):
        yield f"{number:06d}", places[start : start + size]


def make_notes(adoption: Adoption, about: Mapping[str, str]) -> dict[str, object]:
    """What the release says about where it comes from; nothing of this machine."""
    adopted: dict[str, object] = {"kind": adoption.layout.kind, "layout": adoption.layout.words}
    if adoption.mapping:
        adopted["mapping"] = adoption.mapping
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
    reporter.say(f"  files       {adopted.height:,} = {parts}; {classes:,} classes")
    reasons = adopted.filter(pl.col("reason").is_not_null()).group_by("status", "reason").agg(
        pl.len(), pl.col("path").first()
    )  # fmt: skip
    for status, reason, count, path in reasons.sort("len", "reason", descending=[True, False]).head(SHOWN).iter_rows():
        reporter.say(f"  {status:<11} {count:,} {reason}, first {path}")
    again = adopted.filter(pl.col("same_bytes_as").is_not_null())
    across = again.filter(pl.col("same_bytes_wnid").is_not_null())
    if not again.is_empty():
        reporter.say(f"  same bytes  {again.height:,} files repeat another, {across.height:,} of them in another class")
    for row in across.head(SHOWN).iter_rows(named=True):
        reporter.say(f"              {row['path']} = {row['same_bytes_as']}")
