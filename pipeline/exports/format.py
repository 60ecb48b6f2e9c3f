"""What an export format is: how a split is laid out for other programs, and what is said about it.

A format is one module of `pipeline/exports/formats/`, named as the format is, with an `ExportFormat` called `FORMAT`.
Another package declares one as an entry point of the group `relaionet.export_formats`, under its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from relaionet.pipeline.exports.pictures import ExportedPicture

SHARD_BYTES = 256 * 2**20


class Writer(Protocol):
    """Writes shards of one format."""

    def file_name(self, number: int, count: int) -> str:
        """File of a shard relative to the export; of a shard of many files, the file that lists them.

        Args:
            number: of the shard, from 0.
            count: of the shards.
        """
        ...

    def write_shard(self, out: Path, file: Path, pictures: Iterator[ExportedPicture]) -> None:
        """Write one shard whole or not at all.

        Args:
            out: folder of the export.
            file: of the shard, as `file_name` says; its folder is there.
            pictures: one after another, so that memory does not grow with the shard.
        """
        ...

    def finish(self, out: Path, shards: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Write what lists the shards.

        Args:
            out: folder of the export.
            shards: file (relative to `out`), rows_count, bytes_count and sha256 of each.

        Returns:
            The files the export consists of, told as shards are.
        """
        ...


class CroissantParts(NamedTuple):
    """What Croissant metadata say of an export's data.

    Attributes:
        distribution: FileObjects and FileSets.
        record_sets: RecordSets whose fields name them.
    """

    distribution: list[dict[str, Any]]
    record_sets: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """One way to lay out a split for other programs.

    Attributes:
        name: what a command names it by, and what `export.json` says (key `form`).
        about: what it is, in a line.
        layout: its files, relative to the export -> what they are.
        read_with: calls that read it, as Markdown.
        writer: makes a writer, given the digest of the export (64 hex digits).
        data_files: globs of what `datasets.load_dataset` is to read, relative to the export.
        features: lines of the card's front matter on the columns, indented by two spaces.
        how_to_read: the card's lines on how to read it, as Markdown.
        hashes: where the sha256 are, a sentence on the card.
        croissant: Croissant parts, given what `export.json` says.
        aliases: further names a command may call it by.
        tags: of the card, besides those of every export.
        shard_bytes: bytes of images per file, about, where nothing is asked for; one image more may be in it.
        find_missing: names what a finished export lists and does not hold, where that is more than `export.json` lists.
        order: place among the formats, lowest first.
    """

    name: str
    about: str
    layout: Mapping[str, str]
    read_with: str
    writer: Callable[[str], Writer]
    data_files: tuple[str, ...]
    features: Callable[[], list[str]]
    how_to_read: str
    hashes: str
    croissant: Callable[[Mapping[str, Any]], CroissantParts]
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    shard_bytes: int = SHARD_BYTES
    find_missing: Callable[[Path], list[str]] | None = None
    order: int = 100
