"""Parquet with the images' bytes inside: what `datasets`, the Hub's viewer, polars and pyarrow read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.manifests.replacing import replacing
from relaionet.pipeline.exports.croissant import column_fields, field, file_object, file_set, record_set
from relaionet.pipeline.exports.features import TEXTS, arrow_schema, table_lines
from relaionet.pipeline.exports.format import CroissantParts, ExportFormat

if TYPE_CHECKING:
    from relaionet.pipeline.exports.pictures import ExportedPicture

# readers that want one row read its whole row group
GROUP_ROWS, GROUP_BYTES = 100, 32 * 2**20


class ParquetWriter:
    """Writes parquet shards of small row groups."""

    def file_name(self, number: int, count: int) -> str:
        """Such as `data/test-00000-of-00012.parquet`."""
        return f"data/test-{number:05d}-of-{count:05d}.parquet"

    def write_shard(self, out: Path, file: Path, pictures: Iterator[ExportedPicture]) -> None:
        """Write one parquet file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = arrow_schema("image")
        # images are compressed already; dictionaries of hashes only cost
        compression = {"image.bytes": "none", "image.path": "zstd", "label": "zstd"} | dict.fromkeys(TEXTS, "zstd")
        compression["wnids.list.element"] = "zstd"
        with replacing(file) as part, part.open("wb") as target:
            with pq.ParquetWriter(
                target, schema, compression=compression, use_dictionary=["label", "wnid", "class_name"],
                write_page_index=True,
            ) as writer:  # fmt: skip
                for group in _groups(pictures):
                    writer.write_table(pa.Table.from_pylist([_row(picture) for picture in group], schema))
            target.flush()
            os.fsync(target.fileno())

    def finish(self, out: Path, shards: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Nothing lists the shards but `export.json`."""
        return shards


def _row(picture: ExportedPicture) -> dict[str, Any]:
    path = f"{picture.wnid}/{picture.candidate_id}.{picture.format}"
    told = {name: getattr(picture, name) for name in TEXTS} | {"wnids": picture.classes}
    return {"image": {"bytes": picture.data, "path": path}, "label": picture.class_index} | told


def _groups(pictures: Iterator[ExportedPicture]) -> Iterator[list[ExportedPicture]]:
    held: list[ExportedPicture] = []
    held_bytes = 0
    for picture in pictures:
        held.append(picture)
        held_bytes += len(picture.data)
        if len(held) >= GROUP_ROWS or held_bytes >= GROUP_BYTES:
            yield held
            held, held_bytes = [], 0
    if held:
        yield held


def _describe(info: Mapping[str, Any]) -> CroissantParts:
    objects = [file_object(shard, "application/x-parquet") for shard in info["shards"]]
    source = {"fileSet": {"@id": "shards"}}
    image = {**source, "extract": {"column": "image"}, "transform": {"jsonPath": "bytes"}}
    fields = [field("images", "image", image, "sc:ImageObject"), *column_fields("images", source, classes=True)]
    shards = file_set("shards", "data/*.parquet", "application/x-parquet")
    return CroissantParts(
        distribution=[*objects, shards], record_sets=[record_set("images", "candidate_id", fields)]
    )  # fmt: skip


FORMAT = ExportFormat(
    name="parquet",
    about="the images' bytes in parquet, what Hugging Face datasets and the Hub like best",
    layout={"data/test-00000-of-00012.parquet": "images, labels and hashes"},
    read_with='`load_dataset("DIR")`, `load_dataset("parquet", data_files=…)`, polars, the Hub\'s viewer',
    writer=lambda _digest: ParquetWriter(),
    data_files=("data/*.parquet",),
    features=table_lines,
    how_to_read="""    datasets.load_dataset("<this folder>", split="test")
    polars.scan_parquet("<this folder>/data/*.parquet")      # image: struct of bytes and path""",
    hashes="Each image's sha256 stands beside it, each shard's in `export.json`.",
    croissant=_describe,
    aliases=("hf",),
    order=30,
)
