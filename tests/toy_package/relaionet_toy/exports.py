"""The toy package's export format: a folder of pictures and one CSV that lists them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from relaionet.manifests.files import file_sha256, write_atomic
from relaionet.pipeline.exports.croissant import column_fields, field, file_object, record_set
from relaionet.pipeline.exports.features import TEXTS, column_lines
from relaionet.pipeline.exports.format import CroissantParts, ExportFormat
from relaionet.pipeline.exports.pictures import ExportedPicture

LIST = "list.csv"


class CsvWriter:
    """Writes pictures as files, and a CSV of each shard that the whole list is joined of."""

    def file_name(self, number: int, count: int) -> str:
        """The list of a shard's pictures."""
        return f".receipts/{number:05d}.csv"

    def write_shard(self, out: Path, file: Path, pictures: Iterator[ExportedPicture]) -> None:
        """Write the pictures, then list them."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        for picture in pictures:
            name = f"pictures/{picture.candidate_id}.{picture.format}"
            write_atomic(out / name, picture.data)
            rows.writerow([name, picture.class_index, *(getattr(picture, one) for one in TEXTS)])
        write_atomic(file, text.getvalue().encode())

    def finish(self, out: Path, shards: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Join the lists into one."""
        head = ",".join(["file", "label", *TEXTS]) + "\n"
        write_atomic(out / LIST, (head + "".join((out / shard["file"]).read_text() for shard in shards)).encode())
        rows_count = sum(shard["rows_count"] for shard in shards)
        told = {"bytes_count": (out / LIST).stat().st_size, "sha256": file_sha256(out / LIST)}
        return [{"file": LIST, "rows_count": rows_count, **told}]


def describe(info: Mapping[str, Any]) -> CroissantParts:
    """The list and its columns."""
    source = {"fileObject": {"@id": LIST}}
    name = field("images", "file", {**source, "extract": {"column": "file"}})
    return CroissantParts(
        distribution=[file_object(info["shards"][0], "text/csv")],
        record_sets=[record_set("images", "candidate_id", [name, *column_fields("images", source)])],
    )


CSV_LIST = ExportFormat(
    name="csv_list",
    about="pictures and one CSV that lists them",
    layout={"pictures/<candidate_id>.<ext>": "images", LIST: "labels and hashes"},
    read_with='`polars.read_csv("DIR/list.csv")`',
    writer=lambda _digest: CsvWriter(),
    data_files=(LIST,),
    features=column_lines,
    how_to_read='    polars.read_csv("<this folder>/list.csv")',
    hashes=f"Each image's sha256 is in `{LIST}`.",
    croissant=describe,
    aliases=("csv",),
    shard_bytes=5 * 2**20,
)
