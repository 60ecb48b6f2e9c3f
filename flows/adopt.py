"""The flow `adopt`: an image set becomes a release; a stopped run continues where it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from relaionet.flows.adoption.doubles import look_at_doubles
from relaionet.flows.adoption.report import make_notes, say_adopted, say_mapping, write_release
from relaionet.flows.adoption.rows import read_row_set
from relaionet.flows.adoption.sources import open_source
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.versions import take_out_adopted
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.places import local_path
from relaionet.manifests.release.withdrawals import carried_withdrawals
from relaionet.manifests.store import Store
from relaionet.manifests.tables.adoption import ADOPTED, PICTURES
from relaionet.manifests.tables.schema import check_table
from relaionet.pipeline.adoption.adopt import AdoptConfig, Adoption, explain_unclear, label_pictures, plan_adoption
from relaionet.pipeline.adoption.mapping import write_template
from relaionet.pipeline.images import files as picture_files
from relaionet.pipeline.images.files import Place, read_pictures


def run_adopt(
    source: str | Path,
    out: Path,
    config: AdoptConfig,
    about: Mapping[str, str] | None = None,
    reporter: Reporter | None = None,
) -> Path:
    """Make a release of an image set.

    Args:
        source: folder of the set, which is only read, or its address on the Hub, `hf://datasets/owner/name[@revision]`.
        out: folder of releases. What was read is kept in `<out>/.adopt-<name>`, so that another mapping file or a
            stopped run reads nothing twice.
        config: how.
        about: `licence`, `cite` and `homepage` of the set, for the card.
        reporter: where progress is shown.

    Returns:
        Folder of the release. What became of every file is in `<release>.adopted.parquet` beside it.

    Raises:
        BadInput: folders whose class nobody knows (a mapping file to fill in is written), nothing to adopt, or a set of
            the Hub that is not there or not for you.
        Unavailable: the Hub does not answer; what was read stays.
    """
    reporter, out = reporter or Reporter(), local_path(out, "out")
    work = out / f".adopt-{config.name}"
    opened = open_source(source, config, work, reporter)
    planned = None
    if isinstance(opened.place, Path):
        planned = plan_adoption(opened.place, opened.config)
        say_plan(planned, out, config, reporter)
    with hold_folder(work):
        store = Store(work)
        if planned is None:
            pictures, adoption = read_row_set(store, opened.rows, opened.config, reporter)
            say_plan(adoption, out, config, reporter)
        else:
            pictures, adoption = read_set(store, planned, config, reporter), planned
        looked = look_at_doubles(store, pictures, adoption, config, reporter)
        labelled = take_out_adopted(
            label_pictures(pictures, adoption, looked.choices), carried_withdrawals(out, config.name)
        )
        adopted = check_table(labelled, ADOPTED)
        say_adopted(reporter, adopted)
        notes = make_notes(adoption, about or {}, {**opened.notes, **(looked.about or {})})
        path = write_release(pictures, adopted, adoption, out, config, notes, reporter)
    reporter.say(f"Images:  {opened.tell_rebuild(path, adoption.source)}")
    return path


def say_plan(adoption: Adoption, out: Path, config: AdoptConfig, reporter: Reporter) -> None:
    """Say how a set says its classes; where that of a group is not known, write a mapping file to fill in and stop.

    Raises:
        BadInput: there is such a group.
    """
    reporter.headline(f"Adopt {adoption.shown} as {config.name}")
    reporter.say(f"  layout      {adoption.layout.words}")
    say_mapping(reporter, adoption)
    refuse_unclear(adoption, out, config)


def refuse_unclear(adoption: Adoption, out: Path, config: AdoptConfig) -> None:
    """Stop where a group's class is not known; a mapping file to fill in is written.

    Raises:
        BadInput: there is such a group.
    """
    if adoption.unclear:
        file = write_template(out, config.name, adoption.unclear, adoption.mapping)
        raise BadInput(
            f"{explain_unclear(adoption)}\nNothing was adopted. Say which class each is in {file} (or `skip`), then "
            f"run the same command with --mapping {file}"
        )


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
