"""The sets of a comparison: opened, and their pictures read once each; what was read before is not read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from relaionet.evaluators.comparison.pictures import VERSION, measure_pictures
from relaionet.evaluators.comparison.sources import PictureSource, Source, StatisticsSource, open_source
from relaionet.flows.comparison.order import CompareOrder
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.store import Store
from relaionet.manifests.tables import ALIVE, PRINTS
from relaionet.manifests.words import say_count
from relaionet.pipeline.images.parquet import in_parquet

SHARD_ROWS = 2000
REASONS_SHOWN = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class ReadSet:
    """A set whose pictures were read.

    Attributes:
        source: where they lie.
        prints: PRINTS of those that are pictures, by path.
        wnids: class of each.
        folder: where features of theirs are kept.
        lacks: sentences on what is missing.
    """

    source: PictureSource
    prints: pl.DataFrame
    wnids: list[str]
    folder: Path
    lacks: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Of the pictures and their classes, in whatever order and under whatever names."""
        return digest_of("compared", sorted(zip(self.prints["image_sha256"], self.wnids, strict=True)))


def open_sets(order: CompareOrder) -> tuple[Source, Source]:
    """Both sets, under names that differ; no picture is read.

    Raises:
        BadInput: nothing to compare lies at a place, or neither holds pictures.
        Corrupt: a split or statistics are damaged.
    """
    places = zip((order.one, order.other), order.names, order.labels, strict=True)
    one, other = (open_source(place, name=name, labels=labels) for place, name, labels in places)
    if isinstance(one, StatisticsSource) and isinstance(other, StatisticsSource):
        raise BadInput(
            f"{order.one} and {order.other} are statistics both; `relaionet statistics show` gives their distance."
        )
    if one.name == other.name:
        return replace(one, name=f"{one.name} (A)"), replace(other, name=f"{other.name} (B)")
    return one, other


def is_miniature(sources: Sequence[Source]) -> bool:
    """True where all sets of pictures are splits of the miniature."""
    sets = [source for source in sources if isinstance(source, PictureSource)]
    return bool(sets) and all(source.about.get("notes", {}).get("miniature") is True for source in sets)


def read_set(source: PictureSource, folder: Path, reporter: Reporter) -> ReadSet:
    """Read a set's pictures; those that are none are left out and said.

    Args:
        source: from `open_sets`.
        folder: where what is read is kept.
        reporter: where progress is shown.

    Raises:
        BadInput: hardly any of the files is a picture.
    """
    prints = _read_prints(source, Store(folder), reporter)
    wnids = dict(source.rows.select("path", "wnid").iter_rows())
    broken = prints.filter(pl.col("status") != ALIVE)
    kept = prints.filter(status=ALIVE).sort("path")
    if kept.is_empty():
        raise BadInput(
            f"{source.folder}: none of {say_count(prints.height, 'file')} is a picture; first: {broken['reason'][0]}."
        )
    lacks = list(source.notes)
    if broken.height:
        some = broken.group_by("reason", maintain_order=True).agg(pl.len(), pl.col("path").first())
        told = "; ".join(
            f"{count} {reason}, first {path}" for reason, count, path in some.head(REASONS_SHOWN).iter_rows()
        )
        lacks.append(
            f"{broken.height:,} of {say_count(prints.height, 'file')} of {source.name} are no pictures: {told}."
        )
    return ReadSet(
        source=source, prints=kept, wnids=[wnids[path] for path in kept["path"]], folder=folder, lacks=tuple(lacks)
    )


def _read_prints(source: PictureSource, store: Store, reporter: Reporter) -> pl.DataFrame:
    """PRINTS of all its files, by shards whose files have not changed since they were read."""
    paths = source.rows["path"].to_list()
    shards = {f"{number:06d}": paths[start : start + SHARD_ROWS]
              for number, start in enumerate(range(0, len(paths), SHARD_ROWS))}  # fmt: skip
    with reporter.bar(f"read {source.name}"[:12], len(paths)) as advance:
        for shard, some in shards.items():
            stamps = [(path, *_stamp(source.folder, path)) for path in some]
            digest = digest_of("prints", VERSION, str(source.folder.resolve()), stamps)
            if store.has_table(PRINTS, digest, shard):
                advance(len(some))
                continue
            store.write(measure_pictures(source.folder, some, progress=advance), PRINTS, digest, shard=shard)
    store.keep_only(PRINTS, list(shards))
    return store.read_all(PRINTS)


def _stamp(folder: Path, path: str) -> tuple[int, int]:
    """Length and time of change of the file a picture lies in; of one that is gone, none."""
    file = folder / (path.rpartition("/")[0] if in_parquet(path) else path)
    try:
        about = file.stat()
    except OSError:
        return (0, 0)
    return about.st_size, about.st_mtime_ns
