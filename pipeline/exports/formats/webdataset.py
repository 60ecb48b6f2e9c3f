"""WebDataset: tar files of `<candidate_id>.jpg`, `.cls` and `.json`, byte for byte the same on every machine."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.manifests.files import file_sha256, write_json
from relaionet.manifests.replacing import replacing
from relaionet.pipeline.exports.croissant import (
    IMAGE_ENCODINGS,
    field,
    file_object,
    file_set,
    image_field,
    record_set,
)
from relaionet.pipeline.exports.features import label_lines
from relaionet.pipeline.exports.format import CroissantParts, ExportFormat

if TYPE_CHECKING:
    from relaionet.pipeline.exports.pictures import ExportedPicture

INDEX = "data/index.json"
NAME_DIGITS = 12


class WebDatasetWriter:
    """Writes tar shards.

    Every image is a `.jpg` member whatever its bytes are (the json member's `format` says): readers choose members by
    that name and decoders look at the bytes, and `datasets` wants the same members in every sample.

    Args:
        digest: of the export; part of the shards' names, as some readers (mlcroissant) keep what they unpack by name.
    """

    def __init__(self, digest: str) -> None:
        self.prefix = f"test-{digest[:NAME_DIGITS]}"

    def file_name(self, number: int, count: int) -> str:
        """Such as `data/test-0a1b2c3d4e5f-000000.tar`."""
        return f"data/{self.prefix}-{number:06d}.tar"

    def write_shard(self, out: Path, file: Path, pictures: Iterator[ExportedPicture]) -> None:
        """Write one tar."""
        with replacing(file) as part, part.open("wb") as target:
            with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                for picture in pictures:
                    for extension, data in _members(picture):
                        _add(tar, f"{picture.candidate_id}.{extension}", data)
            target.flush()
            os.fsync(target.fileno())

    def finish(self, out: Path, shards: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Write the index as webdataset's `wids` reads it: random access by row."""
        rows = [
            {"url": Path(shard["file"]).name, "nsamples": shard["rows_count"], "filesize": shard["bytes_count"]}
            for shard in shards
        ]
        file = out / INDEX
        write_json(file, {"wids_version": 1, "name": "test", "shardlist": rows})
        told = {"file": INDEX, "rows_count": 0, "bytes_count": file.stat().st_size, "sha256": file_sha256(file)}
        return [*shards, told]


def _members(picture: ExportedPicture) -> Iterator[tuple[str, bytes]]:
    told = {
        "candidate_id": picture.candidate_id, "wnid": picture.wnid, "class_index": picture.class_index,
        "class_name": picture.class_name, "format": picture.format, "image_sha256": picture.image_sha256,
        "stored_sha256": picture.stored_sha256, "wnids": picture.classes,
    }  # fmt: skip
    yield "jpg", picture.data
    yield "cls", str(picture.class_index).encode()
    yield "json", json.dumps(told, ensure_ascii=False).encode()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o644, 0
    tar.addfile(member, io.BytesIO(data))


def _features() -> list[str]:
    told = ["candidate_id", "wnid", "class_name", "format", "image_sha256", "stored_sha256"]
    lines = ["  - name: jpg", "    dtype: image", *label_lines("cls"), "  - name: json", "    struct:"]
    lines += [f"    - name: {name}\n      dtype: string" for name in told[:2]]
    lines += ["    - name: class_index\n      dtype: int64"]
    lines += [f"    - name: {name}\n      dtype: string" for name in told[2:]]
    lines += ["    - name: wnids\n      sequence: string"]
    return [*lines, "  - name: __key__\n    dtype: string", "  - name: __url__\n    dtype: string"]


def _describe(info: Mapping[str, Any]) -> CroissantParts:
    tars = [shard for shard in info["shards"] if shard["file"].endswith(".tar")]
    inside = [shard["file"] for shard in tars]
    label = field("labels", "label", {"fileSet": {"@id": "cls"}, "extract": {"fileProperty": "content"}}, "sc:Integer")
    return CroissantParts(
        distribution=[
            *(file_object(shard, "application/x-tar") for shard in tars),
            file_set("jpg", "*.jpg", IMAGE_ENCODINGS, inside),
            file_set("cls", "*.cls", "text/plain", inside),
        ],
        record_sets=[
            record_set("images", "candidate_id", [_member_id("images", "jpg"), image_field("images", "jpg")]),
            record_set("labels", "candidate_id", [_member_id("labels", "cls"), label]),
        ],
    )


def _member_id(record_set: str, extension: str) -> dict[str, Any]:
    source = {"fileSet": {"@id": extension}, "extract": {"fileProperty": "filename"}}
    regex = {"transform": {"regex": rf"^([0-9a-f]{{64}})\.{extension}$"}}
    return field(record_set, "candidate_id", source | regex)


FORMAT = ExportFormat(
    name="webdataset",
    about="tar shards",
    layout={
        "data/test-<digest>-000000.tar": "`<id>.jpg`, `.cls` and `.json` of each image",
        INDEX: "the shards, for random access",
    },
    read_with='`webdataset.WebDataset(sorted(glob("DIR/data/*.tar")), shardshuffle=False).decode("pil")`, '
    '`load_dataset("DIR")`',
    writer=WebDatasetWriter,
    data_files=("data/*.tar",),
    features=_features,
    how_to_read="""    shards = sorted(glob.glob("<this folder>/data/*.tar"))
    webdataset.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("jpg", "cls")
    datasets.load_dataset("<this folder>", split="test")     # columns jpg, cls, json

Every image is a `jpg` member whatever its format is (`json` says it): decoders look at the bytes.""",
    hashes="Each image's sha256 is in its `json`, each shard's in `export.json`.",
    croissant=_describe,
    tags=("webdataset",),
    order=20,
)
