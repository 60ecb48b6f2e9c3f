"""Image folder by wnid with a metadata file, so that label ids are class_index even where classes are missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.manifests.files import file_sha256
from relaionet.manifests.replacing import replacing
from relaionet.pipeline.exports.croissant import (
    IMAGE_ENCODINGS,
    column_fields,
    field,
    file_object,
    file_set,
    image_field,
    record_set,
)
from relaionet.pipeline.exports.features import TEXTS, arrow_schema, table_lines
from relaionet.pipeline.exports.format import CroissantParts, ExportFormat

if TYPE_CHECKING:
    import pyarrow as pa

    from relaionet.pipeline.exports.pictures import ExportedPicture

IMAGES_FOLDER = "images"
METADATA = f"{IMAGES_FOLDER}/metadata.parquet"


class ImageFolderWriter:
    """Writes image files; a shard's list of them stands in for it until the end."""

    def file_name(self, number: int, count: int) -> str:
        """The list of a shard's files."""
        return f".receipts/{number:05d}.parquet"

    def write_shard(self, out: Path, file: Path, pictures: Iterator[ExportedPicture]) -> None:
        """Place the files of one shard, then list them."""
        rows = []
        for picture in pictures:
            name = f"{picture.wnid}/{picture.candidate_id}.{picture.format}"
            _place(picture, out / IMAGES_FOLDER / name, file.parent)
            told = {text: getattr(picture, text) for text in TEXTS} | {"wnids": picture.classes}
            rows.append({"file_name": name, "label": picture.class_index} | told)
        write_metadata(file, rows)

    def finish(self, out: Path, shards: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Join the lists into `images/metadata.parquet`."""
        import pyarrow.parquet as pq

        file = out / METADATA
        _write_tables(file, (pq.read_table(out / shard["file"]) for shard in shards))
        told = {"file": METADATA, "rows_count": sum(shard["rows_count"] for shard in shards)}
        return [told | {"bytes_count": file.stat().st_size, "sha256": file_sha256(file)}]


def find_missing(out: Path) -> list[str]:
    """Images that a finished folder lists and does not hold, relative to it."""
    import pyarrow.parquet as pq

    names = pq.read_table(out / METADATA, columns=["file_name"])["file_name"].to_pylist()
    return [f"{IMAGES_FOLDER}/{name}" for name in names if not (out / IMAGES_FOLDER / name).is_file()]


def write_metadata(file: Path, rows: list[dict[str, Any]]) -> None:
    """Write a folder's list of images with their labels, atomically.

    Args:
        file: to write.
        rows: file_name (relative to the file's folder), label, the columns of `features.TEXTS` and wnids.
    """
    import pyarrow as pa

    _write_tables(file, [pa.Table.from_pylist(rows, arrow_schema("file_name"))])


def _write_tables(file: Path, tables: Iterable[pa.Table]) -> None:
    import pyarrow.parquet as pq

    with replacing(file) as part, part.open("wb") as target:
        with pq.ParquetWriter(target, arrow_schema("file_name"), compression="zstd") as writer:
            for table in tables:
                writer.write_table(table)
        target.flush()
        os.fsync(target.fileno())


def _place(picture: ExportedPicture, target: Path, within: Path) -> None:
    """Link the split's file where the bytes are the same, write them where not; whole or not at all."""
    with replacing(target, within=within) as part:
        if picture.stored_sha256 != picture.image_sha256:
            part.write_bytes(picture.data)
            return
        try:
            os.link(picture.path, part)
        except OSError:  # another disk, or a file system without links
            shutil.copyfile(picture.path, part)


def _describe(info: Mapping[str, Any]) -> CroissantParts:
    metadata = info["shards"][0]
    rows, files = {"fileObject": {"@id": metadata["file"]}}, {"fileSet": {"@id": "image-files"}}
    name = field("images", "file_name", {**rows, "extract": {"column": "file_name"}})
    path = field("files", "path", {**files, "extract": {"fileProperty": "fullpath"}})
    return CroissantParts(
        distribution=[
            file_object(metadata, "application/x-parquet"),
            file_set("image-files", "images/n*/*", IMAGE_ENCODINGS),
        ],
        record_sets=[
            record_set("images", "candidate_id", [name, *column_fields("images", rows, classes=True)]),
            record_set("files", "path", [path, image_field("files", "image-files")]),
        ],
    )


FORMAT = ExportFormat(
    name="imagefolder",
    about="folders by wnid",
    layout={
        "images/<wnid>/<candidate_id>.<ext>": "images; links to the split's where the disk allows",
        METADATA: "labels and hashes",
    },
    read_with='`datasets.load_dataset("DIR")`, `load_dataset("imagefolder", data_dir="DIR/images")`, '
    "torchvision's `ImageFolder`",
    writer=lambda _digest: ImageFolderWriter(),
    data_files=(METADATA, "images/*/*"),
    features=table_lines,
    how_to_read="""    datasets.load_dataset("<this folder>", split="test")
    torchvision.datasets.ImageFolder("<this folder>/images")

torchvision's own ids are places among the folders that are there; its `classes` are the wnids.""",
    hashes=f"Each image's sha256 is in `{METADATA}`.",
    croissant=_describe,
    find_missing=find_missing,
    order=10,
)
