"""WebDataset: tar files of `<candidate_id>.jpg`, `.cls` and `.json`, byte for byte the same on every machine."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.manifests.files import file_sha256, write_json

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
        part = file.with_name(f"{file.name}.part")
        with part.open("wb") as target:
            with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                for picture in pictures:
                    for extension, data in _members(picture):
                        _add(tar, f"{picture.candidate_id}.{extension}", data)
            target.flush()
            os.fsync(target.fileno())
        part.replace(file)

    def finish(self, out: Path, shards: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Write the index in the form webdataset's `wids` reads: random access by row."""
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
        "stored_sha256": picture.stored_sha256,
    }  # fmt: skip
    yield "jpg", picture.data
    yield "cls", str(picture.class_index).encode()
    yield "json", json.dumps(told, ensure_ascii=False).encode()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o644, 0
    tar.addfile(member, io.BytesIO(data))
